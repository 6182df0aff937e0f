"""The slots of a review as they stand, and in which of them somebody may vote. Asked before anything is signed, and
again under the locks."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject

from approvals.access import OTHER_GROUP
from approvals.models import Decision, Review, Slot, SlotGroup
from approvals.policies.conditions import evaluate
from approvals.policies.slots import SlotSpec, Tally, Vote, outcome, tally
from console.accounts.models import Passkey
from console.core.actor import Actor
from console.core.clock import now, read_moment
from console.core.compiled import Compiled
from console.core.errors import Conflict, Forbidden

DEVICE = "device"

_SLOTS = Compiled(
    lambda review: (
        Slot.objects.filter(review=review)
        .annotate(
            groups=ArraySubquery(SlotGroup.objects.filter(slot=OuterRef("pk")).values("group")),
            votes=ArraySubquery(
                Decision.objects.filter(slot=OuterRef("pk"), reviewer__is_active=True).values(
                    data=JSONObject(
                        reviewer="reviewer_id",
                        verdict="verdict",
                        level="level",
                        synced="passkey__backup_eligible",
                        groups="groups",
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
    """A slot, who is asked to fill it so far, and the votes for it: none of people whose account was closed."""

    slot: Slot
    asks: SlotSpec
    groups: frozenset[str]
    approvals: Sequence[Vote]
    refusals: Sequence[Vote]

    @property
    def tally(self) -> Tally:
        return tally(self.asks, self.approvals, self.refusals)


def seats_of(review: Review) -> list[Seat]:
    return [_seat(slot, review.opened_at) for slot in _SLOTS(review.pk)]


def _seat(slot: Any, opened: dt.datetime) -> Seat:
    votes = {
        verdict: [_vote(one, opened) for one in slot.votes if one["verdict"] == verdict]
        for verdict in ("approve", "refuse")
    }
    return Seat(slot, slot.asks, frozenset(slot.groups), votes["approve"], votes["refuse"])


def _vote(stored: Mapping[str, Any], opened: dt.datetime) -> Vote:
    since = read_moment(stored["at"]) - opened
    level = DEVICE if stored["synced"] is False else stored["level"]
    return Vote(stored["reviewer"], frozenset(stored["groups"]), level, since)


def vote_level(level: str, passkey: Passkey | None) -> str:
    """A passkey that is never copied elsewhere is worth more (WebAuthn level 3 §6.1.3: backup eligibility)."""
    return DEVICE if passkey and not passkey.backup_eligible else level


def seat_for(review: Review, seats: Sequence[Seat], actor: Actor) -> Seat:
    """The first one that wants this person's vote. Raises Forbidden, or Conflict where others have filled it."""
    theirs = [seat for seat in seats if seat.groups & actor.groups]
    if not theirs:
        raise Forbidden(OTHER_GROUP, code="not_your_group")
    wanting = [seat for seat in theirs if not seat.tally.closed]
    if not wanting:
        raise Conflict("Enough people of your groups have decided this.", code="slot_filled")
    fit = [seat for seat in wanting if _may_sign(review, seat, actor)]
    if not fit:
        raise Forbidden("The policy wants somebody else of your groups for this.", code="not_eligible")
    return fit[0]


def _may_sign(review: Review, seat: Seat, actor: Actor) -> bool:
    where = seat.asks.where
    if where and evaluate(where, signing_values(review, actor)) is not True:
        return False
    return "earlier_signers" not in seat.asks.separation or not _signed_before(review, actor)


def _signed_before(review: Review, actor: Actor) -> bool:
    """Another action of the same run."""
    earlier = Decision.objects.filter(review__action__run=review.action.run, reviewer=actor.id, verdict="approve")
    return bool(review.action.run) and earlier.exclude(review=review).exists()


def signing_values(review: Review, actor: Actor) -> dict[str, Any]:
    """By the names of `document.OF_SIGNERS`."""
    action = review.action
    return {
        "signer_groups": sorted(actor.groups),
        "amount": action.amount_minor,
        "currency": action.currency or None,
        "agent": action.grantee,
    }


def outcome_of(seats: Sequence[Seat]) -> str:
    return outcome([(seat.asks, seat.tally) for seat in seats])


def with_vote(seats: Sequence[Seat], seat: Seat, verdict: str, vote: Vote) -> list[Seat]:
    """As they stand with one more vote."""
    approvals = [*seat.approvals, *([vote] if verdict == "approve" else [])]
    refusals = [*seat.refusals, *([vote] if verdict == "refuse" else [])]
    changed = Seat(seat.slot, seat.asks, seat.groups, approvals, refusals)
    return [changed if one is seat else one for one in seats]


def vote_of(review: Review, seat: Seat, actor: Actor, level: str) -> Vote:
    return Vote(actor.id, seat.groups & actor.groups, level, now() - review.opened_at)
