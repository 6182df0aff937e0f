"""`${{ … }}` filled in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.errors import Invalid
from console.core.expressions import check, compile_all, expressions, fill, literal, search, steps_named

SCOPE = {"a": {"b": [1, 2]}, "yes": True, "none": None, "text": "t", "half": 1.5, "steps": {"one": {"x": 1}}}

FILLED: list[tuple[Any, Any]] = [
    ("plain", "plain"),
    ("${{ a.b }}", [1, 2]),
    (" ${{ a.b[0] }} ", 1),
    ("${{ none }}", None),
    ("${{ missing.deeper }}", None),
    ("${{ yes }}", True),
    ("x ${{ yes }} ${{ none }}|${{ half }}", "x true |1.5"),
    ("${{ a.b[0] }}${{ a.b[1] }}", "12"),
    ({"k": ["${{ text }}", 5]}, {"k": ["t", 5]}),
    ("${{ }", "${{ }"),
    ("$ {{ a }}", "$ {{ a }}"),
    (7, 7),
]


@pytest.mark.parametrize(("given_", "expected"), FILLED)
def test_filled(given_: Any, expected: Any) -> None:
    assert fill(given_, SCOPE) == expected


def test_what_a_value_holds_is_never_evaluated_itself() -> None:
    """A charge's description that looks like an expression stays text."""
    scope = {"evil": "${{ secret }}", "secret": "s"}
    assert fill("${{ evil }}", scope) == "${{ secret }}"
    assert fill("say ${{ evil }}", scope) == "say ${{ secret }}"


@given(st.recursive(st.none() | st.integers() | st.text(st.characters(exclude_characters="$")),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10))  # fmt: skip
def test_values_without_expressions_stay_as_they_are(value: Any) -> None:
    assert fill(value, {}) == value
    assert list(expressions(value)) == []


@pytest.mark.parametrize("bad", ["a[", "a..b", "&&", "sum('x')", "nosuch(a)"])
def test_an_expression_that_fails_says_which(bad: str) -> None:
    with pytest.raises(Invalid, match="failed"):
        search(bad, SCOPE)


def test_a_bad_expression_names_its_place() -> None:
    with pytest.raises(Invalid, match=r"^steps.one: 'a\[' is not an expression"):
        compile_all({"deep": ["${{ a[ }}"]}, "steps.one")
    with pytest.raises(Invalid, match=r"^here: '' is not an expression"):
        check("", "here")


def test_steps_that_are_read_are_found_wherever_they_are_named() -> None:
    value = {"x": ["${{ steps.one.x }}", "and ${{ sum([steps.two.y, steps.three]) }}"], "y": "steps.four"}
    assert steps_named(value) == {"one", "two", "three"}


@given(st.recursive(st.text() | st.text("`'\"\\[]|&{}") | st.integers() | st.none(), lambda inner: st.lists(inner)))
def test_a_literal_is_the_value_whatever_stands_in_it(value: Any) -> None:
    assert search(f"[v == {literal(value)}, {literal('last')}]", {"v": value}) == [True, "last"]
