"""How several people work on one review: who is on it, and what they say of it to one another."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from approvals.models.review import Review
from console.core.ids import new_id


def claim_id() -> str:
    return new_id("clm")


def comment_id() -> str:
    return new_id("cmt")


class Claim(models.Model):
    """A note that somebody is on it. It keeps nobody from deciding, and ends by itself."""

    id = models.TextField(primary_key=True, default=claim_id)
    review = models.ForeignKey(Review, models.PROTECT, related_name="claims", db_index=False)
    person = models.ForeignKey("accounts.User", models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField(db_default=Now())
    released_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["at", "id"]
        constraints: ClassVar = [
            # Nobody lets go of something before they had it.
            models.CheckConstraint(condition=Q(released_at=None) | Q(released_at__gte=F("at")), name="claim_released"),
        ]
        indexes: ClassVar = [
            # Who is on it is shown with each review, in the queue too.
            models.Index(fields=["review", "at"], condition=Q(released_at=None), name="claim_of_review"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} on {self.review_id}"


class Comment(models.Model):
    """Plain text among those who sign. Never changed; whether it is resolved is said by further rows."""

    id = models.TextField(primary_key=True, default=comment_id)
    review = models.ForeignKey(Review, models.PROTECT, related_name="comments", db_index=False)
    author = models.ForeignKey("accounts.User", models.PROTECT, related_name="+", db_index=False)
    text = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["at", "id"]
        indexes: ClassVar = [
            # What was said of a review.
            models.Index(fields=["review", "at"], name="comment_of_review"),
        ]

    def __str__(self) -> str:
        return self.text


class CommentResolution(models.Model):
    """That somebody holds a comment for resolved, or not any more. The newest one counts."""

    comment = models.ForeignKey(Comment, models.PROTECT, related_name="resolutions")
    by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+", db_index=False)
    resolved = models.BooleanField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.comment_id}: {'resolved' if self.resolved else 'open'}"
