"""What is stopped until somebody lifts it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from console.core.ids import new_id
from console.core.states import transitions

SCOPES = ("instance", "team", "workflow", "agent", "integration")


def halt_id() -> str:
    return new_id("hlt")


class Halt(models.Model):
    """Nothing is sent for what it covers. `target` is a grantee (`agent:helper`), the id of an integration, or "" for
    the whole team; without a team it covers the instance."""

    KIND: ClassVar = "approvals:halt"
    TRANSITIONS: ClassVar = transitions(initial="on", on="lifted", lifted="")

    id = models.TextField(primary_key=True, default=halt_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+", null=True)
    scope = models.TextField()
    target = models.TextField(default="")
    name = models.TextField()  # as people know the target
    state = models.TextField(default="on")
    reason = models.TextField()
    by = models.TextField()  # who, by name
    since = models.DateTimeField(db_default=Now())
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-since", "-id"]
        constraints: ClassVar = [
            # A scope that nobody knows would stop nothing.
            models.CheckConstraint(condition=models.Q(scope__in=SCOPES), name="halt_scope_known"),
            # Of a team all but that of the instance, which belongs to none.
            models.CheckConstraint(
                condition=models.Q(scope="instance", team=None) | ~models.Q(scope="instance") & ~models.Q(team=None),
                name="halt_of_a_team",
            ),
            # Lifting one of two would look as if it went on.
            models.UniqueConstraint(
                fields=["team", "scope", "target"], condition=models.Q(state="on"), name="halt_once",
                nulls_distinct=False,
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.team_id or ""}
