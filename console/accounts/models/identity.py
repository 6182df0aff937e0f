"""Who a person is at a provider of OpenID Connect."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from console.accounts.models.people import User


class Identity(models.Model):
    """Issuer and subject name a person for good (OpenID Connect Core 1.0 §2); names and addresses of e-mail do not."""

    id = models.TextField(primary_key=True)
    user = models.ForeignKey(User, models.PROTECT, related_name="identities")
    issuer = models.TextField()
    subject = models.TextField()
    linked_at = models.DateTimeField(db_default=Now())
    attestation = models.BinaryField(max_length=64)  # the console's, so that SQL lets nobody in

    class Meta:
        constraints: ClassVar = [
            # One person each; its index is the one by which whoever signs in is found.
            models.UniqueConstraint(fields=["issuer", "subject"], name="accounts_identity_once"),
            # An answer without a subject must not meet a row without one.
            models.CheckConstraint(condition=~Q(issuer="") & ~Q(subject=""), name="accounts_identity_named"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.issuer}"

    def attested(self) -> dict[str, object]:
        return {"identity": self.id, "user": self.user_id, "issuer": self.issuer, "subject": self.subject}
