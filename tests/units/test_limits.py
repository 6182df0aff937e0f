"""Limits of a grant: what is missing or of another kind is not allowed, and each is told as a person would."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.canonical import SAFE_INTEGER
from console.core.errors import Invalid
from integrations.limits import LONGEST_TEXT, Spent, check_limits, read_limits, sentences

DESCRIBED: dict[str, Any] = {"amount": {}, "channel": {}, "flag": {}}


def allows(limit: dict[str, Any], value: object) -> bool:
    return check_limits({"arguments": {"amount": limit}}, DESCRIBED, {"amount": value}) == ""


@pytest.mark.parametrize(
    ("limit", "right", "wrong"),
    [
        ({"equals": 5}, [5, 5.0], [6, "5", True, None]),
        ({"equals": True}, [True], [1, "true"]),
        ({"equals": 1}, [1], [True]),
        ({"one_of": ["#ops", 3]}, ["#ops", 3], ["#dev", "#ops ", "3", ["#ops"]]),
        ({"at_most": 50}, [50, -1, 1.5], [51, "1", True, None, [1], float("nan")]),
        ({"at_least": 2, "at_most": 3}, [2, 3], [1, 4]),
        ({"pattern": "ch_[a-z]+"}, ["ch_a"], ["ch_a\n", "x ch_a", "ch_", 5, "ch_" + "a" * LONGEST_TEXT]),
    ],
)
def test_values(limit: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not allows(limit, value)] == []
    assert [value for value in wrong if allows(limit, value)] == []


def test_what_is_limited_has_to_be_given_where_the_operation_has_it() -> None:
    limits = {"arguments": {"amount": {"at_most": 5}}}
    assert check_limits(limits, DESCRIBED, {}) == "The grant allows amount only at most 5."
    assert check_limits(limits, {"channel": {}}, {"channel": "x"}) == ""
    assert check_limits({}, DESCRIBED, {"amount": 10**9}) == ""


def test_told_as_a_person_would() -> None:
    limits = read_limits(
        "arguments:\n  amount: {at_least: 1, at_most: 5000}\n  channel: {one_of: ['#ops', '#dev']}\n"
        "  flag: {equals: true}\ncalls: {at_most: 1200, hours: 1}\n"
        "sums: [{argument: amount, at_most: 20000, hours: 24, by: channel}]\n"
    )
    assert list(sentences(limits)) == [
        "amount at least 1 and at most 5,000", "channel one of #ops, #dev", "flag true",
        "at most 1,200 times in 1 hour", "amount at most 20,000 in all in 24 hours for each channel",
    ]  # fmt: skip


CAP = {"sums": [{"argument": "amount", "at_most": 0.3, "hours": 24, "by": "channel"}]}


AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def said(limits: dict[str, Any], arguments: dict[str, Any], earlier: list[tuple[float, dict[str, Any]]]) -> str:
    spent = Spent(limits)
    for hours, one in earlier:
        spent.add(AT - dt.timedelta(hours=hours), one)
    return spent.beyond(AT, arguments)


@pytest.mark.parametrize(
    ("earlier", "now", "beyond"),
    [
        ([], 0.3, False),
        ([], 0.31, True),
        ([(1, 0.1, "eur")], 0.2, False),  # exactly, as no float would add up
        ([(1, "0.1", " EUR")], "0.20", False),
        ([(1, "0.1", "EUR")], "0.21", True),
        ([(1, 0.2, "usd")], 0.3, False),
        ([(23.9, 0.2, "eur")], 0.2, True),
        ([(24, 0.2, "eur")], 0.2, False),
        ([(1, -5, "eur"), (1, 0.3, "eur")], 0.1, True),
        ([(1, None, "eur")], 0.3, False),
    ],
)
def test_sums_are_exact_and_of_their_time_and_kind(earlier: list[Any], now: Any, beyond: bool) -> None:
    before = [(hours, {"amount": amount, "channel": kind}) for hours, amount, kind in earlier]
    assert bool(said(CAP, {"amount": now, "channel": "eur"}, before)) == beyond


@pytest.mark.parametrize("amount", [None, -1, True, float("nan"), "1e5", "-1", "many", "1.", [1]])
def test_what_cannot_be_added_up_is_not_allowed(amount: Any) -> None:
    said = check_limits(CAP, DESCRIBED, {"amount": amount, "channel": "eur"})
    assert said == "The grant asks for amount, as a number that is not below zero."


def test_what_is_added_up_by_has_to_be_given_where_the_operation_has_it() -> None:
    assert check_limits(CAP, DESCRIBED, {"amount": 0.1}) == "The grant asks for channel, as one value."
    assert check_limits(CAP, {"amount": {}}, {"amount": 0.1}) == ""
    assert check_limits(CAP, {"flag": {}}, {"flag": True}) == ""
    assert check_limits(CAP, DESCRIBED, {"amount": 1, "channel": "eur"}) == (
        "The grant allows amount at most 0.3 in all in 24 hours for each channel.")  # fmt: skip


def together(one: Any, other: Any) -> bool:
    """Whether what is asked for by the one is added to what was asked for by the other."""
    limits = {"sums": [{"argument": "amount", "at_most": 100, "hours": 1, "by": "account"}]}
    both = [said(limits, {"amount": 100, "account": now}, [(0, {"amount": 1, "account": before})])
            for now, before in ((one, other), (other, one))]  # fmt: skip
    assert bool(both[0]) == bool(both[1])
    return bool(both[0])


NUMBERS = st.integers(-SAFE_INTEGER, SAFE_INTEGER)


@given(NUMBERS, NUMBERS)
def test_a_number_is_the_same_however_it_is_written(one: int, other: int) -> None:
    written = [one, float(one), json.loads(f"{one}.0"), json.loads(f"{one}.00E+0"), str(one), f" {one}.00 "]
    assert [other for other in written if not together(one, other)] == []
    assert together(one, other) == (one == other)


WIDE = {number: number + 0xFEE0 for number in range(ord("!"), ord("~") + 1)}


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)), st.text(" \t\u3000\u200b\u00ad", max_size=3))
def test_a_text_is_the_same_in_other_letters(text: str, around: str) -> None:
    for other in (text.upper(), text.swapcase(), text.translate(WIDE), around + text + around, around.join(text)):
        assert together(text, other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("EUR", "\uff25\uff35\uff32", True), ("EUR", "USD", False), ("DE89 3704 0044", "de8937040044", True),
        (42, "042", True), (0.0, -0.0, True), (42, 42.5, False), (42, 420, False), ("1.10", "1.1", True),
        (True, 1, False), (7, "7a", False), ("100", "1", False), ("0", 0, True), ("00", "0", True),
        (1e20, 10**20, True), ("+42", 42, True), ("42.", 42, True), (42.5, "42.50", True), ("1e2", 100, True),
        ("-0", 0, True), ("EUR\ufe0f", "EUR", True), ("nan", "inf", False), ("1e99999999999999999999", "1", False),
        ("1e9999999", "1e9999999", True),
    ],
)  # fmt: skip
def test_what_is_added_up_together(one: Any, other: Any, same: bool) -> None:
    assert together(one, other) == same


@pytest.mark.parametrize("several", [["eur"], {"code": "eur"}, [], None])
def test_what_has_several_values_is_not_added_up_by(several: Any) -> None:
    """It could be written in any order, and as often as one likes."""
    assert check_limits(CAP, DESCRIBED, {"amount": 0.1, "channel": several}) == (
        "The grant asks for channel, as one value.")  # fmt: skip


def test_how_often_is_counted_in_its_time() -> None:
    calls = {"calls": {"at_most": 2, "hours": 1}}
    assert said(calls, {}, [(0.5, {}), (1.0, {})]) == ""
    assert said(calls, {}, [(0.5, {}), (0.9, {})]) == "The grant allows this at most 2 times in 1 hour."


@given(st.lists(st.integers(0, 10**15), max_size=8), st.integers(0, 10**15))
def test_nothing_beyond_a_sum_is_allowed(earlier: list[int], more: int) -> None:
    limits = {"sums": [{"argument": "amount", "at_most": 10**15, "hours": 1}]}
    why = said(limits, {"amount": more}, [(0, {"amount": one}) for one in earlier])
    assert bool(why) == (sum(earlier) + more > 10**15)


@pytest.mark.parametrize(
    "text",
    [
        "arguments: {amount: {}}", "arguments: {}", "arguments: {amount: {at_most: much}}",
        "arguments: {amount: {pattern: '('}}", "arguments: {'a b': {equals: 1}}", "arguments: {amount: {one_of: []}}",
        "sums: []", "sums: [{argument: amount, at_most: 0, hours: 1}]", "sums: [{argument: amount, at_most: 5}]",
        "sums: {argument: amount, at_most: 1, hours: 1}", "calls: {at_most: 0, hours: 1}",
        "calls: {at_most: 1}", "other: 1", "[1]",
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_limits(text)


def test_nothing_is_no_limit() -> None:
    assert read_limits(" \n") == {}


VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)  # fmt: skip  # noqa: E501


@given(VALUE, st.integers(-5, 5), st.integers(-5, 5))
def test_what_is_allowed_lies_within(value: Any, least: int, most: int) -> None:
    if allows({"at_least": least, "at_most": most}, value):
        assert not isinstance(value, bool)
        assert least <= value <= most
