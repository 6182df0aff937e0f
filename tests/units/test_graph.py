"""What follows from the states of steps, over random graphs; and neighbours among records."""
# ruff: noqa: E501  (a row of a table is one line)

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.executors.pairs import find_pairs
from console.runs.graph import BAD, FINAL, Next, follow

STATES = ["planned", "ready", "running", "waiting", "succeeded", "failed", "cancelled"]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Each step may need earlier ones only, so there is no circle; the names come in any order."""
    names = draw(st.permutations([f"s{n}" for n in range(draw(st.integers(1, 9)))]))
    return {name: sorted(draw(st.sets(st.sampled_from(names[:at])))) if at else [] for at, name in enumerate(names)}


@given(graphs(), st.data())
def test_follow_readies_what_can_begin_and_cancels_what_never_can(
    needs: dict[str, list[str]], data: st.DataObject
) -> None:
    states = {name: data.draw(st.sampled_from(STATES)) for name in needs}
    following = follow(states, needs)
    after = states | dict.fromkeys(following.cancel, "cancelled") | dict.fromkeys(following.ready, "ready")
    assert all(states[name] == "planned" for name in (*following.ready, *following.cancel))
    for name in needs:
        reached = [after[need] for need in needs[name]]
        if states[name] == "planned":
            expected = (
                "cancelled" if BAD.intersection(reached) else "ready" if set(reached) <= {"succeeded"} else "planned"
            )
            assert after[name] == expected
    over = FINAL.issuperset(after.values())
    assert following.end == (("failed" if BAD.intersection(after.values()) else "succeeded") if over else None)


@given(graphs(), st.data())
def test_every_run_comes_to_an_end(needs: dict[str, list[str]], data: st.DataObject) -> None:
    states = dict.fromkeys(needs, "planned")
    for _ in range(len(needs) + 1):
        following = follow(states, needs)
        states |= dict.fromkeys(following.cancel, "cancelled")
        for name in following.ready:
            states[name] = data.draw(st.sampled_from(["succeeded", "failed", "cancelled"]))
        if following.end:
            assert FINAL.issuperset(states.values())
            break
    else:
        raise AssertionError(f"no end: {states}")
    assert (following.end == "succeeded") == (set(states.values()) == {"succeeded"})


def test_a_failure_cancels_all_that_follows_and_nothing_beside() -> None:
    needs = {"a": [], "b": ["a"], "c": ["b"], "d": []}
    states = {"a": "failed", "b": "planned", "c": "planned", "d": "running"}
    assert follow(states, needs) == Next((), ("b", "c"), None)


def record(at: Any, identity: str = "x", **fields: Any) -> dict[str, Any]:
    return {"id": identity, "at": at, "who": "a", **fields}


def found(records: list[Any], seconds: int = 10) -> list[tuple[Any, Any]]:
    return [(pair["earlier"]["id"], pair["later"]["id"]) for pair in find_pairs(records, ["who"], "at", seconds)]


PAIRS: dict[str, tuple[list[Any], list[tuple[str, str]]]] = {
    "nothing": ([], []),
    "one alone": ([record(1)], []),
    "at the limit": ([record(1, "a"), record(11, "b")], [("a", "b")]),
    "beyond the limit": ([record(1, "a"), record(12, "b")], []),
    "at the same moment": ([record(1, "b"), record(1, "a")], [("a", "b")]),
    "in any order": ([record(5, "b"), record(1, "a")], [("a", "b")]),
    "three in a row": ([record(1, "a"), record(5, "b"), record(9, "c")], [("a", "b"), ("b", "c")]),
    "somebody between": ([record(1, "a"), record(2, "x", who="b"), record(3, "c")], [("a", "c")]),
    "without the field": ([record(1, "a"), {"id": "x", "at": 2}, record(3, "c")], [("a", "c")]),
    "without the moment": ([record(1, "a"), record(None, "x"), record("2", "y"), record(3, "c")], [("a", "c")]),
    "true is no moment": ([record(1, "a"), record(True, "x")], []),
    "fractions of seconds": ([record(1.5, "a"), record(2.25, "b")], [("a", "b")]),
    "lists that agree": ([record(1, "a", who=["z"]), record(2, "b", who=["z"]), record(3, "c", who=["y"])], [("a", "b")]),
    "true is not one": ([record(1, "a", who=True), record(2, "b", who=1)], []),
    "no records": ([1, "a", None, [1]], []),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_pairs(name: str) -> None:
    records, expected = PAIRS[name]
    assert found(records) == expected


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab")), max_size=12), st.integers(0, 10))
def test_each_record_is_later_at_most_once_and_pairs_agree(given_: list[tuple[int, str]], seconds: int) -> None:
    records = [record(at, f"r{n}", who=who) for n, (at, who) in enumerate(given_)]
    pairs = find_pairs(records, ["who"], "at", seconds)
    assert len({pair["later"]["id"] for pair in pairs}) == len(pairs)
    assert all(pair["earlier"]["who"] == pair["later"]["who"] for pair in pairs)
    assert all(0 <= pair["later"]["at"] - pair["earlier"]["at"] <= seconds for pair in pairs)
