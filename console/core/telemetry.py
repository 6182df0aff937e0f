"""Trace context: ids that live on rows, and the OpenTelemetry tracer for what happens inside one process call."""

import re
import secrets
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider


def new_trace_id() -> str:
    return secrets.token_hex(16)


def new_span_id() -> str:
    return secrets.token_hex(8)


def traceparent(trace_id: str, span_id: str) -> str:
    """W3C Trace Context, sampled."""
    return f"00-{trace_id}-{span_id}-01"


class Parent(NamedTuple):
    trace_id: str
    span_id: str


_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


def read_traceparent(header: str) -> Parent | None:
    """None for what is no W3C Trace Context, as its §3.2 asks."""
    found = _TRACEPARENT.fullmatch(header.strip())
    return Parent(found[1], found[2]) if found else None


def parent_context(trace_id: str, span_id: str) -> Context:
    """A context in which new spans become children of the span that a row names."""
    remote = trace.SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(1))
    return trace.set_span_in_context(trace.NonRecordingSpan(remote))


provider = TracerProvider()
tracer = provider.get_tracer("countersign")
