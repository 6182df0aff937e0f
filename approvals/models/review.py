"""What people are asked, who of them, and what they said."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from approvals.models.action import Action
from approvals.policies.slots import SlotSpec, read_slot
from console.core.ids import new_id
from console.core.states import transitions


def review_id() -> str:
    return new_id("rev")


def slot_id() -> str:
    return new_id("slt")


def decision_id() -> str:
    return new_id("dec")


class Review(models.Model):
    """The queue item of a held action, or of a call whose outcome nobody knows (`kind` doubt)."""

    KIND: ClassVar = "approvals:review"
    TRANSITIONS: ClassVar = transitions(
        initial="open",
        open="approved refused expired withdrawn superseded",
        approved="",
        refused="",
        expired="",
        withdrawn="",
        superseded="",
    )

    id = models.TextField(primary_key=True, default=review_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    action = models.ForeignKey(Action, models.PROTECT, related_name="reviews")
    kind = models.TextField(default="action")
    state = models.TextField(default="open")
    policy_digest = models.BinaryField(max_length=32)
    evidence_digest = models.BinaryField(max_length=32)
    render_digest = models.BinaryField(max_length=32)
    opened_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    escalates_at = models.DateTimeField(null=True)  # when the next group is asked
    filled = ArrayField(models.TextField(), default=list)  # its slots that ask nobody any more
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["expires_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(kind__in=["action", "doubt"]), name="review_kind_known"),
            # Two open reviews of one action would let one be approved while the other is refused.
            models.UniqueConstraint(fields=["action"], condition=models.Q(state="open"), name="review_open_once"),
            models.CheckConstraint(
                condition=models.Q(state="open", closed_at__isnull=True)
                | (~models.Q(state="open") & models.Q(closed_at__isnull=False)),
                name="review_closed_iff_final",
            ),
        ]
        indexes: ClassVar = [
            # The queue of a team, and the sweep's question what has expired.
            models.Index(fields=["team", "expires_at"], condition=models.Q(state="open"), name="review_open"),
            # The sweep's question what has to be escalated.
            models.Index(
                fields=["escalates_at"],
                condition=models.Q(state="open", escalates_at__isnull=False),
                name="review_escalates",
            ),
            # What was decided, newest first, page by page.
            models.Index(fields=["team", "-closed_at", "-id"], condition=~models.Q(state="open"), name="review_closed"),
        ]

    def __str__(self) -> str:
        return self.id

    def audit_context(self) -> Mapping[str, Any]:
        return self.action.audit_context()


class Slot(models.Model):
    """Whose signatures a review needs, as `approvals.policies.slots` says it."""

    id = models.TextField(primary_key=True, default=slot_id)
    review = models.ForeignKey(Review, models.PROTECT, related_name="slots")
    position = models.PositiveSmallIntegerField()
    spec = models.JSONField()

    class Meta:
        ordering: ClassVar = ["review", "position"]
        constraints: ClassVar = [
            # One slot twice would ask for more people than the policy does.
            models.UniqueConstraint(fields=["review", "position"], name="slot_position"),
            # A level that nobody knows would be no level.
            models.CheckConstraint(
                condition=models.Q(spec__signature__in=["device", "passkey", "password"]), name="slot_signature_known"
            ),
        ]

    def __str__(self) -> str:
        return str(self.asks)

    @property
    def asks(self) -> SlotSpec:
        return read_slot(self.spec)


class SlotGroup(models.Model):
    """A group that may fill a slot from now on: from the opening of its review, or since it was escalated to them."""

    review = models.ForeignKey(Review, models.PROTECT, related_name="asked")
    slot = models.ForeignKey(Slot, models.PROTECT, related_name="asked")
    group = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            # Whether a review asks one of somebody's groups is looked up by this, for each one in the queue.
            models.UniqueConstraint(fields=["review", "group", "slot"], name="slot_group_once"),
        ]

    def __str__(self) -> str:
        return self.group


class Decision(models.Model):
    """One reviewer's vote: the exact bytes they signed, and the signature."""

    id = models.TextField(primary_key=True, default=decision_id)
    review = models.ForeignKey(Review, models.PROTECT, related_name="decisions")
    slot = models.ForeignKey(Slot, models.PROTECT, related_name="decisions")
    reviewer = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    verdict = models.TextField()
    level = models.TextField()  # passkey, password; session for a refusal, which needs no signature
    # In whose place, if in another's: then the groups are that person's. No indexes: what asks for them has a review.
    on_behalf_of = models.ForeignKey("accounts.User", models.PROTECT, null=True, related_name="+", db_index=False)
    delegation = models.ForeignKey(
        "approvals.Delegation", models.PROTECT, null=True, related_name="decisions", db_index=False
    )
    groups = ArrayField(models.TextField(), default=list)  # theirs, as far as the review asked them
    reason = models.TextField(default="")
    payload = models.BinaryField()
    nonce = models.TextField(unique=True)  # burnt here: the same signed bytes never count twice
    passkey = models.ForeignKey("accounts.Passkey", models.PROTECT, null=True, related_name="+")
    client_data_json = models.BinaryField(null=True)
    authenticator_data = models.BinaryField(null=True)
    signature = models.BinaryField(null=True)
    listed = models.BinaryField(null=True)  # the list that was signed instead, where this was one of several
    attestation = models.BinaryField(max_length=64)
    decided_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["decided_at"]
        constraints: ClassVar = [
            # One vote a person and review, however many windows they have open.
            models.UniqueConstraint(fields=["review", "reviewer"], name="decision_once"),
            # And one for a person. (A trigger refuses those by somebody and for the same person.)
            models.UniqueConstraint(fields=["review", "on_behalf_of"], name="decision_once_for"),
            # In another's place only by what that person gave; whoever leaves it to others does so for themself.
            models.CheckConstraint(
                condition=models.Q(on_behalf_of=None, delegation=None)
                | models.Q(on_behalf_of__isnull=False, delegation__isnull=False, verdict__in=["approve", "refuse"]),
                name="decision_on_behalf_by_delegation",
            ),
            models.CheckConstraint(
                condition=models.Q(verdict__in=["approve", "refuse", "recuse", "change"]), name="decision_verdict_known"
            ),
            # A vote that claims a passkey shows its signature, and no other vote pretends to have one.
            models.CheckConstraint(
                condition=models.Q(level="passkey", passkey__isnull=False, signature__isnull=False)
                | models.Q(level__in=["password", "session"], passkey__isnull=True, signature__isnull=True),
                name="decision_signed_by_level",
            ),
            # A list is only there to be signed.
            models.CheckConstraint(
                condition=models.Q(listed=None) | models.Q(level="passkey"), name="decision_listed_by_passkey"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.reviewer_id}"

    @property
    def people(self) -> frozenset[str]:
        """Who has used up their one vote by it."""
        return frozenset(filter(None, (self.reviewer_id, self.on_behalf_of_id)))

    @property
    def by(self) -> str:
        """For people. Needs both of them loaded."""
        return f"{self.reviewer.name} for {self.on_behalf_of.name}" if self.on_behalf_of else self.reviewer.name

    def attested(self) -> dict[str, object]:
        listed = {} if self.listed is None else {"listed": bytes(self.listed).hex()}
        asked = {"slot": self.slot.spec} if self.slot.asks.choosy else {}
        return {"decision": self.id, "payload": bytes(self.payload).hex(), "level": self.level, **listed, **asked}
