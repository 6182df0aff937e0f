"""Authority to execute."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from approvals.models.action import Action
from console.core.ids import new_id


def permit_id() -> str:
    return new_id("pmt")


class Permit(models.Model):
    """Single-use authority to execute one action digest, for minutes. Lapsed ones are minted again after a re-check."""

    id = models.TextField(primary_key=True, default=permit_id)
    action = models.ForeignKey(Action, models.PROTECT, related_name="permits")
    action_digest = models.BinaryField(max_length=32)
    request_digest = models.BinaryField(max_length=32)
    minted_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True)
    consumed_txid = models.TextField(null=True)

    class Meta:
        ordering: ClassVar = ["-minted_at", "-id"]
        constraints: ClassVar = [
            # Two usable permits would be two sends.
            models.UniqueConstraint(
                fields=["action"], condition=models.Q(consumed_at__isnull=True), name="permit_one_usable"
            ),
        ]

    def __str__(self) -> str:
        return self.id
