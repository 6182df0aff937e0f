"""A credential that was opened for a person in an emergency."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from console.core.ids import new_id


def opening_id() -> str:
    return new_id("opn")


class Opening(models.Model):
    """`content` is sealed to a key that only the asker's browser has, and is dropped when the time is over."""

    id = models.TextField(primary_key=True, default=opening_id)
    action = models.TextField(unique=True)  # one action opens once
    credential = models.ForeignKey("integrations.Credential", models.PROTECT, related_name="openings")
    asker = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    content = models.BinaryField()
    opened_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()
    replace_by = models.DateTimeField()  # the credential is revoked then, if nobody has done it before

    class Meta:
        ordering: ClassVar = ["-opened_at", "-id"]
        indexes: ClassVar = [
            # The sweep asks for what is still held.
            models.Index(fields=["until"], condition=~models.Q(content=b""), name="opening_held"),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def place(self) -> str:
        return f"opening/{self.action}"
