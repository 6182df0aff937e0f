"""YAML of people: every mistake is Invalid with a place, whatever the bytes."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.canonical import jcs
from console.core.documents import MAX_BYTES, load
from console.core.errors import Invalid

ANY: dict[str, Any] = {}
SCHEMA = {
    "type": "object",
    "required": ["steps"],
    "additionalProperties": False,
    "properties": {"steps": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}}},
}
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]"

REFUSED = {
    "a key twice": ("a: 1\nb: 2\na: 3", r"^line 3: 'a' is given twice"),
    "a key twice inside": ("a:\n  b: 1\n  b: 2", r"^line 3: 'b' is given twice"),
    "an alias": (BOMB, r"^line 2: aliases are not supported"),
    "a merge": ("a: &a {x: 1}\nb: {<<: *a}", "aliases are not supported"),
    "a number as key": ("1: a", r"^line 1: the key 1 must be text"),
    "a boolean as key": ("\nyes: a", r"^line 2: the key True must be text"),
    "null as key": ("~: a", "must be text"),
    "a list as key": ("? [a]\n: b", "must be text"),
    "a tag of Python": ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
    "a set": ("!!set {a, b}", "cannot be stored|must be text|expected"),
    "bytes": ("a: !!binary aGk=", r"^a \(line 1\): b'hi' cannot be stored"),
    "not a number": ("a: .nan", r"^a \(line 1\): nan cannot be stored"),
    "infinity": ("a:\n - 1\n - -.inf", r"^a.1 \(line 3\): -inf cannot be stored"),
    "a huge number": ("a: 9007199254740992", r"^a \(line 1\): 9007199254740992 cannot be stored"),
    "a wrong tag": ("a: !!int x", "not what its tag or form says"),
    "an unfinished number": ("a: 0x_", "not what its tag or form says"),
    "a tag that fits nothing": ("a: !!bool maybe", "not what its tag or form says"),
    "two documents": ("a: 1\n---\nb: 2", "^line 2: but found another document"),
    "an open bracket": ("a: [1", "^line 1"),
    "a tab": ("a:\n\t- 1", "^line 2"),
    "a control character": ("a: \x01", "."),
    "a lone surrogate": ("a: \ud800", "."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_place(name: str) -> None:
    text, says = REFUSED[name]
    with pytest.raises(Invalid, match=says):
        load(text, ANY)


WRONG = {
    "nothing": ("", r"^document \(line 1\): None is not of type 'object'"),
    "a list": ("- 1", r"^document \(line 1\)"),
    "a wrong type": ("steps:\n  - n: 1\n  - n: one", r"^steps.1.n \(line 3\): 'one' is not of type 'integer'"),
    "an unknown key": ("steps: []\nstep: 1", r"^document \(line 1\): .*'step' was unexpected"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_document_that_does_not_fit_names_path_and_line(name: str) -> None:
    text, says = WRONG[name]
    with pytest.raises(Invalid, match=says):
        load(text, SCHEMA)


def test_a_date_without_quotes_is_text() -> None:
    assert load("a: 2026-11-20\nb: 2026-99-99", ANY) == {"a": "2026-11-20", "b": "2026-99-99"}


def test_a_huge_document_is_refused_before_it_is_read() -> None:
    with pytest.raises(Invalid, match=r"larger than 1,000,000 bytes"):
        load("é" * (MAX_BYTES // 2 + 1), ANY)


@pytest.mark.parametrize("deep", ["[" * 5_000, "[" * 400 + "]" * 400, "{a: " * 3_000, "- " * 2_000 + "x"])
def test_a_deep_document_is_refused_and_not_a_crash(deep: str) -> None:
    with pytest.raises(Invalid):
        load(deep, SCHEMA)


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_invalid(raw: bytes) -> None:
    for text in (raw.decode("latin-1"), raw.decode("utf-8", "surrogateescape")):
        try:
            document = load(text, ANY)
        except Invalid:
            continue
        assert json.loads(jcs(document)) == document


@given(st.text("{}[]:,-&*!|>?#'\"%@`~ \n\tab01.eE+_xo<=", max_size=40))
def test_random_yaml_is_read_or_invalid(text: str) -> None:
    with suppress(Invalid):
        jcs(load(text, ANY))
