"""Deciding several reviews of one kind with one signature. Each is still a decision of its own, with its own payload,
nonce, record and consequence; what is shared is the list that the passkey signs."""

import json
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from approvals.access import access_review, waiting_for, with_all
from approvals.alike import look_alikes
from approvals.care.drills import decide_drill, open_drills, review_of, seats_of_drill
from approvals.lines import Line, lines, marked
from approvals.listed import list_of
from approvals.models import Action, Drill, Review
from approvals.seats import Seat, seats_of
from approvals.several import MOST, kind_of
from approvals.signoff import InList, check_may_decide, payload_of, signoff
from audit.read import record_read
from console.accounts.models import Passkey
from console.accounts.passkeys import challenge_for, verify_assertion
from console.accounts.prepared import read_prepared, to_be_signed
from console.core.actor import Actor
from console.core.canonical import jcs
from console.core.errors import Conflict, Invalid, NotFound, Refusal, Tampered
from integrations.grantees import short_name

VERDICTS = ("approve", "refuse")


@dataclass(frozen=True, slots=True)
class Case:
    """A review or a drill: whoever decides together must not see which is which."""

    review: Review
    seats: Sequence[Seat]
    drill: Drill | None = None

    @property
    def kind(self) -> Hashable:
        return kind_of(self.review, self.seats)


@dataclass(frozen=True, slots=True)
class Row:
    """What this one does that not all of them do."""

    review: Review
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Several:
    """`shared` is what all of them do alike; nothing of any of them stands in neither."""

    rows: Sequence[Row]
    shared: Sequence[Line]
    has_passkey: bool

    @property
    def who(self) -> str:
        return short_name(self.action.grantee)

    @property
    def action(self) -> Action:
        return self.rows[0].review.action


@dataclass(frozen=True, slots=True)
class Left:
    """One that was not decided, and why. None where it is no longer to be seen."""

    review: Review | None
    why: str


def alike_to(actor: Actor, review_id: str) -> Several | None:
    """That one, and what of its kind waits for the actor; None where there is no other."""
    first = case_of(actor, review_id)
    cases = [one for one in _candidates(actor, first) if one.kind == first.kind] if first.kind else []
    if len(cases) < 2:
        return None
    has_passkey = Passkey.objects.filter(user=actor.id, revoked_at=None).exists()
    return _shown([one.review for one in cases[:MOST]], has_passkey)


def record_shown(several: Several, actor: Actor) -> None:
    """Each was on their screen."""
    for row in several.rows:
        record_read(actor=actor, page="review", subject=row.review.pk)


def has_alike(actor: Actor, review: Review, seats: Sequence[Seat]) -> bool:
    """Whether something else waits for them that looks like it; whether it is of one kind is seen when it is read."""
    try:
        alone = kind_of(review, seats) is None
    except Tampered:
        return False
    others = not alone and _waiting(actor, review).exclude(pk=review.pk).exists()
    return others or (not alone and bool(_drills(actor, review, but=review.pk)))


def prepare_several(ids: Collection[str], *, verdict: str, reason: str, actor: Actor) -> dict[str, object]:
    """For the browser: what to sign. Nothing is stored."""
    chosen = list(dict.fromkeys(ids))
    if not 2 <= len(chosen) <= MOST:
        raise Invalid(f"Choose from two to {MOST}.", code="choose_several")
    cases = [case_of(actor, one) for one in chosen]
    _check_together(cases, verdict)
    payloads = [_payload(one, verdict, reason, actor) for one in cases]
    said = jcs([one.decode() for one in payloads])
    return to_be_signed("decisions", said, challenge=challenge_for(list_of(payloads)), user_id=actor.id)


def decide_several(
    *, verdict: str, reason: str, prepared: str, assertion: Mapping[str, object], actor: Actor
) -> tuple[list[str], list[Left]]:
    """The ids of those that were decided, and those that were not: each stands or falls by itself, as one may have been
    decided elsewhere meanwhile. Raises Refusals where the signature is not good for any."""
    payloads = [str(one).encode() for one in json.loads(read_prepared("decisions", prepared))]
    listed = list_of(payloads)
    passkey, given = verify_assertion(assertion, challenge=challenge_for(listed), actor=actor)
    done, left = list[str](), list[Left]()
    for payload in payloads:
        review_id = str(json.loads(payload)["review"])
        proof = InList(payload, listed, passkey, given)
        try:
            _decide(review_id, verdict, reason, proof, actor)
            done.append(review_id)
        except Refusal as refusal:
            left.append(Left(_still_there(review_id, actor), refusal.text))
    return done, left


def _still_there(review_id: str, actor: Actor) -> Review | None:
    try:
        return case_of(actor, review_id).review
    except NotFound:
        return None


def _decide(review_id: str, verdict: str, reason: str, proof: InList, actor: Actor) -> None:
    if drill := open_drills(actor).filter(pk=review_id).first():
        decide_drill(drill, verdict=verdict, reason=reason, proof=proof, actor=actor)
    else:
        signoff(review_id, verdict=verdict, reason=reason, proof=proof, actor=actor)


def case_of(actor: Actor, review_id: str) -> Case:
    """Raises NotFound for what is not the actor's to see."""
    if drill := open_drills(actor).filter(pk=review_id).first():
        return _of_drill(drill)
    review = access_review(actor, review_id)
    return Case(review, seats_of(review))


def _of_drill(drill: Drill) -> Case:
    review = review_of(drill)
    return Case(review, seats_of_drill(drill, review), drill)


def _candidates(actor: Actor, first: Case) -> list[Case]:
    """That one first, then as they fall due. Each asks for its slots."""
    others = with_all(_waiting(actor, first.review)).exclude(pk=first.review.pk).order_by("expires_at", "id")
    found = [Case(one, seats_of(one)) for one in others[:MOST]]
    found += _drills(actor, first.review, but=first.review.pk)
    return [first, *sorted(found, key=lambda one: (one.review.expires_at, one.review.pk))]


def _waiting(actor: Actor, review: Review) -> QuerySet[Review]:
    action = review.action
    of_it = waiting_for(actor).filter(kind="action", policy_digest=review.policy_digest)
    return of_it.filter(action__operation=action.operation_id, action__grantee=action.grantee)


def _drills(actor: Actor, review: Review, but: str) -> list[Case]:
    drills = [_of_drill(one) for one in open_drills(actor) if one.like.operation_id == review.action.operation_id]
    return [one for one in drills if one.review.pk != but]


def _check_together(cases: Sequence[Case], verdict: str) -> None:
    if verdict not in VERDICTS:
        raise Invalid("Several are approved or refused; anything else is said of each.")
    kinds = {one.kind for one in cases}
    if None in kinds or len(kinds) > 1:
        raise Conflict("These are not all of one kind by now. Open the list again.", code="alone")


def _payload(case: Case, verdict: str, reason: str, actor: Actor) -> bytes:
    ballot = check_may_decide(case.review, case.seats, actor, verdict, reason)
    return payload_of(case.review, verdict, reason, ballot)


def _shown(reviews: Sequence[Review], has_passkey: bool) -> Several:
    alike = look_alikes(*(one.action for one in reviews))
    told = [marked(lines(one.action.facts), alike) for one in reviews]
    shared = [line for line in told[0] if all(line in others for others in told[1:])]
    rows = [Row(one, [line for line in its if line not in shared]) for one, its in zip(reviews, told, strict=True)]
    return Several(rows, shared, has_passkey)
