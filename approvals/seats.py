"""The slots of a review as they stand, and in which of them somebody may vote. Asked before anything is signed, and
again under the locks."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, TextField
from django.db.models.functions import Cast, JSONObject

from approvals.access import OTHER_GROUP
from approvals.models import Decision, Review, Slot, SlotGroup
from approvals.policies.conditions import evaluate
from approvals.policies.slots import SlotSpec, Tally, Vote, Way, outcome, tally
from approvals.voters import Voter
from console.accounts.passkeys import stays
from console.accounts.proofings import proofed
from console.core.clock import now, read_moment
from console.core.compiled import Compiled
from console.core.errors import Conflict, Forbidden

DEVICE = "device"

# Neither by nor for people whose account was closed.
_OF_ACTIVE = Q(reviewer__is_active=True) & (Q(on_behalf_of=None) | Q(on_behalf_of__is_active=True))
_SLOTS = Compiled(
    lambda review: (
        Slot.objects.filter(review=review)
        .annotate(
            voted=Exists(Decision.objects.filter(slot=OuterRef("pk"))),
            groups=ArraySubquery(SlotGroup.objects.filter(slot=OuterRef("pk")).values("group")),
            votes=ArraySubquery(
                Decision.objects.filter(
                    Q(on_behalf_of=None) | Q(on_behalf_of__is_active=True),
                    slot=OuterRef("pk"),
                    reviewer__is_active=True,
                ).values(
                    data=JSONObject(
                        reviewer="reviewer_id",
                        verdict="verdict",
                        level="level",
                        synced="passkey__backup_eligible",
                        model=Cast("passkey__aaguid", TextField()),
                        groups="groups",
                        for_whom="on_behalf_of_id",
                        at="decided_at",
                    )
                )
            ),
        )
        .order_by("position")
    )
)


@dataclass(frozen=True, slots=True)
class Seat:
    """A slot, who is asked to fill it so far, and the votes for it: none by or for people whose account was closed.
    `voted` says whether anybody has said anything at all."""

    slot: Slot
    asks: SlotSpec
    groups: frozenset[str]
    approvals: Sequence[Vote]
    refusals: Sequence[Vote]
    voted: bool

    @property
    def tally(self) -> Tally:
        return tally(self.asks, self.approvals, self.refusals)


def seats_of(review: Review) -> list[Seat]:
    return [_seat(slot, review.opened_at) for slot in _SLOTS(review.pk)]


def _seat(slot: Any, opened: dt.datetime) -> Seat:
    votes = {
        verdict: [_vote(one, slot.asks, opened) for one in slot.votes if one["verdict"] == verdict]
        for verdict in ("approve", "refuse")
    }
    return Seat(slot, slot.asks, frozenset(slot.groups), votes["approve"], votes["refuse"], slot.voted)


def _vote(stored: Mapping[str, Any], asks: SlotSpec, opened: dt.datetime) -> Vote:
    """Whose identity has to be known was asked before they voted; the door asks again."""
    since = read_moment(stored["at"]) - opened
    level = DEVICE if stored["synced"] is False else stored["level"]
    return Vote(
        stored["reviewer"], frozenset(stored["groups"]), level, since, stored["model"] or "", proofed=True,
        on_behalf_of=stored["for_whom"] or "", asked=asks,
    )  # fmt: skip


def vote_level(level: str, authenticator_data: bytes | memoryview | None) -> str:
    """A passkey that is never copied elsewhere is worth more (WebAuthn level 3 §6.1.3: backup eligibility), and says so
    in what it signs."""
    return DEVICE if level == "passkey" and authenticator_data and stays(authenticator_data) else level


@dataclass(frozen=True, slots=True)
class Ballot:
    """As whom somebody votes, and in which seat of which."""

    voter: Voter
    seat: Seat
    seats: Sequence[Seat]

    @property
    def groups(self) -> list[str]:
        """Whose vote it is, as they sign it: no less where one of the seats is filled by now, so that it does not tell
        that it is."""
        return sorted(asked_groups(self.seats) & self.voter.groups)

    @property
    def ways(self) -> list[Way]:
        """In which this vote may fill its slot, some only after a time."""
        return [way for way in self.seat.asks.ways if way.group in self.groups]


def asked_groups(seats: Iterable[Seat]) -> frozenset[str]:
    return frozenset().union(*(seat.groups for seat in seats))


def seat_for(review: Review, seats: Sequence[Seat], voter: Voter) -> Seat:
    """The first one that wants this person's vote. Raises Forbidden, or Conflict where others have filled it."""
    theirs = [seat for seat in seats if seat.groups & voter.groups]
    if not theirs:
        raise Forbidden(OTHER_GROUP, code="not_your_group")
    wanting = [seat for seat in theirs if not seat.tally.closed]
    if not wanting:
        raise Conflict("Enough people of your groups have decided this.", code="slot_filled")
    fit = [seat for seat in wanting if _may_sign(review, seat, voter)]
    if not fit:
        raise Forbidden("The policy wants somebody else of your groups for this.", code="not_eligible")
    return fit[0]


def _may_sign(review: Review, seat: Seat, voter: Voter) -> bool:
    where = seat.asks.where
    if where and not all(evaluate(where, signing_values(review, one)) is True for one in voter.signing_groups):
        return False
    if seat.asks.proofed and not proofed([voter.actor.id], review.team_id):
        return False
    return "earlier_signers" not in seat.asks.separation or not _signed_before(review, voter)


def _signed_before(review: Review, voter: Voter) -> bool:
    """Another action of the same run: either of them, or somebody for them."""
    people = Q(reviewer__in=voter.people) | Q(on_behalf_of__in=voter.people)
    earlier = Decision.objects.filter(people, review__action__run=review.action.run, verdict="approve")
    return bool(review.action.run) and earlier.exclude(review=review).exists()


def signing_values(review: Review, groups: Collection[str]) -> dict[str, Any]:
    """By the names of `document.OF_SIGNERS`."""
    action = review.action
    return {
        "signer_groups": sorted(groups),
        "amount": action.amount_minor,
        "currency": action.currency or None,
        "agent": action.grantee,
    }


def outcome_of(seats: Sequence[Seat]) -> str:
    return outcome([(seat.asks, seat.tally) for seat in seats])


def with_vote(ballot: Ballot, verdict: str, vote: Vote) -> list[Seat]:
    """As the seats stand with one more vote."""
    seat = ballot.seat
    approvals = [*seat.approvals, *([vote] if verdict == "approve" else [])]
    refusals = [*seat.refusals, *([vote] if verdict == "refuse" else [])]
    changed = replace(seat, approvals=approvals, refusals=refusals, voted=True)
    return [changed if one is seat else one for one in ballot.seats]


def vote_of(review: Review, ballot: Ballot, level: str, model: str) -> Vote:
    voter, since = ballot.voter, now() - review.opened_at
    return Vote(voter.actor.id, frozenset(ballot.groups), level, since, model, proofed=True,
                on_behalf_of=voter.on_behalf_of, asked=ballot.seat.asks)  # fmt: skip
