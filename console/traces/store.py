"""Writing spans. Start and end are written in the transaction of the transition they tell of."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from console.core.clock import nanoseconds, now


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


def start_spans(spans: Iterable[SpanStart]) -> None:
    """Insert or complete; the same start twice is one span."""
    rows = [
        (s.trace_id, s.span_id, s.parent_id, s.team, s.run, s.subject, s.name, s.surface, s.started_ns or clock_ns(),
         s.ended_ns, s.status, json.dumps(dict(s.attributes)))
        for s in spans
    ]  # fmt: skip
    with connection.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(_START, rows[0])  # executemany would cost a round trip more
        elif rows:
            cursor.executemany(_START, rows)


def end_span(trace_id: str, span_id: str, *, ok: bool = True, attributes: Mapping[str, Any] | None = None) -> None:
    with connection.cursor() as cursor:
        values = [clock_ns(), "ok" if ok else "error", json.dumps(dict(attributes or {})), trace_id, span_id]
        cursor.execute(_END, values)


def clock_ns() -> int:
    return nanoseconds(now())
