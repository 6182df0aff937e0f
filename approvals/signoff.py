"""The one way a decision comes to be. Pages, the API and every channel to come call `signoff` and nothing else."""

import base64
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.db import IntegrityError, transaction

from approvals.access import OTHER_GROUP, access_review, access_review_locked
from approvals.alike import remember_names
from approvals.digests import comment_digest, decision_payload, evidence_digest, read_payload, render_digest
from approvals.doubt import resolve_doubt
from approvals.models import Action, Decision, Review
from approvals.permit import mint_permit
from approvals.policies.slots import LEVELS, at_least
from approvals.seats import Seat, outcome_of, seat_for, seats_of, vote_level, vote_of, with_vote
from approvals.settle import announce, lock_action, settle
from audit.move import inserting, move
from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import User
from console.accounts.passkeys import challenge_for, signing_options, verify_assertion
from console.accounts.passwords import confirm_password
from console.core.actor import Actor, Role
from console.core.attest import attest
from console.core.clock import iso, nanoseconds, now
from console.core.errors import Conflict, Forbidden, Invalid, Tampered
from console.core.telemetry import new_span_id
from console.core.wake import wake
from console.traces.store import SpanStart, ending, start_spans, starting

LIFETIME = dt.timedelta(minutes=10)  # how long a prepared payload may lie on the page before it is signed
MAX_REASON = 2_000
DONE = {"approve": "approved", "refuse": "refused", "recuse": "left to others"}
SESSION, PASSWORD, PASSKEY, DEVICE = LEVELS
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
    """Enough to refuse an action, or to leave it to others; never to approve, or to settle a doubt."""


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
    seat = check_may_decide(review, seats_of(review), actor, verdict, reason)
    payload = _payload(review, seat, verdict, reason, actor)
    return {
        "prepared": _SIGNER.sign(base64.urlsafe_b64encode(payload).decode()),
        "options": signing_options(actor.id, challenge_for(payload)),
    }


def signoff(review_id: str, *, verdict: str, reason: str = "", proof: Proof, actor: Actor) -> Review:
    """Store one vote and, where it is the last one that was wanted, close the review. Raises Refusals that say what to
    do."""
    if isinstance(proof, ByPassword):
        _confirm_password(review_id, verdict, reason, proof, actor)
    try:
        with transaction.atomic():
            return _decide(review_id, verdict, reason, proof, actor)
    except IntegrityError:
        raise Conflict("This decision was already counted.", code="already_decided") from None


def check_may_decide(review: Review, seats: Sequence[Seat], actor: Actor, verdict: str, reason: str) -> Seat:
    """Who may decide here at all, and in which slot: asked before anything is signed, and again under the locks."""
    _check_person(actor)
    if seats and not any(seat.groups & actor.groups for seat in seats):
        raise Forbidden(OTHER_GROUP, code="not_your_group")
    _check_vote(review, actor, verdict, reason)
    return seat_for(review, seats, actor)


def _check_person(actor: Actor) -> None:
    if not actor.interactive:
        raise Forbidden("Only a person in a browser session decides; tokens and agents cannot.", code="not_interactive")
    actor.require(Role.REVIEWER)


def _check_vote(review: Review, actor: Actor, verdict: str, reason: str) -> None:
    if actor.id in review.action.makers:
        raise Forbidden("You started this, so somebody else has to decide.", code="own_request")
    if verdict not in {"approve", "refuse", "recuse"}:
        raise Invalid("Say approve, refuse or recuse.")
    if verdict == "refuse" and not reason.strip():
        raise Invalid("Say why you refuse; the reason goes back to the run.", code="reason_needed")
    if len(reason) > MAX_REASON:
        raise Invalid(f"Keep the reason under {MAX_REASON:,} characters.")
    _check_open(review)
    if verdict == "approve" and review.kind == "action" and review.halted:  # type: ignore[attr-defined]  # annotated
        raise Conflict("It is halted, so nothing of it can be approved until that is lifted.", code="halted")


def _check_open(review: Review) -> None:
    if review.state != "open":
        closed = f" at {iso(review.closed_at)}" if review.closed_at else ""
        raise Conflict(f"This review is already {review.state}{closed}.", code="already_decided")
    if review.expires_at <= now():
        raise Conflict("The time to sign is over; it has to be proposed again.", code="expired")


def _confirm_password(review_id: str, verdict: str, reason: str, proof: ByPassword, actor: Actor) -> None:
    """Before any lock, because hashing takes its time, and a wrong try is recorded although nothing is decided."""
    review = access_review(actor, review_id)
    seat = check_may_decide(review, seats_of(review), actor, verdict, reason)
    _check_level(review, seat, verdict, PASSWORD)
    user = User.objects.get(pk=actor.id)
    confirm_password(user, proof.password, actor=actor, address=proof.address)


def _check_level(review: Review, seat: Seat, verdict: str, level: str) -> None:
    """Refusing, and standing aside, let nothing happen. Saying that a doubtful call did not happen lets it be proposed
    again."""
    light = verdict == "recuse" or (verdict == "refuse" and review.kind == "action")
    if light or at_least(seat.asks.signature, level):
        return
    if seat.asks.signature == DEVICE and level == PASSKEY:
        raise Forbidden("This has to be signed with a passkey that never leaves its device.", code="device_needed")
    raise Forbidden("This has to be signed with a passkey.", code="passkey_needed")


def _sign(review: Review, seat: Seat, verdict: str, reason: str, proof: Proof, actor: Actor) -> Signed:
    if isinstance(proof, ByPasskey):
        signed = _check_passkey(review, seat, verdict, reason, proof, actor)
    else:
        level = PASSWORD if isinstance(proof, ByPassword) else SESSION
        signed = Signed(_payload(review, seat, verdict, reason, actor), level, {})
    _check_level(review, seat, verdict, vote_level(signed.level, signed.fields.get("passkey")))
    return signed


def _payload(review: Review, seat: Seat, verdict: str, reason: str, actor: Actor) -> bytes:
    return decision_payload(review, seat.slot, verdict=verdict, reason=reason, reviewer=actor.id,
                            groups=seat.groups & actor.groups)  # fmt: skip


def _check_passkey(review: Review, seat: Seat, verdict: str, reason: str, proof: ByPasskey, actor: Actor) -> Signed:
    payload = _own_payload(proof.prepared)
    said = read_payload(payload)
    expected = {"review": review.id, "reviewer": actor.id, "decision": verdict, "slot": seat.slot.id,
                "groups": sorted(seat.groups & actor.groups), "comment_digest": comment_digest(reason)}  # fmt: skip
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
    return Signed(payload, PASSKEY, fields)


def _own_payload(prepared: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(_SIGNER.unsign(prepared, max_age=LIFETIME))
    except signing.BadSignature:
        raise Invalid("The page is too old or was changed. Open the review again.", code="payload_mismatch") from None


def _decide(review_id: str, verdict: str, reason: str, proof: Proof, actor: Actor) -> Review:
    """Under the locks: vote, record, and what the vote leads to."""
    _check_person(actor)
    review = access_review_locked(actor, review_id)
    seats = seats_of(review)
    _check_vote(review, actor, verdict, reason)
    seat = seat_for(review, seats, actor)
    signed = _sign(review, seat, verdict, reason, proof, actor)
    _check_payload_fits(signed.payload, review)
    decision = _store(review, seat, verdict, reason, signed, actor)
    after = with_vote(seats, seat, verdict, vote_of(review, seat, actor, vote_level(decision.level, decision.passkey)))
    if ended := outcome_of(after):
        move(review, ended, actor=actor, closed_at=now())
        _carry_on(review, decision, actor)
        announce(review.action)
    else:
        _note_filled(review, after)
    return review


def _note_filled(review: Review, seats: Sequence[Seat]) -> None:
    """Nobody is told of a vote while others are to come: whoever is still asked must not learn of it."""
    filled = [seat.slot.pk for seat in seats if seat.tally.closed]
    if filled != review.filled:
        review.filled = filled
        review.save(update_fields=["filled"])


@transaction.atomic
def recount(review_id: str) -> None:
    """After an account was closed: a slot that it had filled asks others again."""
    action = lock_action(Review.objects.values_list("action", flat=True).get(pk=review_id))
    review = Review.objects.select_for_update().get(pk=review_id)
    before = review.filled
    if review.state == "open":
        _note_filled(review, seats_of(review))
    if review.filled != before:
        announce(action)


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


def _store(review: Review, seat: Seat, verdict: str, reason: str, signed: Signed, actor: Actor) -> Decision:
    said = read_payload(signed.payload)
    decision = Decision(review=review, slot=seat.slot, reviewer_id=actor.id, verdict=verdict, level=signed.level,
                        reason=reason, payload=signed.payload, nonce=said["nonce"], groups=said["groups"],
                        **signed.fields)  # fmt: skip
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


def _carry_on(review: Review, decision: Decision, actor: Actor) -> None:
    spans = _signature_spans(review)
    if review.kind == "action" and review.state == "approved":
        _permit(review.action, spans, actor)
        return
    start_spans(spans)
    if review.kind == "doubt":
        resolve_doubt(review.action, happened=review.state == "approved", decision=decision, actor=actor)
        return
    refused = Decision.objects.filter(review=review, verdict="refuse").select_related("reviewer").earliest("decided_at")
    outcome = {"code": "refused", "text": refused.reason, "by": refused.reviewer.name}
    settle(review.action, "refused", outcome, actor=actor)


def _permit(action: Action, spans: Iterable[SpanStart], actor: Actor) -> None:
    waited = ending(action.trace_id, action.wait_span_id, attributes={"outcome": "approved"})
    permit = mint_permit(action)
    remember_names(action)
    move(action, "permitted", actor=actor, detail={"permit": permit}, also=[waited, *map(starting, spans)])
    wake("approvals.tasks.drive", "actions", action.id)


def _signature_spans(review: Review) -> list[SpanStart]:
    """Points in time under the wait: who signed, and how. Written when the review is over: before, nobody is told."""
    action = review.action
    if not action.trace_id:
        return []
    return [_signature_span(action, one) for one in review.decisions.select_related("reviewer").order_by("decided_at")]


def _signature_span(action: Action, decision: Decision) -> SpanStart:
    at = nanoseconds(decision.decided_at)
    done = DONE[decision.verdict]
    attributes = {"countersign.decision": decision.id, "countersign.signature": decision.level}
    return SpanStart(action.trace_id, new_span_id(), f"{done} by {decision.reviewer.name}", "human", action.team_id,
                     action.wait_span_id, action.run, decision.review_id, started_ns=at, ended_ns=at, status="ok",
                     attributes=attributes)  # fmt: skip
