"""The one way a decision comes to be. Pages, the API and every channel to come call `signoff` and nothing else."""

import base64
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.db import IntegrityError, transaction

from approvals.access import OTHER_GROUP, access_review, access_slot_locked
from approvals.digests import comment_digest, decision_payload, evidence_digest, read_payload, render_digest
from approvals.doubt import resolve_doubt
from approvals.models import Action, Decision, Review, Slot
from approvals.permit import mint_permit
from approvals.settle import announce, settle
from audit.move import inserting, move
from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import User
from console.accounts.passkeys import challenge_for, signing_options, verify_assertion
from console.accounts.passwords import confirm_password
from console.core.actor import Actor, Role
from console.core.attest import attest
from console.core.clock import iso, now
from console.core.errors import Conflict, Forbidden, Invalid, Tampered
from console.core.telemetry import new_span_id
from console.core.wake import wake
from console.traces.store import SpanStart, clock_ns, ending, start_spans, starting

LIFETIME = dt.timedelta(minutes=10)  # how long a prepared payload may lie on the page before it is signed
MAX_REASON = 2_000
_SIGNER = signing.TimestampSigner(salt="countersign.decision")


@dataclass(frozen=True, slots=True)
class ByPasskey:
    """The payload as the server prepared and signed it, and the authenticator's answer (browsers' `toJSON`)."""

    prepared: str
    assertion: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ByPassword:
    password: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class BySession:
    """Enough to refuse an action; never enough to approve, or to settle a doubt."""


Proof = ByPasskey | ByPassword | BySession


@dataclass(frozen=True, slots=True)
class Signed:
    """A vote whose proof has been checked, ready to be stored."""

    payload: bytes
    level: str
    fields: Mapping[str, Any]


def prepare_decision(review_id: str, *, verdict: str, reason: str, actor: Actor) -> dict[str, object]:
    """For the browser: what to sign. Nothing is stored; the server knows its own payload again by its signature."""
    review = access_review(actor, review_id)
    slot = check_may_decide(review, actor, verdict, reason)
    payload = decision_payload(review, slot, verdict=verdict, reason=reason, reviewer=actor.id)
    return {
        "prepared": _SIGNER.sign(base64.urlsafe_b64encode(payload).decode()),
        "options": signing_options(actor.id, challenge_for(payload)),
    }


def signoff(review_id: str, *, verdict: str, reason: str = "", proof: Proof, actor: Actor) -> Review:
    """Store one vote and, when the slot is full, close the review. Raises Refusals that say what to do."""
    if isinstance(proof, ByPassword):
        _confirm_password(review_id, verdict, reason, proof, actor)
    try:
        with transaction.atomic():
            return _decide(review_id, verdict, reason, proof, actor)
    except IntegrityError:
        raise Conflict("This decision was already counted.", code="already_decided") from None


def check_may_decide(review: Review, actor: Actor, verdict: str, reason: str) -> Slot:
    """Who may decide here at all: asked before anything is signed, and again under the locks."""
    _check_person(actor)
    slot = review.slots.filter(group__in=actor.groups).order_by("pk").first()
    if slot is None:
        raise Forbidden(OTHER_GROUP, code="not_your_group")
    _check_vote(review, actor, verdict, reason)
    return slot


def _check_person(actor: Actor) -> None:
    if not actor.interactive:
        raise Forbidden("Only a person in a browser session decides; tokens and agents cannot.", code="not_interactive")
    actor.require(Role.REVIEWER)


def _check_vote(review: Review, actor: Actor, verdict: str, reason: str) -> None:
    if actor.id in review.action.makers:
        raise Forbidden("You started this, so somebody else has to decide.", code="own_request")
    if verdict not in {"approve", "refuse"}:
        raise Invalid("Say approve or refuse.")
    if verdict == "refuse" and not reason.strip():
        raise Invalid("Say why you refuse; the reason goes back to the run.", code="reason_needed")
    if len(reason) > MAX_REASON:
        raise Invalid(f"Keep the reason under {MAX_REASON:,} characters.")
    _check_open(review)


def _check_open(review: Review) -> None:
    if review.state != "open":
        closed = f" at {iso(review.closed_at)}" if review.closed_at else ""
        raise Conflict(f"This review is already {review.state}{closed}.", code="already_decided")
    if review.expires_at <= now():
        raise Conflict("The time to sign is over; it has to be proposed again.", code="expired")


def _confirm_password(review_id: str, verdict: str, reason: str, proof: ByPassword, actor: Actor) -> None:
    """Before any lock, because hashing takes its time, and a wrong try is recorded although nothing is decided."""
    review = access_review(actor, review_id)
    _check_level(review, check_may_decide(review, actor, verdict, reason), verdict, proof)
    user = User.objects.get(pk=actor.id)
    confirm_password(user, proof.password, actor=actor, address=proof.address)


def _check_level(review: Review, slot: Slot, verdict: str, proof: Proof) -> None:
    """Refusing lets nothing happen. Saying that a doubtful call did not happen lets it be proposed again."""
    light = verdict == "refuse" and review.kind == "action"
    match proof:
        case ByPasskey():
            return
        case ByPassword() if slot.signature == "password" or light:
            return
        case BySession() if light:
            return
    raise Forbidden("This has to be signed with a passkey.", code="passkey_needed")


def _sign(review: Review, slot: Slot, verdict: str, reason: str, proof: Proof, actor: Actor) -> Signed:
    _check_level(review, slot, verdict, proof)
    if isinstance(proof, ByPasskey):
        return _check_passkey(review, slot, verdict, reason, proof, actor)
    payload = decision_payload(review, slot, verdict=verdict, reason=reason, reviewer=actor.id)
    return Signed(payload, "password" if isinstance(proof, ByPassword) else "session", {})


def _check_passkey(review: Review, slot: Slot, verdict: str, reason: str, proof: ByPasskey, actor: Actor) -> Signed:
    payload = _own_payload(proof.prepared)
    said = read_payload(payload)
    expected = {"review": review.id, "reviewer": actor.id, "decision": verdict, "slot": slot.id,
                "comment_digest": comment_digest(reason)}  # fmt: skip
    if any(said[name] != value for name, value in expected.items()):
        raise Invalid("What was signed is not what was sent. Open the review again.", code="payload_mismatch")
    if said["exp"] <= iso(now()):
        raise Conflict("The page lay open too long. Open the review again and sign anew.", code="expired")
    passkey, assertion = verify_assertion(proof.assertion, challenge=challenge_for(payload), actor=actor)
    fields = {
        "passkey": passkey,
        "client_data_json": assertion.client_data_json,
        "authenticator_data": assertion.authenticator_data,
        "signature": assertion.signature,
    }
    return Signed(payload, "passkey", fields)


def _own_payload(prepared: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(_SIGNER.unsign(prepared, max_age=LIFETIME))
    except signing.BadSignature:
        raise Invalid("The page is too old or was changed. Open the review again.", code="payload_mismatch") from None


def _decide(review_id: str, verdict: str, reason: str, proof: Proof, actor: Actor) -> Review:
    """Under the locks: vote, record, and what the vote leads to."""
    _check_person(actor)
    slot = access_slot_locked(actor, review_id)
    review = slot.review
    _check_vote(review, actor, verdict, reason)
    signed = _sign(review, slot, verdict, reason, proof, actor)
    _check_payload_fits(signed.payload, review)
    decision = _store(review, slot, verdict, reason, signed, actor)
    if verdict == "refuse":
        _close(review, "refused", actor)
    elif slot.count == 1 or review.decisions.filter(slot=slot, verdict="approve").count() >= slot.count:
        _close(review, "approved", actor)
    _carry_on(review, decision, actor)
    announce(review.action)
    return review


def _check_payload_fits(payload: bytes, review: Review) -> None:
    """What is in the rows now is what the payload was made from; what was altered meanwhile is not signed for."""
    said = read_payload(payload)
    action = review.action
    actual = {
        "action_digest": bytes(action.action_digest or b"").hex(),
        "evidence_digest": evidence_digest(action).hex(),
        "render_digest": render_digest(action).hex(),
    }
    if any(said[name] != value for name, value in actual.items()):
        raise Tampered("The action was altered while it waited.")


def _store(review: Review, slot: Slot, verdict: str, reason: str, signed: Signed, actor: Actor) -> Decision:
    said = read_payload(signed.payload)
    decision = Decision(review=review, slot=slot, reviewer_id=actor.id, verdict=verdict, level=signed.level,
                        reason=reason, payload=signed.payload, nonce=said["nonce"], **signed.fields)  # fmt: skip
    decision.attestation = attest("decision", decision.attested())
    passkey = signed.fields.get("passkey")
    record(
        Kind.DECISION_MADE,
        subject=decision.id,
        actor=actor,
        decision={"effect": verdict, "policy_digest": said["policy_digest"], "level": signed.level},
        detail={
            "review": review.id,
            "of": review.action_id,
            "action_digest": said["action_digest"],
            "payload_digest": challenge_for(signed.payload).hex(),
            "meaning": said["meaning"],
            "passkey": passkey.id if passkey else "",
        },
        personal={"name": actor.name, **({"reason": reason} if reason else {})},
        change=inserting(decision),
        **review.audit_context(),
    )
    return decision


def _close(review: Review, state: str, actor: Actor) -> None:
    move(review, state, actor=actor, closed_at=now())


def _carry_on(review: Review, decision: Decision, actor: Actor) -> None:
    if review.state == "open":
        return
    spans = _signature_spans(review, decision, actor)
    if review.kind == "action" and review.state == "approved":
        _permit(review.action, spans, actor)
        return
    start_spans(spans)
    if review.kind == "doubt":
        resolve_doubt(review.action, happened=review.state == "approved", decision=decision, actor=actor)
    else:
        outcome = {"code": "refused", "text": decision.reason, "by": actor.name}
        settle(review.action, "refused", outcome, actor=actor)


def _permit(action: Action, spans: Iterable[SpanStart], actor: Actor) -> None:
    waited = ending(action.trace_id, action.wait_span_id, attributes={"outcome": "approved"})
    permit = mint_permit(action)
    move(action, "permitted", actor=actor, detail={"permit": permit}, also=[waited, *map(starting, spans)])
    wake("approvals.tasks.drive", "actions", action.id)


def _signature_spans(review: Review, decision: Decision, actor: Actor) -> list[SpanStart]:
    """A point in time under the wait: who signed, and how."""
    action = review.action
    if not action.trace_id:
        return []
    at = clock_ns()
    done = "approved" if decision.verdict == "approve" else "refused"
    attributes = {"countersign.decision": decision.id, "countersign.signature": decision.level}
    return [SpanStart(action.trace_id, new_span_id(), f"{done} by {actor.name}", "human", action.team_id,
                      action.wait_span_id, action.run, review.id, started_ns=at, ended_ns=at, status="ok",
                      attributes=attributes)]  # fmt: skip
