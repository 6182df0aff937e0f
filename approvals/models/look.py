"""How people look at reviews before they decide."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from approvals.models.review import Decision, Review


class Look(models.Model):
    """What a reviewer has opened and stated of a review. As the server saw it: a browser's word is not taken for it."""

    review = models.ForeignKey(Review, models.PROTECT, related_name="looks", db_index=False)
    reviewer = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    opened = ArrayField(models.TextField(), default=list)  # titles of evidence
    stated = ArrayField(models.TextField(), default=list)
    missed = models.PositiveSmallIntegerField(default=0)  # statements that were not what was decoded
    pause_until = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            # What one person has done is asked by this before they sign, and two windows count as one person.
            models.UniqueConstraint(fields=["review", "reviewer"], name="look_once"),
        ]

    def __str__(self) -> str:
        return f"{self.reviewer_id} at {self.review_id}"


class VoteMeasure(models.Model):
    """How a vote came to be. Written with it and never changed. `unfolded` is the browser's word."""

    decision = models.OneToOneField(Decision, models.PROTECT, primary_key=True, related_name="measure")
    dwell_ms = models.PositiveIntegerField(null=True)  # since its page was first read; none where it never was
    facts = models.PositiveIntegerField()
    characters = models.PositiveIntegerField()  # of what there was to read
    missed = models.PositiveSmallIntegerField(default=0)
    unfolded = ArrayField(models.TextField(), default=list)

    def __str__(self) -> str:
        return f"{self.decision_id} after {self.dwell_ms} ms"
