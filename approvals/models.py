"""What may happen: actions as proposed, the policy's rulings on them, reviews, signed decisions, single-use permits."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from console.core.fields import OrderedJSONField
from console.core.ids import new_id
from console.core.states import final, transitions


def action_id() -> str:
    return new_id("act")


def policy_id() -> str:
    return new_id("pol")


def version_id() -> str:
    return new_id("pv")


def ruling_id() -> str:
    return new_id("rul")


def review_id() -> str:
    return new_id("rev")


def slot_id() -> str:
    return new_id("slt")


def decision_id() -> str:
    return new_id("dec")


def permit_id() -> str:
    return new_id("pmt")


ACTION = transitions(
    initial="proposed",
    proposed="held permitted executing succeeded refused failed withdrawn",
    held="permitted refused expired withdrawn stale",
    permitted="executing refused stale withdrawn",
    executing="succeeded failed in_doubt permitted",  # permitted again: put off by the other side
    in_doubt="executing succeeded failed",
    succeeded="",
    failed="",
    refused="",
    expired="",
    withdrawn="",
    stale="",
)
SETTLED = sorted(final(ACTION))
UNDONE = ("refused", "expired", "withdrawn", "stale")  # nothing was, or will be, tried
WITHOUT_EFFECT = (*UNDONE, "failed")  # final, and certainly without effect


class Action(models.Model):
    """One proposed call of an operation with exact arguments.

    `attestation` is the console's signature over the proposal, so that a row written by SQL proposes nothing;
    `action_digest` is what people sign.
    """

    KIND: ClassVar = "approvals:action"
    TRANSITIONS: ClassVar = ACTION
    SETTLED: ClassVar = final(ACTION)

    id = models.TextField(primary_key=True, default=action_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    state = models.TextField(default="proposed")
    operation = models.ForeignKey("integrations.Operation", models.PROTECT, related_name="+")
    grant = models.ForeignKey("integrations.Grant", models.PROTECT, related_name="+", null=True)
    arguments = OrderedJSONField()
    # Who is behind it, as text: runs, workflows and agents live in rooms above.
    grantee = models.TextField()
    run = models.TextField(default="")
    step = models.TextField(default="")
    asked_key = models.TextField(default="")  # the agent's own, so that asking again finds what it asked for
    makers = ArrayField(models.TextField(), default=list)  # may not sign it
    says = models.TextField(default="")  # untrusted: what the agent wrote
    # The action that it undoes, and the undoing that has to be done before it.
    reverses = models.ForeignKey("self", models.PROTECT, null=True, related_name="reversals", db_index=False)
    after = models.ForeignKey("self", models.PROTECT, null=True, related_name="+", db_index=False)
    evidence = OrderedJSONField(default=list)
    attestation = models.BinaryField(max_length=64)
    # Filled by the door when it prepares the action for a ruling.
    reads = models.JSONField(default=dict)  # pinned fields, as read at proposal
    sentence = models.TextField(default="")
    facts = models.JSONField(default=list)
    amount_minor = models.BigIntegerField(null=True)
    currency = models.TextField(default="")
    request_digest = models.BinaryField(max_length=32, null=True)
    action_digest = models.BinaryField(max_length=32, null=True)
    put_off = models.PositiveSmallIntegerField(db_default=0)  # how many times the other side wanted to be asked later
    not_before = models.DateTimeField(null=True)  # the door leaves it alone until then
    outcome = models.JSONField(null=True)  # {code, text, …} once settled; the receipt's body when it succeeded
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)
    trace_id = models.TextField(default="")
    parent_span_id = models.TextField(default="")
    wait_span_id = models.TextField(default="")

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state__in=SETTLED, settled_at__isnull=False)
                | (~models.Q(state__in=SETTLED) & models.Q(settled_at__isnull=True)),
                name="action_settled_iff_final",
            ),
            # A step proposes one action; asking again after a crash finds it.
            models.UniqueConstraint(fields=["step"], condition=~models.Q(step=""), name="action_once_per_step"),
            # The same for an agent that lost the answer.
            models.UniqueConstraint(
                fields=["team", "grantee", "asked_key"], condition=~models.Q(asked_key=""), name="action_once_per_key"
            ),
            # Two at once would undo it twice. One that did nothing may be followed by another.
            models.UniqueConstraint(
                fields=["reverses"],
                condition=models.Q(reverses__isnull=False) & ~models.Q(state__in=WITHOUT_EFFECT),
                name="action_reversed_once",
            ),
        ]
        indexes: ClassVar = [
            # The sweep asks for actions that the door has to go on with.
            models.Index(
                fields=["created_at"],
                condition=models.Q(state__in=["proposed", "permitted", "executing", "in_doubt"]),
                name="action_for_the_door",
            ),
            # How many of an agent's have no end yet is asked whenever it asks for one more.
            models.Index(fields=["team", "grantee"], condition=models.Q(settled_at=None), name="action_unsettled"),
            # The run page, and cancelling a run, ask for its actions.
            models.Index(fields=["run", "created_at"], name="action_of_run"),
            # Whoever looks at what was done asks whether it was undone.
            models.Index(
                fields=["reverses"], condition=models.Q(reverses__isnull=False), name="action_undoing_another"
            ),
        ]

    def __str__(self) -> str:
        return self.sentence or self.id

    @property
    def settled(self) -> bool:
        return self.state in self.SETTLED

    @property
    def known(self) -> dict[str, object]:
        """What its way back may refer to; `answer` is the body of what the other side answered."""
        answer = (self.outcome or {}).get("body")
        return {"arguments": self.arguments, "reads": self.reads, "answer": answer, "key": self.key}

    @property
    def key(self) -> str:
        """The idempotency key that goes to the other side: one per action, for ever."""
        return self.id

    def attested(self) -> dict[str, object]:
        """The proposal, as the proposing process signs it."""
        return {
            "action": self.id,
            "team": self.team_id,
            "operation": self.operation_id,
            "grant": self.grant_id,
            "arguments": self.arguments,
            "grantee": self.grantee,
            "run": self.run,
            "step": self.step,
            "makers": sorted(self.makers),
            "evidence": self.evidence,
            "says": self.says,
            **({"key": self.asked_key} if self.asked_key else {}),
            **({"reverses": self.reverses_id, "after": self.after_id} if self.reverses_id else {}),
        }

    def audit_context(self) -> Mapping[str, Any]:
        return {
            "team": self.team_id,
            "run": self.run,
            "trace": self.trace_id,
            "on_behalf_of": self.makers[0] if self.makers else "",
        }


class Policy(models.Model):
    """The team's policy; its rules are in the newest version."""

    id = models.TextField(primary_key=True, default=policy_id)
    team = models.OneToOneField("accounts.Team", models.PROTECT, related_name="+")
    slug = models.TextField()
    current = models.ForeignKey("PolicyVersion", models.PROTECT, null=True, related_name="+")

    def __str__(self) -> str:
        return self.slug


class PolicyVersion(models.Model):
    """One published document. Never changed; attested, so that SQL publishes nothing."""

    id = models.TextField(primary_key=True, default=version_id)
    policy = models.ForeignKey(Policy, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    source = models.TextField()
    document = OrderedJSONField()
    digest = models.BinaryField(max_length=32)
    published_at = models.DateTimeField(db_default=Now())
    attestation = models.BinaryField(max_length=64)

    class Meta:
        ordering: ClassVar = ["-number"]
        # Two people who publish at once must not both make version 4.
        constraints: ClassVar = [models.UniqueConstraint(fields=["policy", "number"], name="policy_version_number")]

    def __str__(self) -> str:
        return f"{self.policy} v{self.number}"

    def attested(self) -> dict[str, object]:
        return {
            "version": self.id,
            "team": self.policy.team_id,
            "number": self.number,
            "digest": bytes(self.digest).hex(),
        }


class Ruling(models.Model):
    """The policy's answer to one action, with the rule that gave it and the reasons in words."""

    id = models.TextField(primary_key=True, default=ruling_id)
    action = models.ForeignKey(Action, models.PROTECT, related_name="rulings")
    version = models.ForeignKey(PolicyVersion, models.PROTECT, null=True, related_name="+")
    rule = models.TextField()
    outcome = models.TextField()
    requirement = models.JSONField(default=dict)  # {group, count, signature, expires_minutes} of a review
    reasons = models.JSONField(default=list)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(outcome__in=["allow", "deny", "review"]), name="ruling_outcome_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} by {self.rule}"


class Review(models.Model):
    """The queue item of a held action, or of a call whose outcome nobody knows (`kind` doubt)."""

    KIND: ClassVar = "approvals:review"
    TRANSITIONS: ClassVar = transitions(
        initial="open", open="approved refused expired withdrawn", approved="", refused="", expired="", withdrawn=""
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
            # What was decided, newest first, page by page.
            models.Index(fields=["team", "-closed_at", "-id"], condition=~models.Q(state="open"), name="review_closed"),
        ]

    def __str__(self) -> str:
        return self.id

    def audit_context(self) -> Mapping[str, Any]:
        return self.action.audit_context()


class Slot(models.Model):
    """Whose signatures a review needs: `count` people of `group`, each at least at this signature level."""

    id = models.TextField(primary_key=True, default=slot_id)
    review = models.ForeignKey(Review, models.PROTECT, related_name="slots")
    group = models.TextField()
    count = models.PositiveSmallIntegerField(default=1)
    signature = models.TextField(default="passkey")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(signature__in=["passkey", "password"]), name="slot_signature_known"
            ),
            # A slot that asks nobody would be full from the start.
            models.CheckConstraint(condition=models.Q(count__gte=1), name="slot_counts"),
        ]

    def __str__(self) -> str:
        return f"{self.count} of {self.group}"


class Decision(models.Model):
    """One reviewer's vote: the exact bytes they signed, and the signature."""

    id = models.TextField(primary_key=True, default=decision_id)
    review = models.ForeignKey(Review, models.PROTECT, related_name="decisions")
    slot = models.ForeignKey(Slot, models.PROTECT, related_name="decisions")
    reviewer = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    verdict = models.TextField()
    level = models.TextField()  # passkey, password; session for a refusal, which needs no signature
    reason = models.TextField(default="")
    payload = models.BinaryField()
    nonce = models.TextField(unique=True)  # burnt here: the same signed bytes never count twice
    passkey = models.ForeignKey("accounts.Passkey", models.PROTECT, null=True, related_name="+")
    client_data_json = models.BinaryField(null=True)
    authenticator_data = models.BinaryField(null=True)
    signature = models.BinaryField(null=True)
    attestation = models.BinaryField(max_length=64)
    decided_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["decided_at"]
        constraints: ClassVar = [
            # One vote a person and review, however many windows they have open.
            models.UniqueConstraint(fields=["review", "reviewer"], name="decision_once"),
            models.CheckConstraint(
                condition=models.Q(verdict__in=["approve", "refuse"]), name="decision_verdict_known"
            ),
            # A vote that claims a passkey shows its signature, and no other vote pretends to have one.
            models.CheckConstraint(
                condition=models.Q(level="passkey", passkey__isnull=False, signature__isnull=False)
                | models.Q(level__in=["password", "session"], passkey__isnull=True, signature__isnull=True),
                name="decision_signed_by_level",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.reviewer_id}"

    def attested(self) -> dict[str, object]:
        return {"decision": self.id, "payload": bytes(self.payload).hex(), "level": self.level}


class Permit(models.Model):
    """Single-use authority to execute one action digest, for minutes. Lapsed ones are minted again after a re-check."""

    id = models.TextField(primary_key=True, default=permit_id)
    action = models.ForeignKey(Action, models.PROTECT, related_name="permits")
    action_digest = models.BinaryField(max_length=32)
    request_digest = models.BinaryField(max_length=32)
    minted_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True)
    consumed_txid = models.TextField(null=True)

    class Meta:
        ordering: ClassVar = ["-minted_at", "-id"]
        constraints: ClassVar = [
            # Two usable permits would be two sends.
            models.UniqueConstraint(
                fields=["action"], condition=models.Q(consumed_at__isnull=True), name="permit_one_usable"
            ),
        ]

    def __str__(self) -> str:
        return self.id
