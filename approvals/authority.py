"""Rows are not authority, signatures are. Everything here runs in the door, from stored bytes, before each send."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db.models import Exists, OuterRef, Subquery, TextField
from django.db.models.expressions import RawSQL

from approvals.care.asks import NOTHING, Asks, asks, asks_of, required
from approvals.context import check_context, held_leaves
from approvals.described import verify_operation
from approvals.digests import comment_digest, evidence_digest, read_payload, render_digest
from approvals.halted import halted
from approvals.listed import signed_bytes
from approvals.models import Action, Decision, Mandate, Permit, PolicyVersion, Review
from approvals.policies.decide import GATED, Answer
from approvals.policies.document import policy_digest
from approvals.policies.question import Question
from approvals.policies.slots import SlotSpec, Vote, fills
from approvals.policies.standing_in import Case, apart
from approvals.seats import vote_level
from approvals.several import is_light
from approvals.so_far import SoFar
from approvals.stood_in import verify_delegation
from console.accounts.makes import proven_model
from console.accounts.passkeys import UNCHECKED, Assertion, challenge_for, check_genuine, leaves_of, reverify
from console.accounts.proofings import proofed
from console.core.attest import verify
from console.core.clock import iso, now, read_moment
from console.core.compiled import Compiled
from console.core.errors import Tampered
from integrations.amend import amended, amended_since, quarantined
from integrations.compensation import arguments_back, way_back
from integrations.described import complete
from integrations.description import Description
from integrations.environment import environment_of
from integrations.here import is_here
from integrations.limits import check_limits
from integrations.models import Credential, Operation

GRANT_ENDED = "The grant or its credential has ended."
AMENDED = "The description of its operation has changed since it was proposed. Propose it again."
TOO_LATE = "The other side does not take it back any more: the time for that is over."
# Seconds. Nothing leaves later than this after the revocation was committed; within it, one question is enough.
KNOWN_FOR = 0.05


class Stale(Exception):
    """What was agreed no longer holds, and nobody cheated: it has to be asked anew."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def _newest(team: str) -> RawSQL:
    """Which row is the newest policy, and which states of it and of the row that points at it: another one comes with
    each change, by whatever means."""
    return RawSQL(  # noqa: S611
        f"""(SELECT version.id || ' ' || version.xmin || version.ctid || policy.xmin || policy.ctid
        FROM approvals_policyversion version JOIN approvals_policy policy ON policy.id = version.policy_id
        WHERE policy.team_id = {team} ORDER BY version.number DESC LIMIT 1)""",  # noqa: S608  (our own column)
        [],
        output_field=TextField(),
    )


def _unused_permit() -> Subquery:
    """There is one at most."""
    return Subquery(Permit.objects.filter(action=OuterRef("pk"), consumed_at=None).order_by().values("pk"))


def _mandates() -> Exists:
    of_kind = Mandate.objects.filter(operation=OuterRef("operation"), grantee=OuterRef("grantee"))
    return Exists(of_kind.filter(state="given"))


_ACTION = Compiled(
    lambda action: (
        Action.objects.filter(pk=action)
        .select_related("operation__integration", "grant__credential")
        .annotate(amended=amended("operation", "created_at"), halted=halted())
        .annotate(newest=_newest("approvals_action.team_id"), permit=_unused_permit(), mandates=_mandates())
        .defer("created_at", "settled_at", "outcome", "operation__title", "operation__categories", "operation__trust",
               "grant__created_at", "grant__credential__created_at")
    )
)  # fmt: skip
_OPERATIONS = Compiled(
    lambda integration, slugs: Operation.objects.filter(integration=integration, slug__in=slugs).annotate(
        quarantined=quarantined("pk")
    )
)
_POLICY = Compiled(
    lambda team: (
        PolicyVersion.objects.select_related("policy")
        .filter(policy__team=team)
        .annotate(read_as=_newest("approvals_policy.team_id"))
        .order_by("-number")[:1]
    )
)
_verified: dict[str, PolicyVersion] = {}  # by team: the last one that was verified in this process
_APPROVALS = Compiled(
    lambda action: (
        Decision.objects.filter(review__action=action, review__kind="action", verdict="approve")
        .select_related("review", "slot", "passkey", "delegation")
        .annotate(leaves=leaves_of("passkey"), held=held_leaves("review__action"))
        .order_by("-review__opened_at", "decided_at")
        .defer("decided_at", "review__policy_digest", "review__evidence_digest", "review__render_digest",
               "review__opened_at", "review__expires_at", "review__escalates_at",
               "review__closed_at", "slot__review", "slot__position", "groups",
               *(f"passkey__{name}" for name in UNCHECKED))
    )
)  # fmt: skip


@dataclass(slots=True)
class Loaded:
    """An action with all that its execution rests on."""

    action: Action
    operations: dict[str, Operation]  # by slug, the action's own and those it reads and probes with
    amended: bool = False  # one of them, since the action was proposed
    known_at: float = 0.0  # by time.monotonic(): when it was last known that its lease goes on
    asked_at: float = 0.0  # by the same clock: when all this was read, unless the other side was asked since
    newest: str = ""  # which policy there was then
    halted: bool = False
    permit: str = ""  # that waits to be used
    mandates: bool = False  # whether there are any that may cover it
    so_far: SoFar | None = None  # what its run has done, where the policy asked

    @property
    def operation(self) -> Description:
        return Description(self.action.operation.slug, self.action.operation.description)

    @property
    def described(self) -> Description:
        """With the schemas that it refers to. Raises Tampered where they are others by now."""
        return complete(self.action.operation)

    @property
    def is_gated(self) -> bool:
        operation = self.operation
        return operation.effect != "read" and not GATED.isdisjoint(operation.document.get("categories", []))

    @property
    def credential(self) -> Credential:
        if self.action.grant is None:
            raise Tampered("The action has no grant.")
        return self.action.grant.credential


def load(action_id: str) -> Loaded:
    asked_at = time.monotonic()
    [action] = _ACTION(action_id)
    described = action.operation.description
    reading = {read["operation"] for read in described.get("reads", {}).values()}
    if described.get("probe"):
        reading.add(described["probe"]["operation"])
    integration = action.operation.integration
    operations = {action.operation.slug: action.operation}
    for operation in _OPERATIONS(integration.id, sorted(reading)) if reading else ():
        operation.integration = integration
        operations[operation.slug] = operation
    touched = [action.amended, *(one.quarantined for slug, one in operations.items() if slug != action.operation.slug)]  # type: ignore[attr-defined]  # annotated
    # What was put off has had a call, with which it may have been stopped.
    known_at = 0.0 if action.put_off else asked_at
    return Loaded(action, operations, any(touched), known_at, asked_at, action.newest, action.halted,  # type: ignore[attr-defined]  # annotated
                  action.permit or "", action.mandates)  # type: ignore[attr-defined]  # fmt: skip


def verify_proposal(loaded: Loaded) -> None:
    """The action as proposed, its grant, its credential and every description are what the console signed.
    Raises Tampered, or Stale when the grant has ended meanwhile."""
    action = loaded.action
    verify("action", action.attested(), action.attestation)
    for operation in loaded.operations.values():
        verify_operation(operation)
    grant, credential = action.grant, loaded.credential
    if grant is None:
        raise Tampered("The action has no grant.")
    verify("grant", grant.attested(), grant.attestation)
    verify("credential", credential.attested(), credential.attestation)
    if grant.team_id != action.team_id or grant.grantee != action.grantee:
        raise Tampered("The grant belongs to somebody else.")
    if action.operation.slug not in grant.operations or action.operation.integration_id != grant.integration_id:
        raise Tampered("The grant does not cover this operation.")
    if credential.integration_id != grant.integration_id:
        raise Tampered("The credential belongs to another integration.")
    if beyond := check_limits(grant.limits, loaded.operation.arguments, action.arguments):
        raise Tampered(f"The action goes beyond its grant. {beyond}")
    if grant.revoked_at or (grant.until and grant.until <= now()) or credential.revoked_at:
        raise Stale("grant_ended", GRANT_ENDED)
    if loaded.amended:
        raise Stale("description_changed", AMENDED)
    if action.reverses_id:
        _verify_reversal(action)


def _verify_reversal(action: Action) -> None:
    """It takes back what it says that it takes back, and nothing else."""
    undone = Action.objects.select_related("operation__integration").get(pk=action.reverses_id)
    verify("action", undone.attested(), undone.attestation)
    verify_operation(undone.operation)
    if amended_since(undone.operation, action.created_at):
        raise Stale("description_changed", AMENDED)
    back = way_back(undone.operation.description)
    same_place = (undone.team_id, undone.operation.integration_id) == (action.team_id, action.operation.integration_id)
    if back is None or back.operation != action.operation.slug or not same_place or undone.state != "succeeded":
        raise Tampered("It is not the way back of what it says that it undoes.")
    if arguments_back(back, undone.known) != action.arguments:
        raise Tampered("Its arguments are not those that undo what it says that it undoes.")
    if undone.settled_at and back.given and undone.settled_at + back.given <= now():
        raise Stale("too_late", TOO_LATE)


def question(row: Operation, grantee: str, amount: int | None, currency: str) -> Question:
    """From the attested description, not from the columns beside it. Needs the integration loaded."""
    operation, integration = Description(row.slug, row.description), row.integration
    return Question(
        integration=integration.slug,
        operation=f"{integration.slug}.{operation.slug}",
        workflow=_of("workflow", grantee),
        agent=_of("agent", grantee),
        effect=operation.effect,
        categories=frozenset(operation.document.get("categories", [])),
        trust=operation.document.get("trust", "imported"),
        idempotency=operation.mode,
        amount_minor=amount,
        currency=currency,
        here=is_here(integration),
        environment=environment_of(integration),
    )


def _of(kind: str, grantee: str) -> str:
    named, _, name = grantee.partition(":")
    return name if named == kind else ""


def current_policy(team: str) -> PolicyVersion | None:
    """The newest version, verified. None when the team has none: everything is denied then. An older one was laxer
    perhaps: pointing back at it by SQL must not bring it back."""
    version = next(iter(_POLICY(team)), None)
    if version is None or version.policy.current_id is None:
        return None
    if version.policy.current_id != version.pk:
        raise Tampered("The policy in force is not the newest version that was published.")
    if policy_digest(version.document) != bytes(version.digest):
        raise Tampered("The policy was altered after it was published.")
    verify("policy", version.attested(), version.attestation)
    _verified[team] = version
    return version


def policy_now(loaded: Loaded) -> PolicyVersion | None:
    """The one that was verified last, where it was still the same when the action was read, just now."""
    known = _verified.get(loaded.action.team_id)
    just_now = time.monotonic() - loaded.asked_at < KNOWN_FOR
    if known and just_now and known.read_as == loaded.newest:  # type: ignore[attr-defined]  # annotated
        return known
    return current_policy(loaded.action.team_id)


def verify_decisions(loaded: Loaded, answer: Answer, action_digest: bytes) -> None:
    """The current ruling is satisfied by valid signatures over exactly this action. Raises Tampered or Stale."""
    if answer.outcome == "allow":
        return
    if answer.outcome == "deny":
        raise Stale("denied", f"The policy's rule {answer.rule} denies it now.")
    if answer.requirement is None:
        raise Stale("policy_changed", f"The policy's rule {answer.rule} wants something else of it now.")
    if loaded.action.mandate_id:
        raise Stale("mandate_ended", "The mandate that covered it covers it no more. Propose it again.")
    slots, wanted = answer.requirement.slots, asks(answer.requirement)
    if fills(slots, verified_votes(loaded, action_digest, slots=slots, wanted=wanted)):
        return
    reviews = Review.objects.filter(action=loaded.action, kind="action").annotate(required=required())
    review = reviews.latest("opened_at")
    same = [slot.asks for slot in review.slots.order_by("position")] == list(slots)
    if not same or asks_of(review) != wanted:
        raise Stale("policy_changed", f"The policy asks for {answer.requirement} now.")
    raise Tampered("There are fewer valid signatures than the policy asks for.")


def verified_votes(
    loaded: Loaded,
    digest: bytes,
    *,
    standing: bool = False,
    slots: Sequence[SlotSpec] = (),
    wanted: Asks = NOTHING,
) -> list[Vote]:
    """The approvals of its review, from their stored bytes, of those who did first what is `wanted`, with what these
    slots ask of who signs and by what; what is `standing` says itself until when it is good. Raises Tampered or
    Stale."""
    approvals = _approvals(loaded.action)
    if not approvals or approvals[0].decision.review.state != "approved":
        raise Tampered("The action needs a review that was never approved.")
    check_context(loaded.action, approvals[0].held)
    review = approvals[0].decision.review_id
    same = [approval for approval in approvals if approval.decision.review_id == review]
    votes = [_verify_decision(approval, loaded, digest, standing=standing) for approval in same]
    if any(slot.authenticators for slot in slots):
        votes = list(map(_with_model, votes, same))
    if any(slot.proofed for slot in slots):
        known = proofed([vote.person for vote in votes], loaded.action.team_id)
        votes = [replace(vote, proofed=vote.person in known) for vote in votes]
    if not apart(votes):
        raise Tampered("Somebody has two votes for it.")
    return [
        vote
        for vote, approval in zip(votes, same, strict=True)
        if wanted.are_met_by(read_payload(bytes(approval.decision.payload)))
    ]


@dataclass(frozen=True, slots=True)
class Approval:
    """A vote for the action, and what the log tells of the passkey that signed it, and of when it was held."""

    decision: Decision
    leaves: list[bytes]
    held: list[bytes]


def _approvals(action: Action) -> list[Approval]:
    return [Approval(vote, vote.leaves, vote.held) for vote in _APPROVALS(action.id)]  # type: ignore[attr-defined]  # annotated


def _verify_decision(approval: Approval, loaded: Loaded, digest: bytes, *, standing: bool) -> Vote:
    """Once the stored bytes prove that they signed this."""
    decision, action = approval.decision, loaded.action
    verify("decision", decision.attested(), decision.attestation)
    payload = read_payload(bytes(decision.payload))
    expected = {
        "type": "countersign.decision",
        "team": action.team_id,
        "review": decision.review_id,
        "action": action.id,
        "revision": action.revision,
        "action_digest": digest.hex(),
        "evidence_digest": evidence_digest(action).hex(),
        "render_digest": render_digest(action).hex(),
        "decision": "approve",
        "comment_digest": comment_digest(decision.reason),
        "reviewer": decision.reviewer_id,
        "on_behalf_of": decision.on_behalf_of_id,
        "delegation": decision.delegation_id,
        "nonce": decision.nonce,
    }
    different = [name for name, value in expected.items() if payload.get(name) != value]
    if different:
        raise Tampered(f"The signed decision does not cover this action: {', '.join(sorted(different))} differ.")
    if not decision.people.isdisjoint(action.barred):
        raise Tampered("Whoever makes or changes an action cannot sign it.")
    verify_delegation(decision, read_moment(payload["iat"]), _case(loaded))
    _verify_signature(approval)
    if decision.listed is not None and not is_light(action.operation):
        raise Tampered("It was decided together with others, and may only be decided by itself.")
    if not standing and payload["exp"] <= iso(now()):
        raise Stale("approval_expired", "The signature's own time is over; it has to be proposed again.")
    since = read_moment(payload["iat"]) - read_moment(payload.get("opened", payload["iat"]))
    level = vote_level(decision.level, decision.authenticator_data)
    groups = frozenset(payload.get("groups", ()))
    return Vote(decision.reviewer_id, groups, level, since, on_behalf_of=decision.on_behalf_of_id or "",
                asked=decision.slot.asks)  # fmt: skip


def _case(loaded: Loaded) -> Case:
    """From the attested description. The amount is decoded once more before anything is sent."""
    action, categories = loaded.action, loaded.operation.document.get("categories", [])
    return Case(frozenset(action.barred), action.amount_minor, action.currency, frozenset(categories))


def _with_model(vote: Vote, approval: Approval) -> Vote:
    passkey = approval.decision.passkey
    return replace(vote, model=proven_model(passkey)) if passkey else vote


def _verify_signature(approval: Approval) -> None:
    decision = approval.decision
    if decision.level == "password":
        return
    if decision.level != "passkey" or decision.passkey is None:
        raise Tampered("The decision is not signed.")
    if decision.passkey.user_id != decision.reviewer_id:
        raise Tampered("The passkey belongs to somebody else.")
    check_genuine(decision.passkey, approval.leaves)
    stored = Assertion(
        bytes(decision.passkey.credential_id),
        bytes(decision.client_data_json or b""),
        bytes(decision.authenticator_data or b""),
        bytes(decision.signature or b""),
    )
    challenge = challenge_for(signed_bytes(decision))
    reverify(decision.passkey, stored, challenge=challenge, origin=settings.ORIGIN, rp_id=settings.RP_ID)
