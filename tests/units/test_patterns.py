"""Patterns that others write: what they mean, and that none of them holds anybody up."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.errors import Invalid
from console.core.patterns import check_pattern, fits, found
from integrations.description import Description

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
    assert (fits(SLOW, TEXT), found(SLOW, TEXT)) == (False, False)


def test_in_a_schema_of_somebody_elses_it_is_the_same() -> None:
    described = Description("op", {"title": "Op", "effect": "read", "method": "GET", "path": "/",
                                   "arguments": {"text": {"in": "query", "schema": {"pattern": SLOW}}}})  # fmt: skip
    described.check_arguments({"text": "aa"})
    with pytest.raises(Invalid, match="argument 'text'"):
        described.check_arguments({"text": TEXT})
