"""Spans: one row each, folded from start and end, so that what is still running shows."""

from typing import ClassVar

from django.db import models

SURFACES = ("api", "browser", "desktop", "process", "model", "human")


class Span(models.Model):
    """As in OpenTelemetry, times in Unix nanoseconds. `ended_ns` is null while it runs."""

    pk = models.CompositePrimaryKey("trace_id", "span_id")
    trace_id = models.TextField()
    span_id = models.TextField()
    parent_id = models.TextField(default="")
    team = models.TextField()
    run = models.TextField(default="")
    subject = models.TextField(default="")  # id of the row that it is the span of
    name = models.TextField()
    surface = models.TextField()
    started_ns = models.BigIntegerField()
    ended_ns = models.BigIntegerField(null=True)
    status = models.TextField(default="unset")
    attributes = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(surface__in=SURFACES), name="span_surface_known"),
            models.CheckConstraint(condition=models.Q(status__in=["unset", "ok", "error"]), name="span_status_known"),
        ]
        indexes: ClassVar = [
            # The run page reads all spans of one run in order.
            models.Index(fields=["run", "started_ns"], name="span_of_run"),
        ]

    def __str__(self) -> str:
        return self.name
