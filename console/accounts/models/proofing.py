"""Who saw that a person is who they say."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from console.accounts.models.people import Team, User


class Proofing(models.Model):
    """For one team: others need not believe its admins. Never changed; what is seen later stands beside it."""

    id = models.TextField(primary_key=True)
    # Its index serves the question whose identity of these people was seen.
    user = models.ForeignKey(User, models.PROTECT, related_name="proofings")
    team = models.ForeignKey(Team, models.PROTECT, related_name="+", db_index=False)
    legal_name = models.TextField()
    by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    how = models.TextField()
    on = models.DateField()
    made_at = models.DateTimeField(db_default=Now())
    attestation = models.BinaryField(max_length=64)  # the console's, so that SQL proves nobody

    class Meta:
        constraints: ClassVar = [
            # A name, and a way it was seen, that say nothing.
            models.CheckConstraint(condition=~Q(legal_name="") & ~Q(how=""), name="accounts_proofing_told"),
            # Nobody vouches for themselves.
            models.CheckConstraint(condition=~Q(user=models.F("by")), name="accounts_proofing_by_another"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} seen by {self.by_id}"

    def attested(self) -> dict[str, object]:
        return {
            "proofing": self.id,
            "user": self.user_id,
            "team": self.team_id,
            "legal_name": self.legal_name,
            "by": self.by_id,
            "how": self.how,
            "on": self.on.isoformat(),
        }
