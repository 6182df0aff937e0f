"""Trace context: ids that live on rows, and the OpenTelemetry tracer for what happens inside one process call."""

import secrets

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


def parent_context(trace_id: str, span_id: str) -> Context:
    """A context in which new spans become children of the span that a row names."""
    remote = trace.SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(1))
    return trace.set_span_in_context(trace.NonRecordingSpan(remote))


provider = TracerProvider()
tracer = provider.get_tracer("countersign")
