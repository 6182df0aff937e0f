"""Secrets that are handed out once. Only their SHA-256 is kept: long random texts need nothing slower."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from console.accounts.models.people import Team, User


class ApiToken(models.Model):
    """Lets a person's script read the API in their name, in one team. It never decides and never changes anything."""

    id = models.TextField(primary_key=True)
    user = models.ForeignKey(User, models.PROTECT, related_name="tokens")
    team = models.ForeignKey(Team, models.PROTECT, related_name="tokens")
    # Unique, because a request is matched to its token by this alone.
    sha256 = models.BinaryField(unique=True)
    label = models.TextField(default="")
    scope = models.TextField(default="read")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            # There is one scope; a row that claims more must not wait for code that would honour it.
            models.CheckConstraint(condition=Q(scope="read"), name="accounts_token_scope"),
            # A token that has ended before it began is a mistake in the caller's time zone.
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="accounts_token_expires"),
        ]

    def __str__(self) -> str:
        return self.label or self.id


class SetupLink(models.Model):
    """Makes the first administrator, once."""

    id = models.TextField(primary_key=True)
    sha256 = models.BinaryField(unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            # A use after the end would mean that the check was skipped.
            models.CheckConstraint(
                condition=Q(used_at__isnull=True) | Q(used_at__lt=F("expires_at")), name="accounts_setup_in_time"
            ),
        ]

    def __str__(self) -> str:
        return self.id
