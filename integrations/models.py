"""How is it done: external systems, their operations as described, sealed secrets, grants, and the effect ledger."""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from console.core.fields import OrderedJSONField
from console.core.ids import new_id
from console.core.sealed import SealedRow
from console.core.states import transitions
from integrations.credential_types import in_words
from integrations.health_models import HealthTest as HealthTest
from integrations.imports import Import as Import
from integrations.listings import Listing as Listing
from integrations.opening_models import Opening as Opening
from integrations.token_models import AccessToken, Authorization
from integrations.webhooks.models import Delivery, Webhook, WebhookSecret

__all__ = [
    "AccessToken", "Amendment", "Authorization", "Call", "Credential", "Definitions", "Delivery", "Grant", "HealthTest",
    "Import", "Integration", "Listing", "Opening", "Operation", "Webhook", "WebhookSecret",
]  # fmt: skip

EFFECTS = ("read", "write", "destructive")
CATEGORIES = (
    "financial", "legal", "security", "personal_data", "external_message", "code_change", "other",
)  # fmt: skip
TRUSTS = ("imported", "reviewed", "proven")
PROTOCOLS = ("http", "mcp")
CAUSES = ("import", "review", "description")  # of an amendment: a newer document, a person's review, YAML given anew


def integration_id() -> str:
    return new_id("int")


def definitions_id() -> str:
    return new_id("dfn")


def operation_id() -> str:
    return new_id("op")


def amendment_id() -> str:
    return new_id("amd")


def credential_id() -> str:
    return new_id("crd")


def grant_id() -> str:
    return new_id("grt")


def call_id() -> str:
    return new_id("cal")


class Integration(models.Model):
    """An external system. Its base URL is bound by a person, never taken from a document."""

    id = models.TextField(primary_key=True, default=integration_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    slug = models.TextField()
    title = models.TextField()
    base_url = models.TextField()
    protocol = models.TextField(default="http")  # or `mcp`: its operations are the tools of a server
    credential_type = models.TextField(default="bearer")
    credential_settings = models.JSONField(default=dict)  # of that type: where and how the secret goes
    environment = models.TextField(db_default="", default="")  # "" where no person has named it
    environment_attestation = models.BinaryField(max_length=64, null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["title", "id"]
        constraints: ClassVar = [
            # Workflows name an integration by its slug within their team.
            models.UniqueConstraint(fields=["team", "slug"], name="integration_slug_in_team"),
            models.CheckConstraint(condition=models.Q(protocol__in=PROTOCOLS), name="integration_protocol_known"),
        ]

    def __str__(self) -> str:
        return self.title

    def told_environment(self) -> dict[str, object]:
        """What the console signs of it by itself: operations need not be signed anew where it changes."""
        return {"integration": self.id, "team": self.team_id, "environment": self.environment}

    @property
    def credential(self) -> dict[str, str]:
        """As in a description: the type and its settings."""
        return {"type": self.credential_type, **self.credential_settings}

    @property
    def signs_in_by(self) -> str:
        return in_words(self.credential_type, self.credential_settings)


class Definitions(models.Model):
    """Schemas that operations of one import have in common. Never changed: a later import brings others."""

    id = models.TextField(primary_key=True, default=definitions_id)
    integration = models.ForeignKey(Integration, models.PROTECT, related_name="+")
    content = OrderedJSONField()  # by name
    made_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.id


class Operation(models.Model):
    """One callable unit. `description` is the whole truth; the columns beside it repeat it for search.

    `attestation` is the console's signature over description and base URL: what SQL alters later, the door refuses.
    """

    id = models.TextField(primary_key=True, default=operation_id)
    integration = models.ForeignKey(Integration, models.PROTECT, related_name="operations")
    slug = models.TextField()
    title = models.TextField()
    effect = models.TextField()
    categories = ArrayField(models.TextField(), default=list)
    trust = models.TextField(default="imported")
    idempotency = models.TextField(default="unknown")
    description = OrderedJSONField()
    # What its schemas refer to; the description holds the digest of what they reach.
    definitions = models.ForeignKey(Definitions, models.PROTECT, related_name="+", null=True)
    digest = models.BinaryField(max_length=32)
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            # One meaning for `ledger.add_note` at any time.
            models.UniqueConstraint(fields=["integration", "slug"], name="operation_slug_in_integration"),
            # An unknown effect must never be stored as something else; importers say `write` when they do not know.
            models.CheckConstraint(condition=models.Q(effect__in=EFFECTS), name="operation_effect_known"),
            models.CheckConstraint(condition=models.Q(trust__in=TRUSTS), name="operation_trust_known"),
        ]

    def __str__(self) -> str:
        return f"{self.integration.slug}.{self.slug}"

    def attested(self) -> dict[str, object]:
        """What the console signs: change any of it and the description is another one."""
        settings = self.integration.credential_settings
        return {
            "operation": self.id,
            "integration": self.integration_id,
            "team": self.integration.team_id,
            "base_url": self.integration.base_url,
            "credential_type": self.integration.credential_type,
            **({"credential_settings": settings} if settings else {}),  # as before where a type has none
            "slug": self.slug,
            "digest": bytes(self.digest).hex(),
        }


class Amendment(models.Model):
    """A change of an operation's description: what it was, and what it becomes. While one waits for a person, the
    operation is quarantined: nothing is proposed or sent by it.

    `attestation` covers what it becomes: what SQL alters is not adopted.
    """

    KIND: ClassVar = "integrations:amendment"
    TRANSITIONS: ClassVar = transitions(
        initial="quarantined adopted",
        quarantined="adopted declined superseded",
        adopted="",
        declined="",
        superseded="",
    )

    id = models.TextField(primary_key=True, default=amendment_id)
    operation = models.ForeignKey(Operation, models.PROTECT, related_name="amendments")
    state = models.TextField()
    cause = models.TextField()
    before = OrderedJSONField()
    before_definitions = models.ForeignKey(Definitions, models.PROTECT, related_name="+", null=True)
    after = OrderedJSONField()
    after_definitions = models.ForeignKey(Definitions, models.PROTECT, related_name="+", null=True)
    digest = models.BinaryField(max_length=32)  # of the description that it becomes
    attestation = models.BinaryField(max_length=64)
    made_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(default="")

    class Meta:
        ordering: ClassVar = ["-made_at", "-id"]
        constraints: ClassVar = [
            # Two that wait would let the older one undo what was read in the newer.
            models.UniqueConstraint(
                fields=["operation"], condition=models.Q(state="quarantined"), name="amendment_waits_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state="quarantined", settled_at__isnull=True)
                | (~models.Q(state="quarantined") & models.Q(settled_at__isnull=False)),
                name="amendment_settled_iff_final",
            ),
            models.CheckConstraint(condition=models.Q(cause__in=CAUSES), name="amendment_cause_known"),
        ]
        indexes: ClassVar = [
            # The door asks of every action whether its operation was amended since it was proposed.
            models.Index(fields=["operation", "made_at"], name="amendment_of_operation"),
        ]

    def __str__(self) -> str:
        return self.id

    def attested(self) -> dict[str, object]:
        return {"amendment": self.id, "operation": self.operation_id, "digest": bytes(self.digest).hex()}

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.operation.integration.team_id}


class Credential(SealedRow):
    """A sealed secret. Only the door can open it, inside an outbound call; it is never shown again.

    The attestation covers what is sealed, and not how its data key is wrapped: the door wraps that anew when its own
    key changes, and can attest nothing.
    """

    id = models.TextField(primary_key=True, default=credential_id)
    integration = models.ForeignKey(Integration, models.PROTECT, related_name="credentials")
    name = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    revoked_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)  # at the other side, where somebody knows; nothing rests on it
    told_days = models.SmallIntegerField(null=True)  # the last notice of that: so many days ahead
    # How often in a row the other side said that it does not know it, and when last; nothing rests on it.
    refusals = models.PositiveSmallIntegerField(default=0)
    refused_at = models.DateTimeField(null=True)
    prints = ArrayField(models.TextField(), default=list)  # of its secret parts, see `prints.py`
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            # A person chooses a credential by its name.
            models.UniqueConstraint(fields=["integration", "name"], name="credential_name_in_integration"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> str:
        return f"integrations_credential/{self.id}/{self.integration_id}/sealed"

    def attested(self) -> dict[str, object]:
        return {
            "credential": self.id,
            "integration": self.integration_id,
            "sealed": hashlib.sha256(bytes(self.sealed)).hexdigest(),
            **({"prints": self.prints} if self.prints else {}),
        }


class Grant(models.Model):
    """Which workflow or agent may use which operations, with which credential, until when."""

    id = models.TextField(primary_key=True, default=grant_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    grantee = models.TextField()  # `workflow:<slug>` or `agent:<slug>`: their rows live in rooms above this one
    integration = models.ForeignKey(Integration, models.PROTECT, related_name="grants")
    operations = ArrayField(models.TextField())
    credential = models.ForeignKey(Credential, models.PROTECT, related_name="grants")
    limits = OrderedJSONField(default=dict)  # of arguments, and how often; see `limits.py`
    created_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["grantee", "id"]
        indexes: ClassVar = [
            # propose() asks: what may this grantee do with this integration?
            models.Index(fields=["grantee", "integration"], name="grant_of_grantee"),
        ]

    def __str__(self) -> str:
        return f"{self.grantee} → {self.integration_id}"

    def attested(self) -> dict[str, object]:
        return {
            "grant": self.id,
            "team": self.team_id,
            "grantee": self.grantee,
            "integration": self.integration_id,
            "operations": sorted(self.operations),
            "credential": self.credential_id,
            "until": self.until.isoformat() if self.until else None,
            **({"limits": self.limits} if self.limits else {}),
        }


class Call(models.Model):
    """The effect ledger: one outbound request. `sending` is committed before the first byte leaves."""

    KIND: ClassVar = "integrations:call"
    TRANSITIONS: ClassVar = transitions(
        initial="sending",
        sending="succeeded failed in_doubt",
        in_doubt="sending succeeded failed",
        succeeded="",
        failed="",
    )
    FENCE: ClassVar = "attempt"  # what one door knows of an earlier attempt ends no later one

    id = models.TextField(primary_key=True, default=call_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    operation = models.ForeignKey(Operation, models.PROTECT, related_name="+")
    action = models.TextField()  # the action it belongs to; empty for a health test
    effect = models.TextField()
    state = models.TextField(default="sending")
    request_digest = models.BinaryField(max_length=32)
    key = models.TextField()  # the idempotency key: ours, one per action, the same at every resend
    attempt = models.PositiveSmallIntegerField(default=1)
    door = models.BigIntegerField()  # presence number of the door that sends; 0 once it has given it up in doubt
    sent_at = models.DateTimeField(db_default=Now())  # the last attempt; once given up in doubt, when that was
    finished_at = models.DateTimeField(null=True)
    receipt = models.JSONField(null=True)  # {status, digest, body, error}
    throttled = models.BooleanField(db_default=False)  # certainly without effect, and to be followed by another
    run = models.TextField(default="")
    trace_id = models.TextField(default="")
    span_id = models.TextField(default="")
    # The lease under which the door opens a credential for it: from `sent_at` on, for as long as an intent is fresh.
    credential = models.ForeignKey(Credential, models.PROTECT, related_name="+", null=True, db_index=False)
    grant = models.TextField(default="")
    step = models.TextField(default="")
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-sent_at", "-id"]
        constraints: ClassVar = [
            # One effect per action, ever: a second row would be a second send.
            models.UniqueConstraint(
                fields=["action"],
                condition=~models.Q(effect="read") & ~models.Q(action="") & models.Q(throttled=False),
                name="call_once_per_action",
            ),
            # What may have had an effect is never set aside.
            models.CheckConstraint(
                condition=models.Q(throttled=False) | models.Q(state="failed", attempt=1), name="call_throttled_failed"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["succeeded", "failed"], finished_at__isnull=False)
                | models.Q(state__in=["sending", "in_doubt"], finished_at__isnull=True),
                name="call_finished_iff_final",
            ),
        ]
        indexes: ClassVar = [
            # The sweep asks for calls that nobody finishes.
            models.Index(
                fields=["sent_at"], condition=models.Q(state__in=["sending", "in_doubt"]), name="call_unfinished"
            ),
            # Recovery and the review page ask for the call of an action.
            models.Index(fields=["action"], name="call_of_action"),
            # The page of calls, newest first.
            models.Index(fields=["team", "-sent_at", "-id"], name="call_of_team"),
        ]

    def __str__(self) -> str:
        return self.id

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.team_id, "run": self.run, "trace": self.trace_id, "span": self.span_id}
