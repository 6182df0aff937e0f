"""What did happen: append-only rows whose bytes a Merkle log can take over as they are."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class RecordQuerySet(models.QuerySet["Record"]):
    def of(self, *subjects: str) -> "RecordQuerySet":
        return self.filter(subject__in=subjects)


class Record(models.Model):
    """One entry of the log. `leaf` is what is proven; the other columns repeat parts of it for search.

    The table is partitioned by month of `at` and made by SQL in the first migration; the application role may only
    INSERT (not `at`, `txid`, `leaf_hash`, which the database fills) and SELECT.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    log = models.TextField()
    at = models.DateTimeField(db_default=Now())
    leaf = models.BinaryField()
    leaf_hash = models.BinaryField(null=True)
    kind = models.TextField()
    subject = models.TextField()
    state = models.TextField(default="")
    actor_kind = models.TextField()
    actor = models.TextField()
    team = models.TextField(default="")
    run = models.TextField(default="")
    trace = models.TextField(default="")

    objects: ClassVar[models.Manager["Record"]] = RecordQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        managed = False

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject}"


class Pending(models.Model):
    """A record that no tree holds yet. A sequencer consumes this queue; it never guesses by a highest id."""

    record_id = models.UUIDField(primary_key=True)

    class Meta:
        managed = False

    def __str__(self) -> str:
        return str(self.record_id)


class Disclosure(models.Model):
    """The value behind a commitment in a leaf. Deleting the row erases it and leaves every proof valid."""

    id = models.BigAutoField(primary_key=True)
    record_id = models.UUIDField()
    path = models.TextField()
    salt = models.BinaryField()
    value = models.JSONField()

    class Meta:
        managed = False

    def __str__(self) -> str:
        return f"{self.path} of {self.record_id}"
