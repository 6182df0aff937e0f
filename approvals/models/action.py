"""What was proposed, and how it went on."""

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


ACTION = transitions(
    initial="proposed",
    proposed="deferred held permitted executing succeeded refused failed withdrawn",
    deferred="held permitted executing succeeded refused failed withdrawn",
    held="permitted refused expired withdrawn stale proposed",  # proposed: somebody who was asked changed it
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
    RESTING: ClassVar = final(ACTION) | {"held", "deferred", "in_doubt"}  # where nothing is going on

    id = models.TextField(primary_key=True, default=action_id)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="+")
    state = models.TextField(default="proposed")
    operation = models.ForeignKey(
        "integrations.Operation", models.PROTECT, related_name="+", related_query_name="actions"
    )
    grant = models.ForeignKey("integrations.Grant", models.PROTECT, related_name="+", null=True)
    arguments = OrderedJSONField()
    original = OrderedJSONField(null=True)  # the arguments as they were asked for, where they are others by now
    # Who is behind it, as text: runs, workflows and agents live in rooms above.
    grantee = models.TextField()
    run = models.TextField(default="")
    step = models.TextField(default="")
    asked_key = models.TextField(default="")  # the agent's own, so that asking again finds what it asked for
    makers = ArrayField(models.TextField(), default=list)  # may not sign it
    editors = ArrayField(models.TextField(), default=list, db_default=[])  # nor may who changed it, in this order
    says = models.TextField(default="")  # untrusted: what the agent wrote
    # What a person wanted, in the words in which it was given: theirs where there is a run, else the agent's.
    request = models.TextField(db_default="", default="")
    heard = models.BooleanField(db_default=False, default=False)  # its run had taken events, which nobody describes
    # The action that it undoes, and the one that has to be done before it.
    reverses = models.ForeignKey("self", models.PROTECT, null=True, related_name="reversals", db_index=False)
    after = models.ForeignKey("self", models.PROTECT, null=True, related_name="+", db_index=False)
    # By which people signed it before it was asked for.
    mandate = models.ForeignKey("approvals.Mandate", models.PROTECT, related_name="covered", null=True, db_index=False)
    evidence = OrderedJSONField(default=list)
    attestation = models.BinaryField(max_length=64)
    # Filled by the door when it prepares the action for a ruling.
    reads = models.JSONField(default=dict)  # pinned fields, as read at proposal
    sentence = models.TextField(default="")
    facts = models.JSONField(default=list)
    amount_minor = models.BigIntegerField(null=True)
    currency = models.TextField(default="")
    counterparty = models.TextField(db_default="")
    context = models.JSONField(db_default={}, default=dict)  # what it stood in, as `approvals.context` tells it
    request_digest = models.BinaryField(max_length=32, null=True)
    action_digest = models.BinaryField(max_length=32, null=True)
    put_off = models.PositiveSmallIntegerField(db_default=0)  # how many times the other side wanted to be asked later
    not_before = models.DateTimeField(null=True)  # the door leaves it alone until then
    deferred_until = models.DateTimeField(null=True)  # what is missing by then refuses it
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
                condition=models.Q(state__in=["proposed", "deferred", "permitted", "executing", "in_doubt"]),
                name="action_for_the_door",
            ),
            # How many of an agent's have no end yet is asked whenever it asks for one more.
            models.Index(fields=["team", "grantee"], condition=models.Q(settled_at=None), name="action_unsettled"),
            # Totals of a policy, over the last hours: what was asked for in them, ended in them, or has not ended.
            models.Index(fields=["team", "created_at"], name="action_asked"),
            # The second half of that question.
            models.Index(fields=["team", "settled_at"], name="action_ended"),
            # Whether there ever was anything with a counterparty.
            models.Index(
                fields=["team", "counterparty"], condition=~models.Q(counterparty=""), name="action_counterparty"
            ),
            # Whoever signs sees what the last one of the same kind was, with the same counterparty.
            models.Index(
                fields=["operation", "counterparty", "-settled_at"],
                condition=models.Q(state="succeeded") & ~models.Q(counterparty=""),
                name="action_last_with",
            ),
            # The same where there is no counterparty: of the same grantee.
            models.Index(
                fields=["operation", "grantee", "-settled_at"],
                condition=models.Q(state="succeeded", counterparty=""),
                name="action_last_by",
            ),
            # The run page, and cancelling a run, ask for its actions.
            models.Index(fields=["run", "created_at"], name="action_of_run"),
            # What a mandate was used for is counted before each use.
            models.Index(
                fields=["mandate", "created_at"], condition=models.Q(mandate__isnull=False), name="action_by_mandate"
            ),
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
    def asked_for(self) -> Mapping[str, Any]:
        """The arguments as whoever asked gave them."""
        asked: Mapping[str, Any] = self.arguments if self.original is None else self.original
        return asked

    @property
    def barred(self) -> list[str]:
        """Who may not sign it."""
        return [*self.makers, *self.editors]

    @property
    def revision(self) -> int:
        """1 is what was asked for; each change by somebody who was asked to sign it is one more."""
        return len(self.editors) + 1

    @property
    def on_behalf_of(self) -> str:
        """The id of the person for whom it is."""
        return self.makers[0] if self.makers else ""

    @property
    def request_by(self) -> str:
        """Whose words the request is in: a run is started by a person, in the console."""
        return "person" if self.run else "agent"

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
            "arguments": self.asked_for,
            "grantee": self.grantee,
            "run": self.run,
            "step": self.step,
            "makers": sorted(self.makers),
            "evidence": self.evidence,
            "says": self.says,
            **({"request": self.request} if self.request else {}),
            **({"heard": True} if self.heard else {}),
            **({"key": self.asked_key} if self.asked_key else {}),
            **({"reverses": self.reverses_id} if self.reverses_id else {}),
            **({"after": self.after_id} if self.reverses_id or self.after_id else {}),
        }

    def audit_context(self) -> Mapping[str, Any]:
        return {
            "team": self.team_id,
            "run": self.run,
            "trace": self.trace_id,
            "on_behalf_of": self.on_behalf_of,
        }
