"""Identifiers and states."""

import re
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core import ids
from console.core.errors import Conflict
from console.core.ids import new_id, short, uuid7
from console.core.states import check, final, transitions, trigger_arguments


def test_ids_are_all_different_and_of_one_form() -> None:
    made = [new_id("run") for _ in range(20_000)]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"run_[0-7][0-9a-hjkmnp-tv-z]{25}", one) for one in made)


@given(st.lists(st.integers(0, 2**48 - 1), min_size=2, max_size=10, unique=True))
def test_ids_sort_by_the_moment_they_were_made(milliseconds: list[int]) -> None:
    with pytest.MonkeyPatch.context() as clock:
        made = []
        for moment in milliseconds:
            clock.setattr(time, "time_ns", lambda moment=moment: moment * 1_000_000)
            made.append((moment, new_id("x"), uuid7()))
    by_moment = sorted(made)
    assert [one[1] for one in by_moment] == sorted(one[1] for one in made)
    assert [one[2] for one in by_moment] == sorted(one[2] for one in made)


def test_a_uuid_says_its_version_and_variant() -> None:
    for _ in range(100):
        made = uuid.UUID(uuid7())
        assert (made.version, made.variant) == (7, "specified in RFC 4122")


def test_short_keeps_what_tells_rows_apart() -> None:
    assert short("run_01jd3v9k2hf4xas3m8q4c2w7ye") == "run_w7ye"
    assert len(ids.ALPHABET) == len(set(ids.ALPHABET)) == 32


TABLE = transitions(initial="planned", planned="ready gone", ready="", gone="")


@pytest.mark.parametrize(("source", "target"), [("initial", "planned"), ("planned", "ready"), ("planned", "gone")])
def test_a_move_in_the_table_passes(source: str, target: str) -> None:
    check(TABLE, source, target)


@pytest.mark.parametrize(
    ("source", "target"), [("ready", "planned"), ("planned", "planned"), ("nowhere", "ready"), ("initial", "ready")]
)
def test_any_other_move_is_a_conflict(source: str, target: str) -> None:
    with pytest.raises(Conflict, match=f"It is {source} now and cannot become {target}"):
        check(TABLE, source, target)


def test_a_table_that_leads_to_an_unknown_state_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="readdy"):
        transitions(initial="planned", planned="readdy")


def test_the_triggers_arguments_and_last_states_follow_from_the_table() -> None:
    assert trigger_arguments(TABLE) == ["initial>planned", "planned>gone", "planned>ready"]
    assert final(TABLE) == {"ready", "gone"}
