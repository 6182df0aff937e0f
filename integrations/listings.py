"""What MCP servers list, as it is stored."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from console.core.fields import OrderedJSONField
from console.core.ids import new_id
from console.core.states import transitions


def listing_id() -> str:
    return new_id("lst")


class Listing(models.Model):
    """What an MCP server says its tools are, at one time. The console asks, the door listens, a worker compares.

    `attestation` is the console's, over what was asked: the door opens no credential because of a row alone. What the
    door heard by itself, because a tool was not what it had been, carries none.
    """

    KIND: ClassVar = "integrations:listing"
    TRANSITIONS: ClassVar = transitions(
        initial="asked listed",
        asked="listed failed",
        listed="compared",
        failed="",
        compared="",
    )

    id = models.TextField(primary_key=True, default=listing_id)
    integration = models.ForeignKey("integrations.Integration", models.PROTECT, related_name="listings")
    credential = models.ForeignKey("integrations.Credential", models.PROTECT, related_name="+", null=True)
    state = models.TextField()
    tools = OrderedJSONField(default=list)
    pin = models.TextField(default="")  # over all of them
    server = models.TextField(default="")  # what it calls itself
    error = models.TextField(default="")
    asked_at = models.DateTimeField(db_default=Now())
    heard_at = models.DateTimeField(null=True)
    attestation = models.BinaryField(max_length=64, default=b"")

    class Meta:
        ordering: ClassVar = ["-asked_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state="asked", heard_at__isnull=True)
                | (~models.Q(state="asked") & models.Q(heard_at__isnull=False)),
                name="listing_heard_iff_answered",
            ),
        ]
        indexes: ClassVar = [
            # The sweep asks for those that nobody goes on with.
            models.Index(
                fields=["asked_at"], condition=models.Q(state__in=["asked", "listed"]), name="listing_unfinished"
            ),
            # The page and the daily look ask for the newest of an integration.
            models.Index(fields=["integration", "-asked_at"], name="listing_of_integration"),
        ]

    def __str__(self) -> str:
        return self.id

    def attested(self) -> dict[str, object]:
        integration = self.integration
        return {
            "listing": self.id,
            "integration": integration.id,
            "team": integration.team_id,
            "base_url": integration.base_url,
            "credential": self.credential_id,
            "credential_type": integration.credential_type,
            "credential_settings": integration.credential_settings,
        }

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.integration.team_id}
