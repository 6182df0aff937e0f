"""When a call that nobody has an answer to is sent again, and when it waits or a person is asked."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.repeat import (
    FRESH,
    KNOWN_AGAIN,
    MOST_ATTEMPTS,
    OUTRUN,
    PATIENCE,
    REMEMBERED,
    Doubt,
    next_step,
    surely_remembered,
)
from integrations.description_schema import MODES
from integrations.models import TRUSTS
from integrations.outbound import TIMEOUT

SECOND = dt.timedelta(seconds=1)
EARLY = Doubt("native_key", "reviewed", looked=True, attempt=1, since_first=SECOND, since_last=SECOND, abandoned=True,
              settle=SECOND)  # fmt: skip
GIVEN_UP = replace(EARLY, abandoned=False)
LATE = replace(EARLY, since_first=REMEMBERED, since_last=OUTRUN + SECOND)
BLIND, PROVEN_BLIND = replace(EARLY, looked=False), replace(EARLY, looked=False, trust="proven")
DOUBTS = (EARLY, GIVEN_UP, LATE, BLIND, PROVEN_BLIND)
TABLE = {
    "native_key": ("repeat", "repeat", "repeat", "ask", "repeat"),
    "client_id": ("repeat", "repeat", "repeat", "ask", "repeat"),
    "set_semantics": ("repeat", "repeat", "repeat", "ask", "repeat"),
    "conditional": ("repeat", "repeat", "repeat", "ask", "ask"),
    "natural_key": ("wait", "repeat", "repeat", "ask", "ask"),
    "none": ("ask", "ask", "ask", "ask", "ask"),
    "unknown": ("ask", "ask", "ask", "ask", "ask"),
}


@pytest.mark.parametrize("mode", MODES)
def test_the_next_step_is_that_of_the_table(mode: str) -> None:
    assert tuple(next_step(replace(doubt, mode=mode)) for doubt in DOUBTS) == TABLE[mode]


@pytest.mark.parametrize("mode", sorted(KNOWN_AGAIN))
def test_what_may_be_forgotten_is_repeated_only_once_nothing_can_arrive(mode: str) -> None:
    forgotten = replace(EARLY, mode=mode, since_first=REMEMBERED)
    assert (next_step(forgotten), next_step(replace(forgotten, looked=False, trust="proven"))) == ("wait", "ask")


@pytest.mark.parametrize("mode", sorted(KNOWN_AGAIN))
def test_what_is_known_for_a_day_is_repeated_for_a_day_and_no_longer(mode: str) -> None:
    day = dt.timedelta(days=1)
    known = replace(EARLY, mode=mode, remembered=surely_remembered(day), since_first=day - OUTRUN - SECOND)
    assert next_step(known) == "repeat"
    assert next_step(replace(known, since_first=day - OUTRUN)) == "wait"
    assert next_step(replace(known, since_first=day - OUTRUN, looked=False, trust="proven")) == "ask"
    minute = replace(EARLY, mode=mode, remembered=surely_remembered(dt.timedelta(minutes=1)))
    assert next_step(replace(minute, since_first=OUTRUN)) == "wait"


def test_what_a_door_that_only_seems_dead_may_send_has_left_it_in_time() -> None:
    connecting = dt.timedelta(seconds=2 * TIMEOUT["connect"])  # resolving and TCP; then TLS
    assert FRESH + connecting < OUTRUN < PATIENCE


LONG = st.timedeltas(min_value=dt.timedelta(), max_value=dt.timedelta(days=2))


@given(st.builds(Doubt, st.sampled_from(MODES), st.sampled_from(TRUSTS), st.booleans(), st.integers(1, 9), LONG, LONG,
                 st.booleans(), LONG))  # fmt: skip
def test_nothing_is_repeated_that_nobody_vouches_for(doubt: Doubt) -> None:
    if doubt.mode in ("none", "unknown") or doubt.trust == "imported" or doubt.attempt >= MOST_ATTEMPTS:
        assert next_step(doubt) == "ask"
    if not doubt.looked:
        assert next_step(doubt) != "wait"  # nobody would look again
