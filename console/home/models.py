"""Which processes run, and who signed that a restore from a backup was meant."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from console.core.ids import new_id


class Heartbeat(models.Model):
    """A process that runs, and when it last said so. One row per kind of process, not per machine."""

    process = models.TextField(primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.process} at {self.at}"


def signature_id() -> str:
    return new_id("rst")


class RestoreSignature(models.Model):
    """One administrator's word that an older copy of the database was put back on purpose: the exact bytes they signed,
    and the signature."""

    id = models.TextField(primary_key=True, default=signature_id)
    before = models.TextField()  # origin of the last tree that was signed
    payload = models.BinaryField()
    nonce = models.TextField(unique=True)  # burnt here: the same signed bytes never count twice
    reviewer = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    passkey = models.ForeignKey("accounts.Passkey", models.PROTECT, related_name="+")
    client_data_json = models.BinaryField()
    authenticator_data = models.BinaryField()
    signature = models.BinaryField()
    attestation = models.BinaryField(max_length=64)
    signed_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar = [
            # The sequencer asks each second whether two have signed.
            models.Index(fields=["before", "signed_at"], name="home_restore_before"),
        ]

    def __str__(self) -> str:
        return f"{self.reviewer_id} after {self.before}"

    def attested(self) -> dict[str, object]:
        """What the console attests to (tag `restore`)."""
        return {"restore": self.id, "payload": bytes(self.payload).hex()}
