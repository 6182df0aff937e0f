"""Names that people have approved something for, by what they look like."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class ApprovedName(models.Model):
    """A counterparty, an identity or a host, as it stood in an action that was approved."""

    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+", db_index=False)
    skeleton = models.TextField()
    name = models.TextField()
    times = models.PositiveIntegerField(default=1)
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            # Names that look like another are looked up by this, and each is counted in one row.
            models.UniqueConstraint(fields=["team", "skeleton", "name"], name="approved_name_once"),
        ]

    def __str__(self) -> str:
        return self.name
