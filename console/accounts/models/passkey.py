"""A person's public key. Rows are never deleted: a signature made years ago must stay checkable."""

import hashlib
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from webauthn.helpers import bytes_to_base64url

from console.accounts.models.people import User
from console.core.clock import iso

ALGORITHMS = (-8, -7, -257)  # EdDSA, ES256, RS256: what the offline verifier can check too


class Passkey(models.Model):
    """As enrolled (WebAuthn level 3 §7.1). A trigger refuses DELETE, and UPDATE of all but the last seven columns."""

    id = models.TextField(primary_key=True)
    user = models.ForeignKey(User, models.PROTECT, related_name="passkeys")
    # Unique, because an assertion is matched to its key by this alone.
    credential_id = models.BinaryField(unique=True)
    public_key = models.BinaryField()  # COSE_Key, RFC 9052 §7
    alg = models.IntegerField()
    aaguid = models.UUIDField()
    backup_eligible = models.BooleanField()
    user_verified = models.BooleanField()
    transports = ArrayField(models.TextField(), default=list)
    rp_id = models.TextField()
    origin = models.TextField()
    attestation_object = models.BinaryField()
    client_data_json = models.BinaryField()
    enrolled_at = models.DateTimeField()
    enrolled_how = models.TextField()
    # The console's own signature (Ed25519, 64 bytes) over `document()`.
    attestation = models.BinaryField()

    label = models.TextField(default="")
    sign_count = models.BigIntegerField(default=0)
    backed_up = models.BooleanField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.TextField(default="")
    revoked_why = models.TextField(default="")

    class Meta:
        constraints: ClassVar = [
            # A key that did not verify its holder proves possession of a device, not a person.
            models.CheckConstraint(condition=Q(user_verified=True), name="accounts_passkey_verified"),
            # Signatures of other algorithms could not be checked offline.
            models.CheckConstraint(condition=Q(alg__in=ALGORITHMS), name="accounts_passkey_alg"),
            # The three revocation columns are set together or not at all.
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, revoked_by="", revoked_why="")
                | (Q(revoked_at__isnull=False) & ~Q(revoked_by="")),
                name="accounts_passkey_revoked",
            ),
        ]

    def __str__(self) -> str:
        return self.label or self.id

    @property
    def public_key_digest(self) -> str:
        return hashlib.sha256(self.public_key).hexdigest()

    @property
    def credential_digest(self) -> str:
        return hashlib.sha256(self.credential_id).hexdigest()

    @property
    def names_model(self) -> bool:
        """Many authenticators tell no model, or the browser keeps it back: zeros stand there then."""
        return self.aaguid.int != 0

    def document(self) -> dict[str, object]:
        """What the console attests to (tag `passkey`): whose key this is."""
        return {
            "id": self.id,
            "credential_id": bytes_to_base64url(bytes(self.credential_id)),
            "public_key": bytes_to_base64url(bytes(self.public_key)),
            "user": self.user_id,
            "rp_id": self.rp_id,
            "enrolled_at": iso(self.enrolled_at),
        }
