"""Writing spans. Start and end are written in the transaction of the transition they tell of, or `also` with it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from console.core.clock import nanoseconds, now
from console.core.statements import Statement


@dataclass(frozen=True, slots=True)
class SpanStart:
    """A span that begins now, unless `started_ns` says when; with `ended_ns` it is a finished one."""

    trace_id: str
    span_id: str
    name: str
    surface: str
    team: str
    parent_id: str = ""
    run: str = ""
    subject: str = ""
    started_ns: int = 0
    ended_ns: int | None = None
    status: str = "unset"
    attributes: Mapping[str, Any] = field(default_factory=dict)


_START = """
INSERT INTO traces_span (trace_id, span_id, parent_id, team, run, subject, name, surface, started_ns, ended_ns, status,
                         attributes)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (trace_id, span_id) DO UPDATE SET
    name = excluded.name, parent_id = excluded.parent_id, surface = excluded.surface,
    started_ns = least(traces_span.started_ns, excluded.started_ns),
    ended_ns = coalesce(excluded.ended_ns, traces_span.ended_ns),
    attributes = traces_span.attributes || excluded.attributes
"""
# An end never moves a span that has one already: the first transition to finish it wins.
_END = """
UPDATE traces_span SET ended_ns = %s, status = %s, attributes = attributes || %s
WHERE trace_id = %s AND span_id = %s AND ended_ns IS NULL
"""


def starting(span: SpanStart) -> Statement:
    """Inserts or completes; the same start twice is one span."""
    row = (
        span.trace_id, span.span_id, span.parent_id, span.team, span.run, span.subject, span.name, span.surface,
        span.started_ns or clock_ns(), span.ended_ns, span.status, json.dumps(dict(span.attributes)),
    )  # fmt: skip
    return Statement(_START, row)


def ending(trace_id: str, span_id: str, *, ok: bool = True, attributes: Mapping[str, Any] | None = None) -> Statement:
    values = [clock_ns(), "ok" if ok else "error", json.dumps(dict(attributes or {})), trace_id, span_id]
    return Statement(_END, values)


def start_spans(spans: Iterable[SpanStart]) -> None:
    rows = [starting(span).values for span in spans]
    with connection.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(_START, rows[0])  # executemany would cost a round trip more
        elif rows:
            cursor.executemany(_START, rows)


def end_span(trace_id: str, span_id: str, *, ok: bool = True, attributes: Mapping[str, Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(*ending(trace_id, span_id, ok=ok, attributes=attributes))


def clock_ns() -> int:
    return nanoseconds(now())
