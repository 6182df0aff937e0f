"""Addresses at which other systems tell us of events, the secrets by which they prove it, and what they have sent."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from console.core.ids import new_id
from console.core.sealed import SealedRow
from integrations.webhooks.schemes import SCHEMES, told

OUTCOMES = ("", "verified", "refused", "duplicate")  # "" while it waits for the door


def webhook_id() -> str:
    return new_id("whk")


def secret_id() -> str:
    return new_id("whs")


def delivery_id() -> str:
    return new_id("dlv")


def new_address() -> str:
    """256 bits: nobody finds it by trying."""
    return secrets.token_urlsafe(32)


class Webhook(models.Model):
    """Where one system sends events of one kind of signature. What it says never changes; another one is opened for
    that. The attestation keeps SQL from changing how its deliveries are checked."""

    id = models.TextField(primary_key=True, default=webhook_id)
    integration = models.ForeignKey("integrations.Integration", models.PROTECT, related_name="webhooks")
    slug = models.TextField()
    address = models.TextField(unique=True, default=new_address)  # behind /hooks/
    scheme = models.TextField()
    settings = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    refused = models.BigIntegerField(default=0)  # deliveries so far
    duplicates = models.BigIntegerField(default=0)
    told_at = models.DateTimeField(null=True)  # the last record of refused ones
    alarmed_at = models.DateTimeField(null=True)  # the last alarm that what is stored was altered
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            # Workflows name a webhook by its slug within the integration; an ended one gives its name free.
            models.UniqueConstraint(
                fields=["integration", "slug"], condition=models.Q(ended_at=None), name="webhook_slug_in_integration"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.integration.slug}.{self.slug}"

    @property
    def way(self) -> str:
        return SCHEMES[self.scheme].title if self.scheme in SCHEMES else self.scheme

    @property
    def told(self) -> list[tuple[str, str]]:
        return told(self.scheme, self.settings)

    def attested(self) -> dict[str, object]:
        return {
            "webhook": self.id,
            "integration": self.integration_id,
            "team": self.integration.team_id,
            "slug": self.slug,
            "scheme": self.scheme,
            "settings": self.settings,
        }


class WebhookSecret(SealedRow):
    """What the other system signs with, sealed as credentials are. Two are good while one takes the other's place."""

    id = models.TextField(primary_key=True, default=secret_id)
    webhook = models.ForeignKey(Webhook, models.PROTECT, related_name="secrets")
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    prints = ArrayField(models.TextField(), default=list)  # see `prints.py`
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["created_at", "id"]

    def __str__(self) -> str:
        return self.id

    @property
    def good(self) -> bool:
        return self.ended_at is None and self.webhook.ended_at is None

    @property
    def place(self) -> str:
        return f"integrations_webhooksecret/{self.id}/{self.webhook_id}/sealed"

    def attested(self) -> dict[str, object]:
        sealed = hashlib.sha256(bytes(self.sealed)).hexdigest()
        prints = {"prints": self.prints} if self.prints else {}
        return {"webhook_secret": self.id, "webhook": self.webhook_id, "sealed": sealed, **prints}


class Delivery(models.Model):
    """One request at a webhook's address, as web stored it and the door judged it.

    Until then it is nobody's word, and its headers are sealed to the door: one of them may be the secret itself. What
    is not genuine, or came before, loses its body.
    """

    id = models.TextField(primary_key=True, default=delivery_id)
    webhook = models.ForeignKey(Webhook, models.PROTECT, related_name="deliveries")
    received_at = models.DateTimeField()
    headers = models.BinaryField()  # those that the webhook needs; emptied by the judgement
    body = models.BinaryField(null=True)
    size = models.PositiveIntegerField()
    digest = models.BinaryField(max_length=32)  # SHA-256 of the body
    outcome = models.TextField(default="")
    why = models.TextField(default="")  # it was refused
    key = models.TextField(default="")  # by which another one is known as the same
    name = models.TextField(default="")  # its id, as the sender says
    type = models.TextField(default="")
    judged_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-received_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(outcome__in=OUTCOMES), name="delivery_outcome_known"),
            models.CheckConstraint(
                condition=models.Q(outcome="", judged_at__isnull=True)
                | (~models.Q(outcome="") & models.Q(judged_at__isnull=False)),
                name="delivery_judged_iff_outcome",
            ),
            # What a system sends twice is one event, however many doors look at it at once.
            models.UniqueConstraint(
                fields=["webhook", "key"], condition=models.Q(outcome="verified"), name="delivery_once"
            ),
        ]
        indexes: ClassVar = [
            # Web counts what waits; the sweep offers it again.
            models.Index(fields=["webhook", "received_at"], condition=models.Q(outcome=""), name="delivery_waiting"),
            # The page, and a step that begins to wait.
            models.Index(fields=["webhook", "-received_at", "-id"], name="delivery_of_webhook"),
            # Bodies that are kept no longer.
            models.Index(fields=["received_at"], condition=models.Q(body__isnull=False), name="delivery_with_body"),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def headers_place(self) -> str:
        return f"integrations_delivery/{self.id}/{self.webhook_id}/headers"

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.webhook.integration.team_id}
