"""Documents that were handed in and are read by a worker, as they are stored."""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from console.core.ids import new_id
from console.core.states import transitions


def import_id() -> str:
    return new_id("imp")


class Import(models.Model):
    """A document that waits to be read, or what became of it. `attestation` is the console's, over who handed in what,
    and where they bound it: a worker reads nothing because of a row alone."""

    KIND: ClassVar = "integrations:import"
    TRANSITIONS: ClassVar = transitions(
        initial="waiting",
        waiting="reading",
        reading="waiting done failed",
        done="",
        failed="",
    )

    id = models.TextField(primary_key=True, default=import_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    state = models.TextField(default="waiting")
    by = models.TextField()  # the person's id
    bound = models.JSONField()  # what they said of it: name, title, address, how one signs in
    document = models.BinaryField(null=True)  # until it was read
    overlay = models.TextField(default="")
    size = models.PositiveIntegerField()
    worker = models.BigIntegerField(default=0)  # presence number of who reads it
    attempts = models.PositiveSmallIntegerField(default=0)
    report = models.JSONField(null=True)
    error = models.TextField(default="")
    asked_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["-asked_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "reading"], ended_at__isnull=True)
                | models.Q(state__in=["done", "failed"], ended_at__isnull=False),
                name="import_ended_iff_final",
            ),
        ]
        indexes: ClassVar = [
            # The sweep asks for those that nobody goes on with.
            models.Index(
                fields=["asked_at"], condition=models.Q(state__in=["waiting", "reading"]), name="import_unfinished"
            ),
        ]

    def __str__(self) -> str:
        return self.id

    def attested(self) -> dict[str, object]:
        return {
            "import": self.id,
            "team": self.team_id,
            "by": self.by,
            "bound": self.bound,
            "document": hashlib.sha256(bytes(self.document or b"")).hexdigest(),
            "overlay": hashlib.sha256(self.overlay.encode()).hexdigest(),
        }

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.team_id}
