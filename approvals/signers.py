"""Who could sign a review, slot by slot. Never by a look at the votes: whoever has voted stands there as before."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce

from approvals.delegations import reviewers
from approvals.models import Decision, Review, Slot
from approvals.seats import Seat, asked_groups
from approvals.voters import case_of, delegations_in_force
from console.core.clock import now
from console.notices.plan import called_now

LATELY = dt.timedelta(days=7)
SHOWN = 30  # of a slot; the rest is counted


@dataclass(frozen=True, slots=True)
class Signer:
    """`by` is who signs in their place now, besides them; `decided` how much they have lately."""

    id: str
    name: str
    groups: frozenset[str]
    on_call: bool
    decided: int
    by: str = ""


@dataclass(frozen=True, slots=True)
class Signers:
    """Of one slot. What its rule asks of whoever signs besides their group is not looked at."""

    slot: Slot
    people: Sequence[Signer]

    @property
    def shown(self) -> Sequence[Signer]:
        return self.people[:SHOWN]

    @property
    def more(self) -> int:
        return max(0, len(self.people) - SHOWN)


def signers_of(review: Review, seats: Sequence[Seat]) -> list[Signers]:
    """The number of queries follows neither slots nor people."""
    people = everybody(review, seats)
    return [Signers(seat.slot, [one for one in people if one.groups & seat.groups]) for seat in seats]


def everybody(review: Review, seats: Sequence[Seat]) -> list[Signer]:
    """By name. Whoever is behind the action is not among them."""
    asked, makers = asked_groups(seats), set(review.action.barred)
    members = reviewers(review.team_id).filter(groups__overlap=sorted(asked)).exclude(user__in=makers)
    case, called = case_of(review.action), called_now(review.team_id, now())
    instead = {
        one.delegation.delegator_id: one.delegation.delegate
        for one in delegations_in_force(review.team_id)
        if one.delegation.given.covers(case)
    }
    found = [
        Signer(one.user_id, one.user.name, frozenset(one.groups),
               any((one.user_id, group) in called for group in asked & set(one.groups)), one.decided,
               instead[one.user_id].name if one.user_id in instead else "")
        for one in members.select_related("user").annotate(decided=_decided())
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.name, one.id))


def in_fair_order(people: Iterable[Signer]) -> list[Signer]:
    """Whoever is on call first, then those who have decided least, so that nobody is asked because of their name."""
    return sorted(people, key=lambda one: (not one.on_call, one.decided, one.name, one.id))


def _decided() -> Coalesce:
    """Of what is over: while others vote, nothing may tell who has."""
    theirs = Decision.objects.filter(reviewer=OuterRef("user"), review__team=OuterRef("team"))
    lately = theirs.filter(decided_at__gt=now() - LATELY).exclude(review__state="open").exclude(verdict="recuse")
    counted = lately.order_by().values("reviewer").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted), 0)
