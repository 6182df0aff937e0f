"""Runs, their steps and the tries at them. PostgreSQL holds the truth; a message only wakes."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from console.core.ids import new_id
from console.core.states import final, transitions


def run_id() -> str:
    return new_id("run")


def step_id() -> str:
    return new_id("stp")


def attempt_id() -> str:
    return new_id("att")


class Run(models.Model):
    """One execution of a workflow version, for a person, with one trace."""

    KIND: ClassVar = "runs:run"
    TRANSITIONS: ClassVar = transitions(
        initial="running", running="succeeded failed cancelled", succeeded="", failed="", cancelled=""
    )

    id = models.TextField(primary_key=True, default=run_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    version = models.ForeignKey("workflows.WorkflowVersion", models.PROTECT, related_name="+")
    state = models.TextField(default="running")
    inputs = models.JSONField(default=dict)
    on_behalf_of = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    request = models.TextField(db_default="", default="")  # what they want, as they typed it
    request_attestation = models.BinaryField(max_length=64, null=True)
    outcome = models.JSONField(null=True)  # {text, step} once finished
    trace_id = models.TextField()
    span_id = models.TextField()
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-started_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state="running", finished_at__isnull=True)
                | (~models.Q(state="running") & models.Q(finished_at__isnull=False)),
                name="run_finished_iff_final",
            ),
        ]
        indexes: ClassVar = [
            # The list of a team's runs, newest first, by keyset.
            models.Index(fields=["team", "-started_at", "-id"], name="run_of_team"),
        ]

    def __str__(self) -> str:
        return self.id

    def told_request(self) -> dict[str, object]:
        return {"run": self.id, "team": self.team_id, "on_behalf_of": self.on_behalf_of_id, "request": self.request}

    def audit_context(self) -> Mapping[str, Any]:
        return {
            "team": self.team_id,
            "run": self.id,
            "trace": self.trace_id,
            "span": self.span_id,
            "on_behalf_of": self.on_behalf_of_id,
        }


class Step(models.Model):
    """A node of the run. `each` steps have one child per item; `lease_*` and `fence` belong to the worker at it."""

    KIND: ClassVar = "runs:step"
    TRANSITIONS: ClassVar = transitions(
        initial="planned ready",
        planned="ready cancelled",
        ready="running cancelled",
        running="waiting ready succeeded failed cancelled",
        waiting="ready succeeded failed cancelled",
        succeeded="",
        failed="",
        cancelled="",
    )
    FINAL: ClassVar = final(TRANSITIONS)

    id = models.TextField(primary_key=True, default=step_id)
    run = models.ForeignKey(Run, models.PROTECT, related_name="steps")
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    name = models.TextField()
    index = models.PositiveIntegerField(default=0)  # place among the items of an `each` step
    position = models.PositiveIntegerField()  # place in the workflow, for people
    kind = models.TextField()
    state = models.TextField(default="planned")
    needs = ArrayField(models.TextField(), default=list)
    item = models.JSONField(null=True)
    output = models.JSONField(null=True)
    error = models.JSONField(null=True)  # {code, text}
    waiting_for = models.TextField(default="")  # review, timer, event or child, while waiting
    action = models.TextField(default="")
    due_at = models.DateTimeField(null=True)  # of a timer, or of waiting for an event
    fence = models.PositiveIntegerField(default=0)
    lease_owner = models.BigIntegerField(null=True)
    ready_at = models.DateTimeField(null=True)
    span_id = models.TextField(default="")

    class Meta:
        ordering: ClassVar = ["position", "index"]
        constraints: ClassVar = [
            # An expansion that is done twice must not make a second child, hence a second action.
            models.UniqueConstraint(fields=["run", "name", "index", "parent"], name="step_once", nulls_distinct=False),
            models.CheckConstraint(
                condition=models.Q(state="running", lease_owner__isnull=False)
                | (~models.Q(state="running") & models.Q(lease_owner__isnull=True)),
                name="step_leased_iff_running",
            ),
        ]
        indexes: ClassVar = [
            # The claim: the oldest ready step that nobody holds.
            models.Index(fields=["ready_at"], condition=models.Q(state="ready"), name="step_ready"),
            # The sweep: who holds what, and what waits for an action or a time.
            models.Index(fields=["lease_owner"], condition=models.Q(state="running"), name="step_running"),
            # A settled action asks which step waits for it.
            models.Index(fields=["action"], condition=models.Q(state="waiting"), name="step_waiting"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        return f"{self.name} {self.index + 1}" if self.parent_id else self.name

    def audit_context(self) -> Mapping[str, Any]:
        return {**self.run.audit_context(), "span": self.span_id}


class Attempt(models.Model):
    """One try at a step. `fence` is the token with which this try may write."""

    id = models.TextField(primary_key=True, default=attempt_id)
    step = models.ForeignKey(Step, models.PROTECT, related_name="attempts")
    fence = models.PositiveIntegerField()
    worker = models.BigIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    outcome = models.TextField(default="")  # done, parked, failed, lost

    class Meta:
        ordering: ClassVar = ["fence"]
        constraints: ClassVar = [
            # The dispatch id: a token is given out once.
            models.UniqueConstraint(fields=["step", "fence"], name="attempt_fence"),
        ]

    def __str__(self) -> str:
        return self.id
