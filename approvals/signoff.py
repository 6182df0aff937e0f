"""The one way a decision comes to be. Pages, the API and every channel to come call `signoff` and nothing else."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from approvals.access import OTHER_GROUP, access_review, access_review_locked
from approvals.care.awake import check_awake
from approvals.care.measure import measuring
from approvals.closed import already_decided
from approvals.concluded import DONE, Vote, carry_on
from approvals.digests import (
    comment_digest,
    decision_payload,
    evidence_digest,
    in_place_of,
    read_payload,
    render_digest,
)
from approvals.models import Decision, Review
from approvals.policies.slots import LEVELS, at_least
from approvals.revise import change, check_change
from approvals.seats import Ballot, Seat, asked_groups, outcome_of, seat_for, seats_of, vote_level, vote_of, with_vote
from approvals.settle import announce, lock_action
from approvals.several import check_light
from approvals.voters import Voter, voter_for
from audit.leaf import Entry
from audit.move import inserting
from audit.record import Act, Change, append
from audit.vocabulary import Kind
from console.accounts.makes import proven_model
from console.accounts.models import Passkey, User
from console.accounts.passkeys import Assertion, challenge_for, check_assertion
from console.accounts.passwords import confirm_password
from console.accounts.prepared import read_prepared, to_be_signed
from console.core.actor import Actor, Role
from console.core.attest import attest
from console.core.clock import iso, now, read_moment
from console.core.errors import Conflict, Forbidden, Invalid, Tampered
from console.core.statements import Statement

MAX_REASON = 2_000
REASON_NEEDED = {
    "refuse": "Say why you refuse; the reason goes back to the run.",
    "change": "Say why it should be done otherwise; whoever signs it reads that, and so does the run.",
}
SESSION, PASSWORD, PASSKEY, DEVICE = LEVELS


@dataclass(frozen=True, slots=True)
class ByPasskey:
    """The payload as the server prepared and signed it, and the authenticator's answer (browsers' `toJSON`)."""

    prepared: str
    assertion: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class InList:
    """One of several payloads that were prepared and signed together; `approvals.bulk` has checked the assertion."""

    payload: bytes
    listed: bytes
    passkey: Passkey
    assertion: Assertion


@dataclass(frozen=True, slots=True)
class ByPassword:
    password: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class BySession:
    """Enough to refuse an action, or to leave it to others; never to approve, or to settle a doubt."""


Proof = ByPasskey | InList | ByPassword | BySession


@dataclass(frozen=True, slots=True)
class Signed:
    """A vote whose proof has been checked, ready to be stored with the changes that make it count."""

    payload: bytes
    level: str
    fields: Mapping[str, Any]
    counting: Sequence[Change] = ()


def prepare_decision(review_id: str, *, verdict: str, reason: str, actor: Actor) -> dict[str, object]:
    """For the browser: what to sign. Nothing is stored; the server knows its own payload again by its signature."""
    if verdict == "change":
        raise Invalid("A change is asked for, and signed by somebody else.")
    review = access_review(actor, review_id)
    return to_sign(review, verdict, reason, check_may_decide(review, seats_of(review), actor, verdict, reason))


def to_sign(review: Review, verdict: str, reason: str, ballot: Ballot) -> dict[str, object]:
    payload = payload_of(review, verdict, reason, ballot)
    return to_be_signed("decision", payload, challenge=challenge_for(payload), user_id=ballot.voter.actor.id)


def signoff(
    review_id: str,
    *,
    verdict: str,
    reason: str = "",
    arguments: Mapping[str, Any] | None = None,
    unfolded: Collection[str] = (),
    proof: Proof,
    actor: Actor,
) -> Review:
    """Store one vote and, where it is the last one that was wanted, close the review. Whoever says `change` gives all
    `arguments` as they should be; `unfolded` is what the reviewer's browser says was opened, and decides nothing.
    Raises Refusals that say what to do."""
    if isinstance(proof, ByPassword):
        _confirm_password(review_id, verdict, reason, proof, actor)
    try:
        with transaction.atomic():
            return _decide(review_id, verdict, reason, arguments, proof, actor, unfolded)
    except IntegrityError:
        raise Conflict("This decision was already counted.", code="already_decided") from None


def check_may_decide(review: Review, seats: Sequence[Seat], actor: Actor, verdict: str, reason: str) -> Ballot:
    """Who may decide here at all, as whom, and in which slot: asked before anything is signed, and again under the
    locks."""
    _check_person(actor)
    asked = asked_groups(seats)
    voter = voter_for(review.action, asked, actor)
    if seats and voter.groups.isdisjoint(asked):
        raise Forbidden(OTHER_GROUP, code="not_your_group")
    _check_vote(review, voter, verdict, reason)
    seat = seat_for(review, seats, voter)
    return Ballot(voter.themself if verdict == "recuse" else voter, seat, seats)


def _check_person(actor: Actor) -> None:
    if not actor.interactive:
        raise Forbidden("Only a person in a browser session decides; tokens and agents cannot.", code="not_interactive")
    actor.require(Role.REVIEWER)


def _check_vote(review: Review, voter: Voter, verdict: str, reason: str) -> None:
    if not voter.people.isdisjoint(review.action.makers):
        raise Forbidden("You started this, so somebody else has to decide.", code="own_request")
    if not voter.people.isdisjoint(review.action.editors):
        raise Forbidden("You changed this, so somebody else has to decide.", code="own_change")
    if verdict == "change" and voter.delegation:
        raise Forbidden("In another's place you approve or refuse; what is changed is theirs to say.", code="in_place")
    if verdict not in DONE:
        raise Invalid("Say approve, refuse, change or recuse.")
    if verdict in REASON_NEEDED and not reason.strip():
        raise Invalid(REASON_NEEDED[verdict], code="reason_needed")
    if len(reason) > MAX_REASON:
        raise Invalid(f"Keep the reason under {MAX_REASON:,} characters.")
    _check_open(review)
    if verdict == "approve" and review.kind == "action" and review.halted:  # type: ignore[attr-defined]  # annotated
        raise Conflict("It is halted, so nothing of it can be approved until that is lifted.", code="halted")


def _check_open(review: Review) -> None:
    if review.state != "open":
        raise already_decided(review)
    if review.expires_at <= now():
        raise Conflict("The time to sign is over; it has to be proposed again.", code="expired")


def _confirm_password(review_id: str, verdict: str, reason: str, proof: ByPassword, actor: Actor) -> None:
    """Before any lock, because hashing takes its time, and a wrong try is recorded although nothing is decided."""
    review = access_review(actor, review_id)
    ballot = check_may_decide(review, seats_of(review), actor, verdict, reason)
    check_password(review, ballot.seat, verdict, proof, actor)


def check_password(review: Review, seat: Seat, verdict: str, proof: ByPassword, actor: Actor) -> None:
    _check_level(review, seat, verdict, PASSWORD)
    check_awake(review, verdict, actor.id)
    user = User.objects.get(pk=actor.id)
    confirm_password(user, proof.password, actor=actor, address=proof.address)


def _check_level(review: Review, seat: Seat, verdict: str, level: str) -> None:
    if _is_light(review, verdict) or at_least(seat.asks.signature, level):
        return
    if seat.asks.signature == DEVICE and level == PASSKEY:
        raise Forbidden("This has to be signed with a passkey that never leaves its device.", code="device_needed")
    raise Forbidden("This has to be signed with a passkey.", code="passkey_needed")


def _is_light(review: Review, verdict: str) -> bool:
    """Refusing, standing aside and asking for a change let nothing happen. Saying that a doubtful call did not happen
    lets it be proposed again."""
    return verdict in ("recuse", "change") or (verdict == "refuse" and review.kind == "action")


def sign(
    review: Review,
    verdict: str,
    reason: str,
    arguments: Mapping[str, Any] | None,
    proof: Proof,
    ballot: Ballot,
) -> Signed:
    seat = ballot.seat
    if isinstance(proof, ByPasskey | InList):
        signed = _check_passkey(review, verdict, reason, proof, ballot)
    else:
        level = PASSWORD if isinstance(proof, ByPassword) else SESSION
        signed = Signed(payload_of(review, verdict, reason, ballot, arguments), level, {})
    _check_level(review, seat, verdict, vote_level(signed.level, signed.fields.get("authenticator_data")))
    _check_model(review, seat, verdict, signed.fields.get("passkey"))
    return signed


def _check_model(review: Review, seat: Seat, verdict: str, passkey: Passkey | None) -> None:
    wanted = seat.asks.authenticators
    if wanted and not _is_light(review, verdict) and (passkey is None or proven_model(passkey) not in wanted):
        raise Forbidden(
            "This has to be signed with a passkey of a model that the policy names, and that its maker vouches for.",
            code="model_needed",
        )


def payload_of(
    review: Review, verdict: str, reason: str, ballot: Ballot, arguments: Mapping[str, Any] | None = None
) -> bytes:
    voter = ballot.voter
    return decision_payload(review, verdict=verdict, reason=reason, reviewer=voter.actor.id,
                            name=voter.actor.name, groups=ballot.groups, delegation=voter.delegation,
                            arguments=arguments, seen=check_awake(review, verdict, voter.actor.id))  # fmt: skip


def _check_passkey(review: Review, verdict: str, reason: str, proof: ByPasskey | InList, ballot: Ballot) -> Signed:
    voter = ballot.voter
    payload = proof.payload if isinstance(proof, InList) else read_prepared("decision", proof.prepared)
    said = read_payload(payload)
    expected = {"review": review.id, "reviewer": voter.actor.id, "name": voter.actor.name, "decision": verdict,
                "groups": ballot.groups, "comment_digest": comment_digest(reason),
                "on_behalf_of": None, "delegation": None, **in_place_of(voter.delegation),
                "seen": check_awake(review, verdict, voter.actor.id)}  # fmt: skip
    since = read_moment(said["iat"]) - review.opened_at  # as the door will count it
    in_time = verdict != "approve" or any(way.after <= since for way in ballot.ways)
    if any(said.get(name) != value for name, value in expected.items()) or not in_time:
        raise Invalid("What was signed is not what was sent. Open the review again.", code="payload_mismatch")
    if said["exp"] <= iso(now()):
        raise Conflict("The page lay open too long. Open the review again and sign anew.", code="expired")
    if isinstance(proof, InList):
        passkey, assertion, listed, counting = proof.passkey, proof.assertion, {"listed": proof.listed}, []
    else:
        challenge = challenge_for(payload)
        passkey, assertion, counted = check_assertion(proof.assertion, challenge=challenge, actor=voter.actor)
        listed, counting = {}, [counted]
    fields = {
        "passkey": passkey,
        "client_data_json": assertion.client_data_json,
        "authenticator_data": assertion.authenticator_data,
        "signature": assertion.signature,
        **listed,
    }
    return Signed(payload, PASSKEY, fields, counting)


def _decide(
    review_id: str,
    verdict: str,
    reason: str,
    arguments: Mapping[str, Any] | None,
    proof: Proof,
    actor: Actor,
    unfolded: Collection[str],
) -> Review:
    """Under the locks: vote, record, and what the vote leads to."""
    _check_person(actor)
    review = access_review_locked(actor, review_id)
    seats = seats_of(review)
    ballot = check_may_decide(review, seats, actor, verdict, reason)
    if verdict == "change":
        check_change(review, arguments or {})
        proof = BySession()
    else:
        arguments = None
    if isinstance(proof, InList):
        check_light(review, seats)
    signed = sign(review, verdict, reason, arguments, proof, ballot)
    _check_payload_fits(signed.payload, review)
    decision, voting = _voting(review, verdict, reason, signed, ballot)
    if arguments is not None:
        append(voting.entry, voting.change)
        change(review, decision, arguments, actor=actor)
        return review
    also: list[Statement | Change] = [*signed.counting, measuring(decision, review.action, unfolded)]
    level = vote_level(decision.level, decision.authenticator_data)
    model = str(decision.passkey.aaguid) if decision.passkey else ""
    after = with_vote(ballot, verdict, vote_of(review, ballot, level, model))
    if ended := outcome_of(after):
        vote = Vote(decision, [voting, *also], ballot.voter.name, others=any(seat.voted for seat in seats))
        carry_on(review, ended, vote, actor)
        announce(review.action)
    else:
        append(voting.entry, voting.change, also)
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


def _voting(review: Review, verdict: str, reason: str, signed: Signed, ballot: Ballot) -> tuple[Decision, Act]:
    """The vote, and what stores it with its record."""
    voter = ballot.voter
    said, actor = read_payload(signed.payload), voter.actor
    decision = Decision(review=review, slot=ballot.seat.slot, reviewer_id=actor.id, verdict=verdict, level=signed.level,
                        reason=reason, payload=signed.payload, nonce=said["nonce"], groups=said["groups"],
                        delegation=voter.delegation, on_behalf_of_id=voter.on_behalf_of or None,
                        **signed.fields)  # fmt: skip
    decision.attestation = attest("decision", decision.attested())
    passkey = signed.fields.get("passkey")
    entry = Entry(
        Kind.DECISION_MADE,
        decision.id,
        actor,
        decision={"effect": verdict, "policy_digest": said["policy_digest"], "level": signed.level},
        detail={
            "review": review.id,
            "of": review.action_id,
            "action_digest": said["action_digest"],
            "payload_digest": challenge_for(signed.payload).hex(),
            "meaning": said["meaning"],
            "passkey": passkey.id if passkey else "",
            **({"list_digest": challenge_for(bytes(decision.listed)).hex()} if decision.listed else {}),
            **in_place_of(voter.delegation),
        },
        personal={"name": actor.name, **_in_place_of(voter), **({"reason": reason} if reason else {})},
        **review.audit_context(),
    )
    return decision, Act(entry, inserting(decision), decision, {})


def _in_place_of(voter: Voter) -> dict[str, str]:
    return {"in_place_of": voter.delegation.delegator.name} if voter.delegation else {}
