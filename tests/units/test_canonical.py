"""The bytes that digests are made over."""

import datetime as dt
import math
import time
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from console.core.canonical import SAFE_INTEGER, digest, jcs, profile
from console.core.clock import iso, nanoseconds, stamp

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
scalar = st.none() | st.booleans() | st.integers(-SAFE_INTEGER, SAFE_INTEGER) | text
key = st.from_regex(r"[a-z0-9_]{1,8}", fullmatch=True)
value = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(key, inner, max_size=4), max_leaves=12
)


def depth(inner: Any) -> int:
    children = inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list) else ()
    return 1 + max(map(depth, children), default=0)


any_key = key | text
any_value = st.recursive(
    scalar | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_key, inner, max_size=4),
    max_leaves=12,
)


@given(any_value)
def test_jcs_is_rfc_8785_byte_for_byte(document: object) -> None:
    assert jcs(document) == rfc8785.dumps(document)  # type: ignore[arg-type]


@given(st.dictionaries(key, value, max_size=6))
def test_profile_is_rfc_8785_byte_for_byte(document: dict[str, Any]) -> None:
    if depth(document) <= 9:
        assert profile(document) == rfc8785.dumps(document)


OUTSIDE = {
    "a float": {"a": 1.5},
    "a whole float": {"a": 1.0},
    "not a number": {"a": math.nan},
    "too large": {"a": SAFE_INTEGER + 1},
    "too small": {"a": -SAFE_INTEGER - 1},
    "a zero byte": {"a": "x\0"},
    "a lone surrogate": {"a": "\ud800"},
    "a capital key": {"A": 1},
    "an empty key": {"": 1},
    "a key with a newline": {"a\n": 1},
    "a key of another script": {"é": 1},
    "a key that is no text": {1: 1},
    "a long key": {"a" * 65: 1},
    "bytes": {"a": b"x"},
    "a set": {"a": {1}},
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_profile_refuses(name: str) -> None:
    with pytest.raises(ValueError, match=r"^/|^:"):
        profile(OUTSIDE[name])  # type: ignore[arg-type]


def test_profile_names_the_place_of_what_it_refuses() -> None:
    with pytest.raises(ValueError, match=r"^/detail/1/amount: 1.5 has no place"):
        profile({"detail": [{}, {"amount": 1.5}]})


def test_profile_ends_at_depth_eight() -> None:
    nested: Any = 0
    for _ in range(8):
        nested = {"a": nested}
    assert profile(nested) == rfc8785.dumps(nested)
    with pytest.raises(ValueError, match="nested deeper than 8"):
        profile({"a": nested})


def test_digests_of_the_same_value_under_two_tags_differ() -> None:
    assert digest("one", {"a": 1}) != digest("two", {"a": 1})
    # The zero byte keeps tag and value apart: neither can borrow from the other.
    assert digest("a", "b") != digest("a\0", "b")


@given(st.dictionaries(text, value | st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_jcs_does_not_depend_on_the_order_of_keys(document: dict[str, Any]) -> None:
    assert jcs(document) == jcs(dict(reversed(document.items())))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 2**53, "\ud800", {"a": -(2**53)}])
def test_jcs_refuses_what_json_cannot_carry(bad: object) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        jcs(bad)


@given(st.datetimes(timezones=st.timezones()))
def test_moments_sort_as_texts_and_are_exact(moment: Any) -> None:
    if 1_000 < moment.year < 9_999:
        assert len(iso(moment)) == 27
        assert nanoseconds(moment) % 1_000 == 0


@given(st.integers(0, 253_402_300_799_999_999))
def test_a_stamp_is_the_moment_as_everywhere(microseconds: int) -> None:
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr(time, "time_ns", lambda: microseconds * 1_000 + 999)
        said = stamp()
    assert said == iso(dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=microseconds))
