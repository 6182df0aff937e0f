"""A try of a credential: one read that changes nothing, to know whether the other side takes it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from console.core.fields import OrderedJSONField
from console.core.ids import new_id
from console.core.states import final, transitions


def health_test_id() -> str:
    return new_id("hlt")


class HealthTest(models.Model):
    """An admin asks, the door reads. Which read, and with what, is the admin's choice: the newest test of a credential
    keeps it for the next.

    `attestation` is the console's, over all that was asked: the door opens no credential because of a row alone. Of
    the answer nothing is kept but its status.
    """

    KIND: ClassVar = "integrations:health_test"
    TRANSITIONS: ClassVar = transitions(
        initial="asked",
        asked="trying untried",
        trying="accepted refused unreachable unclear untried",
        accepted="",
        refused="",
        unreachable="",
        unclear="",
        untried="",
    )
    FINAL: ClassVar = final(TRANSITIONS)
    OPEN: ClassVar = ["asked", "trying"]

    id = models.TextField(primary_key=True, default=health_test_id)
    credential = models.ForeignKey("integrations.Credential", models.PROTECT, related_name="tests")
    operation = models.ForeignKey("integrations.Operation", models.PROTECT, related_name="+")
    arguments = OrderedJSONField(default=dict)
    state = models.TextField(default="asked")
    status = models.PositiveSmallIntegerField(null=True)  # of the answer
    problem = models.TextField(default="")
    asked_by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["-asked_at", "-id"]
        constraints: ClassVar = [
            # One at a time: an impatient admin must not lock an account out over there.
            models.UniqueConstraint(
                fields=["credential"], condition=models.Q(state__in=["asked", "trying"]), name="health_test_once"
            ),
        ]
        indexes: ClassVar = [
            # The pages ask for the newest of a credential.
            models.Index(fields=["credential", "-asked_at"], name="health_test_of_credential"),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def ended(self) -> bool:
        return self.state in self.FINAL

    def attested(self) -> dict[str, object]:
        integration = self.credential.integration
        return {
            "health_test": self.id,
            "credential": self.credential_id,
            "team": integration.team_id,
            "base_url": integration.base_url,
            "credential_type": integration.credential_type,
            "credential_settings": integration.credential_settings,
            "operation": self.operation_id,
            "digest": bytes(self.operation.digest).hex(),
            "arguments": self.arguments,
            "asked_by": self.asked_by_id,
        }

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.credential.integration.team_id}
