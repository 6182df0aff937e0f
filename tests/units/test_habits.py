"""How somebody reviews, worked out from their votes."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from approvals.care.habits import CHARACTERS_A_SECOND, Habits, Share, Voted, habits, longest_streak

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
LONG = 60 * CHARACTERS_A_SECOND  # takes a minute to read


def test_whoever_never_voted_has_no_habits() -> None:
    nothing = Share(0, 0)
    assert habits([], "UTC") == Habits(0, 0, None, 0.0, nothing, nothing, 0, nothing, nothing, 0, nothing, nothing)
    assert str(nothing) == "none yet"


def test_votes_are_counted_by_what_they_were_like() -> None:
    votes = [
        Voted("approve", NOON, 29_999, LONG, False, done=True, taken_back=True),
        Voted("approve", NOON, 30_000, LONG, True, missed=2, others=1, differing=1, done=True),
        Voted("refuse", NOON.replace(hour=21), 90_000, LONG, False, others=2),
        Voted("approve", NOON, None, LONG, True),
    ]
    assert habits(votes, "UTC") == Habits(
        votes=4, approvals=3, dwell=30.0, reading=60.0, hasty=Share(2, 3), unopened=Share(1, 3), streak=2,
        differing=Share(1, 3), taken_back=Share(1, 2), missed=2, late=Share(1, 4), drills=Share(0, 0),
    )  # fmt: skip
    assert str(Share(1, 3)) == "1 of 3"


def test_hours_are_those_of_the_reviewers_own_zone() -> None:
    late = [habits([Voted("refuse", NOON, 0, 0, False)], zone).late for zone in ("UTC", "Asia/Tokyo", "Etc/GMT+6")]
    assert late == [Share(0, 1), Share(1, 1), Share(1, 1)]


@given(st.lists(st.sampled_from(["approve", "refuse"])))
def test_the_longest_streak_is_the_longest_piece_without_a_refusal(verdicts: list[str]) -> None:
    pieces = "".join("a" if one == "approve" else " " for one in verdicts).split(" ")
    assert longest_streak(verdicts) == max(map(len, pieces))
