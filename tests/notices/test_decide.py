"""Who is told, when, and what with what: held against slower ways to say the same."""

import datetime as dt
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from console.notices.decide import (
    HOUR,
    LOOK_AGAIN,
    MINUTE,
    PATIENCE,
    Choice,
    Covered,
    Hours,
    Moment,
    Pending,
    Shift,
    choose,
    cover,
    look_again,
    moments,
    on_call,
    pause,
    reached,
)

AT = dt.datetime(2026, 11, 23, 10, 0, tzinfo=dt.UTC)  # a Monday
BERLIN = Hours("Europe/Berlin", frozenset(range(5)), 8 * 60, 18 * 60, 12 * 60, 13 * 60)
NIGHT = Hours("UTC", frozenset({4}), 22 * 60, 6 * 60)  # of Friday
ALWAYS = Hours("UTC", frozenset(range(7)), 0, 0)
NEVER = Hours("UTC", frozenset(), 0, 0)
MINUTES = st.integers(0, 1439)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
HOURS = st.builds(Hours, ZONES, st.frozensets(st.integers(0, 6)), MINUTES, MINUTES, MINUTES, MINUTES)
INSTANTS = st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 12, 31)).map(lambda at: at.replace(tzinfo=dt.UTC))


def monday(hour: int, minute: int = 0, zone: str = "Europe/Berlin") -> dt.datetime:
    return dt.datetime(2026, 11, 23, hour, minute, tzinfo=ZoneInfo(zone))


def test_hours_are_those_of_a_persons_own_clock() -> None:
    told = {at: reached(BERLIN, monday(at)) for at in (7, 8, 11, 12, 13, 17, 18)}
    assert told == {7: False, 8: True, 11: True, 12: False, 13: True, 17: True, 18: False}
    assert not reached(BERLIN, monday(10) + dt.timedelta(days=5))
    assert reached(BERLIN, dt.datetime(2026, 7, 6, 6, 30, tzinfo=dt.UTC))  # summer: half past eight there


def test_a_night_belongs_to_the_day_on_which_it_began() -> None:
    friday = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
    told = [reached(NIGHT, friday + hours * HOUR) for hours in (5, 21, 22, 29, 30, 46)]
    assert told == [False, False, True, True, False, False]


def test_who_ends_when_they_begin_works_around_the_clock_and_no_day_is_never() -> None:
    assert all(reached(ALWAYS, AT + hours * HOUR) for hours in range(24 * 7))
    assert not any(reached(NEVER, AT + hours * HOUR) for hours in range(24 * 7))


def slowly(hours: Hours, at: dt.datetime) -> bool:
    """Every minute of two days, laid out one after the other as its owner sees them, with the clock's own minute."""
    local = at.astimezone(ZoneInfo(hours.zone))
    length = (hours.ends - hours.begins) % 1440 or 1440
    begun = {(day, hours.begins + passed) for day in hours.days for passed in range(length)}
    today, minute = local.weekday(), local.hour * 60 + local.minute
    works = (today, minute) in begun or ((today - 1) % 7, minute + 1440) in begun
    quiet = {(hours.quiet_from + passed) % 1440 for passed in range((hours.quiet_until - hours.quiet_from) % 1440)}
    return works and minute not in quiet


@given(HOURS, INSTANTS)
def test_hours_are_what_a_list_of_minutes_says(hours: Hours, at: dt.datetime) -> None:
    assert reached(hours, at) == slowly(hours, at)


@given(HOURS, INSTANTS)
def test_nobody_is_looked_at_later_than_their_hours_begin(hours: Hours, at: dt.datetime) -> None:
    again = look_again(hours, at)
    assert at < again <= at + LOOK_AGAIN
    between = [at + seconds * dt.timedelta(seconds=10) for seconds in range(61)]
    whole = at.replace(second=0, microsecond=0) + MINUTE
    assert not any(reached(hours, one) for one in between if whole <= one < again)


def test_one_reminder_when_half_of_the_time_is_over() -> None:
    due = AT + 4 * HOUR
    opened, reminder = Moment("opened", AT + 2 * MINUTE), Moment("reminder", AT + 2 * HOUR)
    assert moments(AT, due, 2, reminded=True) == [opened, reminder]
    assert moments(AT, due, 2, reminded=False) == [opened]
    assert moments(AT, None, 2, reminded=True) == [opened]
    assert moments(AT, AT + 19 * MINUTE, 2, reminded=True) == [opened]


def test_what_opens_within_the_window_is_one_message() -> None:
    first, second = Pending(1, "opened", AT), Pending(2, "opened", AT + MINUTE)
    reminder, early = Pending(3, "reminder", AT), Pending(4, "reminder", AT + MINUTE)
    assert choose([first, second, reminder, early], ALWAYS, [], 12, AT).now == {1, 2, 3}
    assert choose([second, early], ALWAYS, [], 12, AT).now == set()


def test_outside_their_hours_only_who_is_on_call_is_told() -> None:
    asleep = monday(3)
    plain, urgent = Pending(1, "opened", asleep), Pending(2, "opened", asleep, urgent=True)
    assert choose([plain, urgent], BERLIN, [], 12, asleep) == Choice(frozenset({2}), asleep + LOOK_AGAIN)
    assert choose([plain], BERLIN, [], 12, monday(7, 55)) == Choice(frozenset(), monday(8))


def test_nobody_gets_more_in_an_hour_than_they_said() -> None:
    due, sent = [Pending(1, "opened", AT)], [AT - 50 * MINUTE, AT - 30 * MINUTE, AT - 10 * MINUTE]
    assert choose(due, ALWAYS, sent, 3, AT) == Choice(frozenset(), AT + 10 * MINUTE)
    assert choose(due, ALWAYS, sent, 2, AT) == Choice(frozenset(), AT + 30 * MINUTE)
    assert choose(due, ALWAYS, sent, 4, AT).now == {1}
    assert choose(due, ALWAYS, [AT - HOUR, *sent[1:]], 3, AT).now == {1}


PENDING = st.builds(
    Pending,
    st.integers(),
    st.sampled_from(["opened", "reminder", "ended"]),
    INSTANTS,
    st.booleans(),
)


@given(st.lists(PENDING, unique_by=lambda one: one.id), HOURS, st.lists(INSTANTS), st.integers(1, 5), INSTANTS)
def test_a_message_holds_no_more_than_may_be_told_and_at_least_one_that_is_due(
    pending: list[Pending], hours: Hours, sent: list[dt.datetime], cap: int, at: dt.datetime
) -> None:
    choice = choose(pending, hours, sent, cap, at)
    chosen = [one for one in pending if one.id in choice.now]
    assert len(chosen) == len(choice.now)
    assert all(one.urgent or reached(hours, at) for one in chosen)
    assert not chosen or any(one.at <= at for one in chosen)
    assert not chosen or sum(at - HOUR < one <= at for one in sent) < cap
    assert all(one.at <= at for one in chosen if one.occasion != "opened")
    assert choice.again > at


SHIFTS = [
    Shift("ana", "finance", AT, AT + HOUR),
    Shift("bo", "finance", AT - HOUR, AT),
    Shift("bo", "legal", AT, AT + HOUR),
]


def test_on_call_from_the_first_moment_to_before_the_last() -> None:
    assert on_call(SHIFTS, AT) == {("ana", "finance"), ("bo", "legal")}
    assert on_call(SHIFTS, AT + HOUR) == set()


def test_a_group_is_covered_by_hours_or_by_who_is_on_call() -> None:
    people = [("ana", NEVER), ("bo", ALWAYS)]
    called = on_call(SHIFTS, AT)
    assert cover("finance", people, called, AT) == Covered("finance", ["bo"], ["ana"])
    assert cover("legal", people[:1], called, AT).nobody
    assert not cover("finance", people[:1], called, AT).nobody


@given(st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_a_quarter_of_an_hour_and_are_spread(tries: int, chance: float) -> None:
    longest = min(5.0 * 2.0 ** (tries - 1), 900.0)
    assert longest / 2 <= pause(tries, chance).total_seconds() <= longest


def test_tries_end_after_so_many_that_they_can_be_counted() -> None:
    total, tries = dt.timedelta(), 0
    while total < PATIENCE:
        tries += 1
        total += pause(tries, 0.0)
    assert tries < 50
