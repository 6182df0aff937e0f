"""Patterns that others write: what they mean, and that none of them holds anybody up."""

import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.errors import Invalid
from console.core.patterns import TooSlow, check_pattern, fits, found
from integrations.description import Description, _Validator

SLOW = r"(a|aa)+$"
TEXT = "a" * 60 + "b"


@given(st.from_regex(r"[a-c]{0,3}(\[a-c\]\+|\.\*|a\|b|\\d)?[a-c]{0,3}", fullmatch=True), st.text("abc1d", max_size=8))
def test_they_mean_what_they_mean_in_python(pattern: str, text: str) -> None:
    assert fits(pattern, text) == bool(re.fullmatch(pattern, text))
    assert found(pattern, text) == bool(re.search(pattern, text))


@pytest.mark.parametrize("pattern", ["(", "a{99999999999999999999}", "(?P<a>", "[z-a]", "(?<=a+)b"])
def test_what_is_none_is_told(pattern: str) -> None:
    with pytest.raises(Invalid):
        check_pattern(pattern)
    assert (fits(pattern, "a"), found(pattern, "a")) == (False, False)


def test_one_that_takes_for_ever_fits_nothing() -> None:
    """It would take years, and the test with it."""
    check_pattern(SLOW)
    assert not fits(SLOW, TEXT)
    with pytest.raises(TooSlow):
        found(SLOW, TEXT)


@pytest.mark.parametrize(("pattern", "text"), [("v{d}", "v"), ("acct_[0-9]{8}{e<=9}", "acct_1"), (r"\\{e}", "\\"),
                                               ("[{e}]", "x"), (r"a\{2}", "aa"), ("a{e}", "ae")])  # fmt: skip
def test_a_brace_that_counts_nothing_stands_for_itself(pattern: str, text: str) -> None:
    assert (fits(pattern, text), found(pattern, text)) == (False, False)
    assert (fits("a{2}b{1,}c{,3}{x}", "aabcc{x}"), fits(r"\N{DIGIT ONE}", "1")) == (True, True)


def test_in_a_schema_of_somebody_elses_it_is_the_same() -> None:
    described = Description("op", {"title": "Op", "effect": "read", "method": "GET", "path": "/",
                                   "arguments": {"text": {"in": "query", "schema": {"pattern": SLOW}}}})  # fmt: skip
    described.check_arguments({"text": "aa"})
    with pytest.raises(TooSlow):
        described.check_arguments({"text": TEXT})


FIELDS = {"properties": {"a": {"type": "integer"}}, "patternProperties": {"^x": {"type": "string"}}}
NAMED: dict[str, tuple[Any, dict[str, Any], bool]] = {
    "as it is described": (False, {"a": 1, "xy": "z"}, True),
    "of another kind": (False, {"xy": 1}, False),
    "one more": (False, {"b": 1}, False),
    "one more, as may be": (True, {"b": 1}, True),
    "one more, of a kind": ({"type": "integer"}, {"b": 1}, True),
    "one more, of another kind": ({"type": "integer"}, {"b": "1"}, False),
    "no object": (False, {}, True),
}


@pytest.mark.parametrize("name", NAMED)
def test_names_of_fields_are_as_the_library_has_them(name: str) -> None:
    others, value, fit = NAMED[name]
    schema = {**FIELDS, "additionalProperties": others}
    assert jsonschema.Draft202012Validator(schema).is_valid(value) == fit
    assert _Validator(schema).is_valid(value) == fit


def test_nor_do_names_of_fields_take_for_ever() -> None:
    slow: list[tuple[dict[str, Any], Any]] = [
        ({"patternProperties": {SLOW: {}}}, {TEXT: 1}),
        ({"not": {"pattern": SLOW}}, TEXT),
        ({"items": {"pattern": SLOW}}, [TEXT] * 5),
    ]
    for schema, value in slow:
        with pytest.raises(TooSlow):
            _Validator(schema).is_valid(value)
