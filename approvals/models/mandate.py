"""A standing approval that people have signed."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from console.core.ids import new_id
from console.core.states import transitions


def mandate_id() -> str:
    return new_id("mnd")


class Mandate(models.Model):
    """What it covers, how much and until when is said by the arguments of its action, which people have signed: the
    columns are for finding it. What was done by it are the actions that name it."""

    KIND: ClassVar = "approvals:mandate"
    TRANSITIONS: ClassVar = transitions(initial="given", given="revoked", revoked="")

    id = models.TextField(primary_key=True, default=mandate_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    action = models.OneToOneField("approvals.Action", models.PROTECT, related_name="gives")
    state = models.TextField(default="given")
    operation = models.ForeignKey("integrations.Operation", models.PROTECT, related_name="+")
    grantee = models.TextField()
    until = models.DateTimeField()
    given_at = models.DateTimeField(db_default=Now())
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-given_at", "-id"]
        indexes: ClassVar = [
            # Which of them may cover an action is asked whenever a person would be.
            models.Index(fields=["operation", "grantee"], condition=models.Q(state="given"), name="mandate_covering"),
        ]

    def __str__(self) -> str:
        return self.action.sentence

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.team_id}
