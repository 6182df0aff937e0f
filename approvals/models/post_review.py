"""Looking again at what was done without anybody, or in an emergency."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from approvals.models.action import Action
from console.core.ids import new_id
from console.core.states import transitions

OPENING, SAMPLE = "opening", "sample"


def post_review_id() -> str:
    return new_id("prv")


class PostReview(models.Model):
    """Somebody who had no part in an action judges it afterwards: each opening of a credential, and a sample of what
    was allowed."""

    KIND: ClassVar = "approvals:post_review"
    TRANSITIONS: ClassVar = transitions(initial="open", open="agreed disagreed", agreed="", disagreed="")

    id = models.TextField(primary_key=True, default=post_review_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+", db_index=False)
    action = models.OneToOneField(Action, models.PROTECT, related_name="post_review")
    cause = models.TextField()
    state = models.TextField(default="open")
    groups = ArrayField(models.TextField())  # who is asked
    not_by = ArrayField(models.TextField())  # whoever made it, or signed it
    reviewer = models.ForeignKey("accounts.User", models.PROTECT, null=True, related_name="+")
    why = models.TextField(default="")
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["opened_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(cause__in=[OPENING, SAMPLE]), name="post_review_cause_known"),
            # What nobody judged is not judged, whatever its state says.
            models.CheckConstraint(
                condition=models.Q(state="open", closed_at=None, reviewer=None)
                | (~models.Q(state="open") & models.Q(closed_at__isnull=False, reviewer__isnull=False)),
                name="post_review_judged_by_somebody",
            ),
        ]
        indexes: ClassVar = [
            # What is still owed, for the page and the number in the frame.
            models.Index(fields=["team", "opened_at"], condition=models.Q(state="open"), name="post_review_owed"),
            # What was judged last.
            models.Index(fields=["team", "-closed_at"], condition=~models.Q(state="open"), name="post_review_judged"),
        ]

    def __str__(self) -> str:
        return self.id

    def audit_context(self) -> Mapping[str, Any]:
        return self.action.audit_context()


class CareSetting(models.Model):
    """What a team does to keep those who sign awake. A team without a row does none of it."""

    team = models.OneToOneField("accounts.Team", models.PROTECT, primary_key=True, related_name="+")
    samples = models.PositiveSmallIntegerField(default=0)  # a day, of what was allowed
    most_an_hour = models.PositiveSmallIntegerField(default=0)  # decisions of one person; 0 for no end
    drill_every = models.PositiveSmallIntegerField(default=0)  # so many decisions of one person; 0 for none
    sampled_until = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.samples} a day, {self.most_an_hour or 'any'} an hour"
