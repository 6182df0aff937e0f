"""Who asks by program: agents, each with a person who answers for it, and the tokens by which they prove themselves."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from console.core.clock import iso
from console.core.fields import OrderedJSONField
from console.core.ids import new_id
from console.core.states import transitions


def agent_id() -> str:
    return new_id("agt")


def token_id() -> str:
    return new_id("atk")


def proposal_id() -> str:
    return new_id("gpr")


class Agent(models.Model):
    """A named identity that is no person. Its owner answers for it, and never signs what it proposes.

    `attestation` is the console's signature: an agent that SQL gave another owner proposes nothing.
    """

    id = models.TextField(primary_key=True, default=agent_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    slug = models.TextField()
    title = models.TextField()
    owner = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True)
    observing_since = models.DateTimeField(null=True)  # meanwhile it shows what it does, and asks for nothing
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            # Grants name an agent by its slug; a retired one keeps it, so that nobody inherits its grants.
            models.UniqueConstraint(fields=["team", "slug"], name="agent_slug_in_team"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def grantee(self) -> str:
        return f"agent:{self.slug}"

    def attested(self) -> dict[str, object]:
        return {"agent": self.id, "team": self.team_id, "slug": self.slug, "owner": self.owner_id}


class AgentToken(models.Model):
    """Lets a program propose as an agent. Only its SHA-256 is kept, and the console's signature over that: a row
    written by SQL opens nothing."""

    id = models.TextField(primary_key=True, default=token_id)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="tokens")
    # Unique, because a request is matched to its token by this alone.
    sha256 = models.BinaryField(unique=True)
    label = models.TextField(default="")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            # A token that has ended before it began is a mistake in the caller's time zone.
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="agent_token_expires"),
        ]

    def __str__(self) -> str:
        return self.label or self.id

    def attested(self) -> dict[str, object]:
        return {
            "token": self.id,
            "agent": self.agent_id,
            "sha256": bytes(self.sha256).hex(),
            "expires": iso(self.expires_at),
        }


class GrantProposal(models.Model):
    """What an agent wants to be granted, in its own words: no authority, and shown as such. An admin gives a grant, of
    this or less, or declines."""

    KIND: ClassVar = "agents:grant_proposal"
    TRANSITIONS: ClassVar = transitions(initial="open", open="given declined", given="", declined="")

    id = models.TextField(primary_key=True, default=proposal_id)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="proposals")
    state = models.TextField(default="open")
    integration = models.TextField()  # a name that need not exist: filing does not tell
    operations = ArrayField(models.TextField())
    why = models.TextField(default="")  # untrusted
    limits = OrderedJSONField(default=dict)
    until = models.DateTimeField(null=True)
    fingerprint = models.BinaryField(max_length=32)  # of all of this but the words
    filed_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(default="")
    answer = models.TextField(default="")  # the admin's words to the agent
    grant = models.TextField(default="")

    class Meta:
        ordering: ClassVar = ["-filed_at", "-id"]
        constraints: ClassVar = [
            # Filing the same again finds it.
            models.UniqueConstraint(
                fields=["agent", "fingerprint"], condition=Q(state="open"), name="grant_proposal_open_once"
            ),
            models.CheckConstraint(
                condition=Q(state="open", settled_at__isnull=True) | (~Q(state="open") & Q(settled_at__isnull=False)),
                name="grant_proposal_settled_iff_final",
            ),
        ]
        indexes: ClassVar = [
            # The pages of an agent, and the agent itself, ask for the newest.
            models.Index(fields=["agent", "-filed_at"], name="grant_proposal_of_agent"),
        ]

    def __str__(self) -> str:
        return self.id

    def audit_context(self) -> Mapping[str, Any]:
        return {"team": self.agent.team_id, "on_behalf_of": self.agent.owner_id}
