"""From what happened to who is told of it, and from that to messages. In the door; nothing is sent here.

Whoever plans takes a turn, so that several doors do not each make a message of their own.
"""

import datetime as dt
from collections.abc import Iterable, Iterator

from django.db import transaction

from console.accounts.actors import human
from console.accounts.models import Membership, User
from console.core.actor import Role
from console.core.clock import now
from console.core.turns import take_turn
from console.notices.above import reviews
from console.notices.decide import (
    CAP,
    HOUR,
    MINUTE,
    WINDOW,
    Hours,
    Moment,
    Pending,
    Shift,
    choose,
    moments,
    on_call,
)
from console.notices.models import Address, Channel, Event, Message, Notice, Preference, RotaEntry

TURN = "notices"
AT_ONCE = 100


def plan_events() -> None:
    """Whoever is asked, and each channel of theirs, gets a notice for each moment at which they may be told."""
    if not Event.objects.filter(planned_at=None).exists():
        return
    with transaction.atomic():
        take_turn(TURN)
        for event in Event.objects.filter(planned_at=None).order_by("at", "id")[:AT_ONCE]:
            Notice.objects.bulk_create(_notices(event), ignore_conflicts=True)
            event.planned_at = now()
            event.save(update_fields=["planned_at"])


def _notices(event: Event) -> Iterator[Notice]:
    return _to_people(event) if event.people else _to_all(event)


def _to_people(event: Event) -> Iterator[Notice]:
    """Whom somebody asks to look: once for each review, and no channel."""
    for person in asked(event.team_id, event.groups, besides=event.makers):
        if person.pk in event.people:
            yield _notice(event, Moment("asked", event.at), user=person)


def _to_all(event: Event) -> Iterator[Notice]:
    people = _with_standins(event, asked(event.team_id, event.groups, besides=event.makers))
    makers = _with_mail(User.objects.filter(pk__in=event.makers))
    wanted = preferences_of([*people, *makers])
    for person in people:
        wants = wanted[person.pk]
        for moment in moments(event.at, event.due_at, wants.window, reminded=wants.reminders):
            yield _notice(event, moment, user=person)
    for channel in Channel.objects.filter(team=event.team_id, ended_at=None):
        if not channel.groups or set(channel.groups) & set(event.groups):
            for moment in moments(event.at, event.due_at, WINDOW, reminded=True):
                yield _notice(event, moment, channel=channel)
    for maker in makers:
        if wanted[maker.pk].of_ends:
            yield _notice(event, Moment("ended", event.at + MINUTE), user=maker)


def _with_standins(event: Event, people: list[User]) -> list[User]:
    """And who may sign in somebody's place; instead of those who are away, where that one can be told."""
    standing = reviews().standing_in(event.review, event.groups)
    told = _with_mail(User.objects.filter(pk__in=[one.delegate for one in standing])) if standing else []
    reached = {one.pk for one in told}
    away = {one.delegator for one in standing if one.away and one.delegate in reached}
    found = {one.pk: one for one in [*people, *told]}
    return [one for pk, one in found.items() if pk not in away]


def _notice(event: Event, moment: Moment, *, user: User | None = None, channel: Channel | None = None) -> Notice:
    return Notice(event=event, review=event.review, team_id=event.team_id, user=user, channel=channel,
                  occasion=moment.occasion, moment=moment.at, next_at=moment.at)  # fmt: skip


def asked(team: str, groups: Iterable[str], *, besides: Iterable[str] = ()) -> list[User]:
    """Who may sign for these groups, and wants mail at an address that is theirs."""
    wanted = set(groups)
    members = Membership.objects.filter(team=team, groups__overlap=list(wanted)).exclude(user__in=list(besides))
    memberships = {one.user_id: one for one in members}
    people = _with_mail(User.objects.filter(pk__in=memberships))
    return [person for person in people if _may_sign(person, memberships[person.pk], wanted)]


def _may_sign(person: User, membership: Membership, groups: set[str]) -> bool:
    """As the console attested it: what SQL wrote counts for nothing."""
    actor = human(person, membership, auth="process")
    return actor.has(Role.REVIEWER) and not groups.isdisjoint(actor.groups)


def _with_mail(people: Iterable[User]) -> list[User]:
    found = {one.pk: one for one in people if one.is_active}
    reached = set(Address.objects.filter(user__in=found).exclude(confirmed_at=None).values_list("user", flat=True))
    declined = set(Preference.objects.filter(user__in=found, by_mail=False).values_list("user", flat=True))
    return [one for pk, one in found.items() if pk in reached - declined]


def preferences_of(people: Iterable[User]) -> dict[str, Preference]:
    """By person. Who never said has the defaults."""
    found = {one.pk: one for one in people}
    return {pk: Preference(user=one) for pk, one in found.items()} | Preference.objects.in_bulk(list(found))


def preference_of(person: User) -> Preference:
    return preferences_of([person])[person.pk]


def gather_due() -> None:
    """Of all that is due, one message for each person and team, or channel, that may be told now."""
    if not Notice.objects.filter(next_at__lte=now()).exists():
        return
    with transaction.atomic():
        take_turn(TURN)
        due = Notice.objects.filter(next_at__lte=now()).order_by("next_at")
        for team, user, channel in dict.fromkeys(due.values_list("team", "user", "channel")[:AT_ONCE]):
            _gather(team, user, channel, now())


def _gather(team: str, user: str | None, channel: str | None, at: dt.datetime) -> None:
    mine = {"team": team, "user": user, "channel": channel}
    rows = list(Notice.objects.filter(**mine).exclude(next_at=None).select_related("event").order_by("pk"))
    rows = list(_without_unended(rows, at))
    hours, cap = _agreed(user)
    called = called_now(team, at)
    sent = Message.objects.filter(user=user, channel=channel, kind="reviews", why_not="", created_at__gt=at - HOUR)
    choice = choose([_pending(row, called) for row in rows], hours, sent.values_list("created_at", flat=True), cap, at)
    if choice.now:
        message = Message.objects.create(team_id=team, user_id=user, channel_id=channel, next_at=at, created_at=at)
        Notice.objects.filter(pk__in=choice.now).update(message=message, next_at=None)
    left = [row.pk for row in rows if row.pk not in choice.now]
    Notice.objects.filter(pk__in=left, next_at__lte=at).update(next_at=choice.again)


def _without_unended(rows: list[Notice], at: dt.datetime) -> Iterator[Notice]:
    """Whoever asked for something is told once it has ended, and nobody knows when that will be."""
    waiting = {row.review for row in rows if row.occasion == "ended" and row.moment <= at}
    ended = reviews().ended(waiting) if waiting else frozenset()
    early = [row.pk for row in rows if row.occasion == "ended" and row.review not in ended]
    Notice.objects.filter(pk__in=early).update(next_at=at + MINUTE)
    return (row for row in rows if row.pk not in early)


def _agreed(user: str | None) -> tuple[Hours | None, int]:
    """A channel has no hours: whoever reads it looks when they like."""
    if user is None:
        return None, CAP
    wants = preference_of(User(pk=user))
    return wants.hours, wants.cap


def _pending(row: Notice, called: frozenset[tuple[str, str]]) -> Pending:
    urgent = any((row.user_id, group) in called for group in row.event.groups)
    return Pending(row.pk, row.occasion, row.moment, urgent)


def called_now(team: str, at: dt.datetime) -> frozenset[tuple[str, str]]:
    rows = RotaEntry.objects.filter(team=team, begins_at__lte=at, ends_at__gt=at)
    return on_call((Shift(one.user_id, one.group, one.begins_at, one.ends_at) for one in rows), at)
