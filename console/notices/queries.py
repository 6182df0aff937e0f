"""What the pages of notices read. The number of queries never follows the rows."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery

from console.accounts.models import Membership, User
from console.core.actor import Actor, Role
from console.core.clock import now
from console.notices.decide import Covered, cover, reached
from console.notices.models import Address, Channel, Message, Preference, RotaEntry
from console.notices.plan import called_now, preferences_of

LATELY = 10


@dataclass(frozen=True, slots=True)
class Mine:
    """A person's own page. `state` of the address is "", `asked` or `confirmed`; `calls` are theirs to come."""

    preference: Preference
    address: Address | None
    reached: bool
    on_call: Sequence[str]
    calls: Sequence[RotaEntry]
    lately: Sequence[Message]
    local: dt.datetime

    @property
    def confirmed(self) -> bool:
        return self.address is not None and self.address.confirmed_at is not None


def my_notices(actor: Actor) -> Mine:
    preference = preferences_of([User(pk=actor.id)])[actor.id]
    at = now()
    calls = list(RotaEntry.objects.filter(user=actor.id, team=actor.team, ends_at__gt=at).order_by("begins_at")[:20])
    return Mine(
        preference=preference,
        address=Address.objects.filter(user=actor.id).first(),
        reached=reached(preference.hours, at),
        on_call=[one.group for one in calls if one.begins_at <= at],
        calls=calls,
        lately=_lately(Message.objects.filter(user=actor.id)),
        local=at.astimezone(ZoneInfo(preference.zone)),
    )


def _lately(messages: QuerySet[Message]) -> list[Message]:
    counted = messages.annotate(reviews=Count("notices__review", distinct=True))
    return list(counted.order_by("-created_at", "-id")[:LATELY])


@dataclass(frozen=True, slots=True)
class Person:
    """A reviewer, as the form of the rota offers them."""

    id: str
    name: str
    groups: Sequence[str]


@dataclass(frozen=True, slots=True)
class Cover:
    """A group with the people whom its names are."""

    covered: Covered
    reached: int
    on_call: Sequence[str]
    deaf: Sequence[str]  # on call without an address that is confirmed, or without mail

    @property
    def group(self) -> str:
        return self.covered.group


@dataclass(frozen=True, slots=True)
class TeamNotices:
    channels: Sequence[Channel]
    covers: Sequence[Cover]
    rota: Sequence[RotaEntry]
    people: Sequence[Person]
    groups: Sequence[str]


def team_notices(actor: Actor) -> TeamNotices:
    people = _reviewers(actor.team)
    groups = sorted({group for person in people for group in person.groups})
    rota = RotaEntry.objects.filter(team=actor.team, ends_at__gt=now()).select_related("user")
    return TeamNotices(_channels(actor.team), _covers(actor.team, people, groups), list(rota), people, groups)


def _reviewers(team: str) -> list[Person]:
    members = Membership.objects.filter(team=team, roles__contains=[Role.REVIEWER], user__is_active=True)
    found = members.select_related("user").order_by("user__name", "user_id")
    return [Person(one.user_id, one.user.name, one.groups) for one in found]


def _channels(team: str) -> list[Channel]:
    """With how it went lately."""
    messages = Message.objects.filter(channel=OuterRef("pk")).order_by("-created_at", "-id")
    found = Channel.objects.filter(team=team, ended_at=None)
    return list(
        found.annotate(
            last_sent=Max("messages__sent_at"),
            under_way=Count("messages", filter=Q(messages__next_at__isnull=False)),
            last_why=Subquery(messages.values("why_not")[:1]),
        )
    )


def _covers(team: str, people: Sequence[Person], groups: Sequence[str]) -> list[Cover]:
    at = now()
    called = called_now(team, at)
    ids = [person.id for person in people]
    wanted = preferences_of(User(pk=pk) for pk in ids)
    told = set(Address.objects.filter(user__in=ids).exclude(confirmed_at=None).values_list("user", flat=True))
    told = {pk for pk in told if wanted[pk].by_mail}
    return [_cover(group, people, wanted, told, called, at) for group in groups]


def _cover(group: str, people: Sequence[Person], wanted: dict[str, Preference], told: set[str],
           called: frozenset[tuple[str, str]], at: dt.datetime) -> Cover:  # fmt: skip
    theirs = [person for person in people if group in person.groups]
    covered = cover(group, [(one.id, wanted[one.id].hours) for one in theirs if one.id in told], called, at)
    names = {one.id: one.name for one in theirs}
    calling = [pk for pk in names if (pk, group) in called]
    return Cover(covered, len(covered.reached), [names[pk] for pk in calling],
                 [names[pk] for pk in calling if pk not in told])  # fmt: skip
