"""Reviews that are none, to see whether people look."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from approvals.models.action import Action
from approvals.models.review import review_id
from console.core.fields import OrderedJSONField
from console.core.states import transitions


class Drill(models.Model):
    """What looks like a review to one reviewer, made from something that was done once. There is no action behind it,
    so there is nothing that a permit or a call could be of: both are of actions."""

    KIND: ClassVar = "approvals:drill"
    TRANSITIONS: ClassVar = transitions(
        initial="open", open="right wrong left lapsed", right="", wrong="", left="", lapsed=""
    )

    id = models.TextField(primary_key=True, default=review_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    reviewer = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    like = models.ForeignKey(Action, models.PROTECT, related_name="+")
    state = models.TextField(default="open")
    planted = models.TextField()  # "" for none
    told = models.TextField()  # what was planted, in words
    shown = OrderedJSONField()  # what an action would have in its columns
    training = models.BooleanField(default=False)  # told to be one
    claimed_at = models.DateTimeField(null=True)  # when they said that they are on it
    opened_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["expires_at", "id"]
        constraints: ClassVar = [
            # Two at once would be found by what they have in common.
            models.UniqueConstraint(
                fields=["reviewer", "team"], condition=models.Q(state="open", training=False), name="drill_one_open"
            ),
            models.CheckConstraint(
                condition=models.Q(state="open", closed_at__isnull=True)
                | (~models.Q(state="open") & models.Q(closed_at__isnull=False)),
                name="drill_closed_iff_final",
            ),
        ]
        indexes: ClassVar = [
            # Which wait for somebody, and when there was one last.
            models.Index(fields=["reviewer", "team", "-opened_at"], name="drill_of_reviewer"),
        ]

    def __str__(self) -> str:
        return self.id

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.team_id}
