"""What an amendment shows: every line that changes, schemas that it reaches included, and nothing that stays beyond."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from integrations.difference import MOST, Described, Line, difference


def of(schema: Any, definitions: dict[str, Any] | None = None, **more: Any) -> Described:
    return Described(
        {"title": "Send", "arguments": {"to": {"in": "body", "schema": schema}}, **more}, definitions or {}
    )


def changed(lines: list[Line]) -> list[tuple[str, str]]:
    return [(line.sign, line.text.strip()) for line in lines if line.sign in "+-"]


def test_lines_that_change_are_shown_with_three_around_them() -> None:
    lines = difference(of({"type": "string"}), of({"type": "integer"}))
    assert changed(lines) == [("-", "type: string"), ("+", "type: integer")]
    assert [line.sign for line in lines] == [" ", " ", " ", "-", "+"]


def test_a_schema_far_below_is_shown_when_it_changes_and_only_then() -> None:
    top = {"$ref": "definitions#/A"}
    below = {"A": {"items": {"$ref": "definitions#/B"}}, "B": {"maximum": 5}, "C": {"maximum": 1}}
    lines = difference(of(top, below), of(top, below | {"B": {"maximum": 500}, "C": {}}))
    assert changed(lines) == [("-", "maximum: 5"), ("+", "maximum: 500")]


def test_a_schema_that_comes_or_goes_is_shown_whole() -> None:
    lines = difference(of(True), of({"$ref": "definitions#/A"}, {"A": {"const": 1}}))
    assert ("+", "const: 1") in changed(lines)
    assert ("-", "const: 1") in changed(difference(of({"$ref": "definitions#/A"}, {"A": {"const": 1}}), of(True)))


def test_digests_that_follow_from_the_rest_are_not_shown() -> None:
    assert difference(of(True, source={"key": "a"}), of(True, source={"key": "b"})) == []


def test_a_text_that_looks_like_the_head_of_a_difference_is_shown() -> None:
    lines = difference(of({"enum": ["-- a"]}), of({"enum": ["++ b"]}))
    assert changed(lines) == [("-", "- -- a"), ("+", "- ++ b")]


def test_what_is_too_long_says_so() -> None:
    lines = difference(of({"enum": []}), of({"enum": [f"v{n}" for n in range(MOST + 5)]}))
    assert len(lines) == MOST + 1
    assert lines[-1].sign == "@"
    assert "There is more" in lines[-1].text


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8)  # fmt: skip  # noqa: E501


@given(JSON, JSON)
def test_it_is_empty_exactly_where_nothing_changed(before: Any, after: Any) -> None:
    one, other = of({"const": before}), of({"const": after})
    assert (difference(one, other) == []) == (repr(before) == repr(after))
