"""What waits for somebody, the most urgent first. The number of queries never follows the rows."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import BooleanField, Count, ExpressionWrapper, Func, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KT

from approvals.access import visible_reviews, waiting_for, waits_for
from approvals.care.afterwards import owed_by
from approvals.care.breaks import break_of, most_an_hour
from approvals.care.drills import open_drills, review_of, said_of_drills
from approvals.claims import said_of_claims
from approvals.models import Review
from approvals.voters import Standin, in_whose_place, standins_of, with_groups
from console.accounts.models import Team, User
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.keyset import Page, newest_first, oldest_first
from integrations.grantees import short_name

PAGE = 50
SOON = dt.timedelta(hours=1)  # amber
TODAY = dt.timedelta(hours=4)  # due soon; the rest is later
OVERDUE_NEVER = dt.timedelta(days=300)  # a doubt is given a year, which is no date to show


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the queue."""

    review: Review
    requester: str
    in_place_of: str = ""  # whose signature it waits for, where the reader may give it for them
    claimed: str = ""  # who says that they are on it

    @property
    def soon(self) -> bool:
        return self.review.state == "open" and self.review.expires_at - now() < SOON

    @property
    def dated(self) -> bool:
        return self.review.expires_at - self.review.opened_at < OVERDUE_NEVER

    @property
    def who(self) -> str:
        return short_name(self.review.action.grantee)


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    items: Sequence[Item]
    more: str = ""  # cursor of what follows, if anything does


@dataclass(frozen=True, slots=True)
class Queue:
    """`state` is "" for what is open, `open` for all of it page by page, `closed` for what was decided."""

    state: str
    groups: Sequence[Group]
    waiting: int = 0
    due_soon: int = 0
    afterwards: int = 0  # what was done, and waits to be looked at again
    pause: str = ""

    @property
    def empty(self) -> bool:
        return not any(group.items for group in self.groups)

    @property
    def first_id(self) -> str:
        """The one that a wide page opens by itself."""
        return self.groups[0].items[0].review.id if not self.state and not self.empty else ""


def queue(actor: Actor, state: str = "", after: str = "") -> Queue:
    if state == "closed":
        decided = _with_action(visible_reviews(actor).exclude(state="open"))
        return Queue(state, [_page("Decided", newest_first(decided, by="closed_at", after=after, size=PAGE))])
    if state == "open":
        pending = _with_action(visible_reviews(actor).filter(state="open"))
        return Queue(
            state, [_page("Open in your team", oldest_first(pending, by="expires_at", after=after, size=PAGE))]
        )
    return _open(actor)


def _open(actor: Actor) -> Queue:
    given = list(open_drills(actor).annotate(maker=KT("shown__makers__0"), requester=_name_of("maker")))
    drills: list[Any] = [review_of(drill) for drill in given]
    for drill, review in zip(given, drills, strict=True):
        review.requester = drill.requester
    standins = standins_of(actor)
    waiting = waiting_for(actor, standins)
    mine = list(with_groups(_with_action(waiting), standins).order_by("expires_at", "id")[: PAGE + 1])
    mine = sorted([*mine, *drills], key=_order)[: PAGE + 1]
    counts = _counts(actor, standins, limit := now() + TODAY)
    read = list(_with_action(Review.objects.filter(pk__in=counts.others)).order_by("expires_at", "id"))
    instead = in_whose_place(actor, standins, mine[:PAGE])
    claims = said_of_claims(review.pk for review in mine[:PAGE]) | said_of_drills(given, actor)
    items = [_item(review, instead.get(review.pk, ""), claims.get(review.pk, "")) for review in mine[:PAGE]]
    soon = [item for item in items if item.review.expires_at < limit]
    later, rest = items[len(soon) :], "more" if len(mine) > PAGE else ""
    groups = [
        Group("Due soon", soon, "" if later else rest),
        Group("Later", later, rest),
        Group("Yours to read", list(map(_item, read[:PAGE])), "more" if len(read) > PAGE else ""),
    ]
    after, most = _afterwards(actor)
    pause = break_of(actor.team, actor.id, most)
    more = len(drills), sum(one.expires_at < limit for one in drills)
    return Queue("", [group for group in groups if group.items], counts.waiting + more[0], counts.soon + more[1],
                 after, pause)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Counts:
    waiting: int = 0
    soon: int = 0
    others: Sequence[str] = ()  # of what is to be read, the first to be over: one more than a page of them


def _counts(actor: Actor, standins: Sequence[Standin], limit: dt.datetime) -> _Counts:
    """Of all open reviews that they see, each looked at once."""
    waits = waits_for(actor, standins) if actor.has(Role.REVIEWER) else Q(pk__in=[])
    first = Func(ArrayAgg("pk", order_by=["expires_at", "id"]), template=f"(%(expressions)s)[1:{PAGE + 1}]")
    seen = visible_reviews(actor, standins).filter(state="open").order_by()
    parts = seen.annotate(waits=ExpressionWrapper(waits, BooleanField())).values("waits").annotate(
        all=Count("pk"), soon=Count("pk", filter=Q(expires_at__lt=limit)), first=first
    )  # fmt: skip
    found = {part["waits"]: part for part in parts}
    mine, rest = found.get(True), found.get(False)
    others = rest["first"] if rest else None  # none of nothing either, where nothing can wait for them
    return _Counts(mine["all"] if mine else 0, mine["soon"] if mine else 0, others or ())


def _afterwards(actor: Actor) -> tuple[int, int]:
    """How much waits to be looked at again, and how much one person decides within an hour, 0 for any."""
    owed = owed_by(actor).order_by().values("team").annotate(count=Count("pk")).values("count")
    team = Team.objects.filter(pk=actor.team)
    [(after, most)] = team.values_list(Subquery(owed), most_an_hour("pk"))
    return after or 0, most or 0


def _order(review: Review) -> tuple[dt.datetime, str]:
    return review.expires_at, review.pk


def _page(title: str, page: Page[Review]) -> Group:
    return Group(title, list(map(_item, page.items)), page.next)


def _item(review: Any, in_place_of: str = "", claimed: str = "") -> Item:
    """Of one that `_with_action` has annotated."""
    return Item(review, review.requester or "", in_place_of, claimed)


def _with_action(reviews: QuerySet[Review]) -> QuerySet[Any]:
    related = reviews.select_related("action__operation__integration")
    return related.annotate(requester=_name_of("action__makers__0"))


def _name_of(person: str) -> Subquery:
    """For a queryset that has somebody's id there."""
    return Subquery(User.objects.filter(pk=OuterRef(person)).values("name"))


def next_waiting(actor: Actor, review: Review) -> Review | None:
    """What follows in the actor's queue, or its head when nothing does."""
    queue, drills = waiting_for(actor).order_by("expires_at", "id"), [review_of(one) for one in open_drills(actor)]
    behind = queue.filter(Q(expires_at__gt=review.expires_at) | Q(expires_at=review.expires_at, id__gt=review.id))
    later = [*behind[:1], *(one for one in drills if _order(one) > _order(review))]
    return min(later or [*queue[:1], *drills], key=_order, default=None)


def how_many_wait(actor: Actor) -> int:
    return waiting_for(actor).count() + open_drills(actor).count()
