"""Finished OpenTelemetry spans of this process become Span rows under the trace of the row they belong to."""

import logging
from collections.abc import Sequence

from django.db import Error, connection
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from console.core.telemetry import provider
from console.traces.store import SpanStart, start_spans

logger = logging.getLogger(__name__)
DELAY = 500  # milliseconds between batches: a page shows a finished read at most this late


def export_to_rows() -> None:
    """Once per process that makes spans of its own. A thread writes them, so that no send waits for its span."""
    provider.add_span_processor(BatchSpanProcessor(RowExporter(), schedule_delay_millis=DELAY))


class RowExporter(SpanExporter):
    """Keeps what carries `countersign.team`; it says whose run a span belongs to."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            start_spans(row for span in spans if (row := _row(span)))
        except Error as error:
            logger.warning("%d spans lost: %s", len(spans), error)
            return SpanExportResult.FAILURE
        finally:
            connection.close()  # the exporter's thread is idle most of the time; the pool is for those who work
        return SpanExportResult.SUCCESS


def _row(span: ReadableSpan) -> SpanStart | None:
    attributes = dict(span.attributes or {})
    context, team = span.context, attributes.pop("countersign.team", None)
    if context is None or team is None or span.start_time is None:
        return None
    return SpanStart(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{span.parent.span_id:016x}" if span.parent else "",
        name=span.name,
        surface="api",
        team=str(team),
        run=str(attributes.pop("countersign.run", "")),
        started_ns=span.start_time,
        ended_ns=span.end_time,
        status="ok" if span.status.is_ok or span.status.is_unset else "error",
        attributes=attributes,
    )
