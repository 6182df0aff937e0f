"""Who is told, when, and what with what else. Pure: the time is given.

People's attention is the scarcest thing here. Several reviews that open shortly after one another are one message;
nothing comes outside the hours that somebody agreed to, unless they are on call; and nobody gets more in an hour than
they said.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

WEEKDAYS = frozenset(range(5))
DAY_BEGINS, DAY_ENDS = 8 * 60, 18 * 60
WINDOW = 2  # minutes
CAP = 12  # messages in an hour
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
LOOK_AGAIN = 10 * MINUTE  # whoever cannot be reached now may change their hours, or be put on call
LONG_ENOUGH = 10 * MINUTE  # for a reminder to make sense

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0  # seconds between tries
PATIENCE = dt.timedelta(hours=4)  # then a message is given up


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes of the day in a zone. Who ends before they begin works through the night, which is of the day on which it
    began; who ends when they begin works around the clock. Days count from Monday."""

    zone: str
    days: frozenset[int]
    begins: int
    ends: int
    quiet_from: int = 0
    quiet_until: int = 0


def reached(hours: Hours | None, at: dt.datetime) -> bool:
    """None: at any time."""
    if hours is None:
        return True
    local = at.astimezone(ZoneInfo(hours.zone))
    minute = local.hour * 60 + local.minute
    return _works(hours, local.weekday(), minute) and not _is_quiet(hours, minute)


def _works(hours: Hours, day: int, minute: int) -> bool:
    if hours.begins < hours.ends:
        return day in hours.days and hours.begins <= minute < hours.ends
    return (day in hours.days and minute >= hours.begins) or ((day - 1) % 7 in hours.days and minute < hours.ends)


def _is_quiet(hours: Hours, minute: int) -> bool:
    if hours.quiet_from <= hours.quiet_until:
        return hours.quiet_from <= minute < hours.quiet_until
    return minute >= hours.quiet_from or minute < hours.quiet_until


def look_again(hours: Hours | None, at: dt.datetime) -> dt.datetime:
    """When somebody who cannot be reached is looked at again: as soon as their hours begin. Minute by minute, so that
    no change of the clocks is missed."""
    minute = at.replace(second=0, microsecond=0)
    while (minute := minute + MINUTE) < at + LOOK_AGAIN:
        if reached(hours, minute):
            return minute
    return at + LOOK_AGAIN


class Moment(NamedTuple):
    occasion: str  # opened, reminder, asked, ended
    at: dt.datetime


def moments(at: dt.datetime, due: dt.datetime | None, window: int, *, reminded: bool) -> list[Moment]:
    """For one who is asked from `at`. The reminder comes when half of their time is over."""
    found = [Moment("opened", at + window * MINUTE)]
    if reminded and due is not None and due - at >= 2 * LONG_ENOUGH:
        found.append(Moment("reminder", at + (due - at) / 2))
    return found


class Pending(NamedTuple):
    """A notice that is in no message yet. `urgent`: whom it is for is on call for a group that is asked."""

    id: int
    occasion: str
    at: dt.datetime
    urgent: bool = False


class Choice(NamedTuple):
    """The notices of the message that goes out now; and when those that are due and not among them are looked at."""

    now: frozenset[int]
    again: dt.datetime


def choose(
    pending: Iterable[Pending], hours: Hours | None, sent: Collection[dt.datetime], cap: int, at: dt.datetime
) -> Choice:
    """For one person, or one channel. A message takes along whatever opened in the meantime; a reminder only goes with
    one when its own time has come."""
    fit = [one for one in pending if one.urgent or reached(hours, at)]
    if not any(one.at <= at for one in fit):
        return Choice(frozenset(), look_again(hours, at))
    recent = [one for one in sent if at - HOUR < one <= at]
    if len(recent) >= cap:
        return Choice(frozenset(), sorted(recent)[-cap] + HOUR)
    chosen = frozenset(one.id for one in fit if one.at <= at or one.occasion == "opened")
    return Choice(chosen, look_again(hours, at))


class Shift(NamedTuple):
    person: str
    group: str
    begins: dt.datetime
    ends: dt.datetime


def on_call(shifts: Iterable[Shift], at: dt.datetime) -> frozenset[tuple[str, str]]:
    """(person, group) of each who is."""
    return frozenset((one.person, one.group) for one in shifts if one.begins <= at < one.ends)


class Covered(NamedTuple):
    """How a group stands at a moment: who of it has agreed to be told now, and who is on call."""

    group: str
    reached: Sequence[str]
    on_call: Sequence[str]

    @property
    def nobody(self) -> bool:
        return not self.reached and not self.on_call


def cover(
    group: str, people: Iterable[tuple[str, Hours]], called: Collection[tuple[str, str]], at: dt.datetime
) -> Covered:
    """`people` are those of the group who have somewhere to be told at all."""
    known = dict(people)
    calling = [person for person in known if (person, group) in called]
    return Covered(group, [person for person, hours in known.items() if reached(hours, at)], calling)


def pause(tries: int, chance: float) -> dt.timedelta:
    """After so many tries; `chance` in [0, 1) spreads those that failed together."""
    longest = min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE)
    return dt.timedelta(seconds=longest * (0.5 + chance / 2))
