"""What a schema tells of arguments: by table, and for any schema and any arguments that fit it."""
# ruff: noqa: E501  (a row of a table is one line)

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from approvals.facts import decode
from approvals.forms import Folded, Items, Table
from approvals.lines import SENT_EMPTY, Line, lines
from approvals.web_address import Address
from integrations.description import Description
from integrations.explain import explained, plain, undecoded

TEXT = {"type": "string"}
PERSON = {"type": "object", "properties": {"name": TEXT, "postCode": {"type": "string", "title": "Post code"}}}


def described(schema: Any, **more: Any) -> Description:
    definitions = more.pop("definitions", {})
    document = {"title": "Act", "effect": "write", "arguments": {"it": {"in": "body", "schema": schema}}, **more}
    return Description("act", document, definitions)


def told(schema: Any, value: Any, **more: Any) -> list[tuple[str, Any, str]]:
    return [(one.label, one.value, one.format) for one in explained(described(schema, **more), {"it": value})]


LONG = "x" * 201
UNDERSTOOD: dict[str, tuple[Any, Any, list[tuple[str, Any, str]]]] = {
    "a text": (TEXT, "a", [("It", "a", "text")]),
    "a title": ({**TEXT, "title": "Its name"}, "a", [("Its name", "a", "text")]),
    "a truth": ({"type": "boolean"}, True, [("It", True, "text")]),
    "one of some": ({"enum": ["a", "b"]}, "a", [("It", "a", "text")]),
    "one of unlike values": ({"enum": ["1", 1]}, 1, [("It", 1, "json")]),
    "a moment": ({**TEXT, "format": "date-time"}, "2026-01-02T03:04:05Z", [("It", "2026-01-02T03:04:05Z", "time")]),
    "seconds": ({"type": "integer", "format": "unix-time"}, 60, [("It", 60, "time")]),
    "an address": ({**TEXT, "format": "uri"}, "https://a.example/b", [("It", "https://a.example/b", "url")]),
    "base64": ({**TEXT, "format": "byte"}, "aGk=", [("It", "aGk=", "base64")]),
    "a long text": (TEXT, LONG, [("It", LONG, "lines")]),
    "two lines": (TEXT, "a\nb", [("It", "a\nb", "lines")]),
    "a list": ({"type": "array", "items": TEXT}, ["a", "b"], [("It", ["a", "b"], "list")]),
    "an empty list": ({"type": "array", "items": TEXT}, [], [("It", [], "nothing")]),
    "a list of addresses": (
        {"type": "array", "items": {**TEXT, "format": "uri"}}, ["https://a.example", "https://b.example"],
        [("It 1", "https://a.example", "url"), ("It 2", "https://b.example", "url")],
    ),
    "a table": ({"type": "array", "items": PERSON}, [{"name": "Zoë"}], [("It", [{"name": "Zoë"}], "table")]),
    "an object": (PERSON, {"name": "Zoë", "postCode": "1"}, [("It › Name", "Zoë", "text"), ("It › Post code", "1", "text")]),
    "an object of none of its fields": (PERSON, {}, [("It", {}, "nothing")]),
    "null": ({"type": ["string", "null"]}, None, [("It", None, "nothing")]),
    "null or a text": ({"anyOf": [TEXT, {"type": "null"}]}, "a", [("It", "a", "text")]),
    "a text or a number": ({"oneOf": [TEXT, {"type": "integer"}]}, "1", [("It", "1", "json")]),
    "two that have to hold": ({"allOf": [PERSON, {"properties": {"age": {"type": "integer"}}}]}, {"age": 7}, [("It › Age", 7, "text")]),
    "a reference into itself": ({"$ref": "#/$defs/p", "$defs": {"p": PERSON}}, {"name": "Zoë"}, [("It › Name", "Zoë", "text")]),
    "two of one label": (
        {"type": "object", "properties": {"a": {**TEXT, "title": "X"}, "b": {**TEXT, "title": "X"}}}, {"a": "1", "b": "2"},
        [("It › X (it.a)", "1", "text"), ("It › X (it.b)", "2", "text")],
    ),
}  # fmt: skip
NOT_UNDERSTOOD: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "anything": ({}, 1, ("it",)),
    "anything at all": (True, "a", ("it",)),
    "an object of any fields": ({"type": "object"}, {"a": 1}, ("it",)),
    "a field more": (PERSON, {"name": "Zoë", "cc": "x"}, ("it.cc",)),
    "fields of a pattern": ({"type": "object", "additionalProperties": TEXT}, {"a": "b"}, ("it",)),
    "unlike alternatives": ({"anyOf": [TEXT, PERSON]}, "a", ("it",)),
    "a list of anything": ({"type": "array"}, ["a"], ("it",)),
    "a list with places": ({"type": "array", "items": TEXT, "prefixItems": [TEXT]}, ["a"], ("it",)),
    "no moment": ({**TEXT, "format": "date-time"}, "tomorrow", ("it",)),
    "a moment of no zone": ({**TEXT, "format": "date-time"}, "2026-01-02T03:04:05", ("it",)),
    "no address": ({**TEXT, "format": "uri"}, "over there", ("it",)),
    "base64 that is written otherwise": ({**TEXT, "format": "byte"}, "aGl=", ("it",)),
    "none of some": ({"enum": ["a", 1]}, True, ("it",)),
    "not the one": ({"const": "a"}, "b", ("it",)),
    "a text for a number": ({"type": "integer"}, "1", ("it",)),
    "a truth for a number": ({"type": "integer"}, True, ("it",)),
    "a null that it does not know": (TEXT, None, ("it",)),
    "a reference to nothing": ({"$ref": "#/$defs/x"}, "a", ("it",)),
    "a reference to itself": ({"$ref": "#"}, "a", ("it",)),
    "within a list": ({"type": "array", "items": PERSON}, [{"name": "a"}, {"name": 1}], ("it.1.name",)),
}


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_a_schema_tells_what_a_value_is(name: str) -> None:
    schema, value, expected = UNDERSTOOD[name]
    assert told(schema, value) == expected


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
def test_what_a_schema_does_not_tell_stays_undecoded(name: str) -> None:
    schema, value, expected = NOT_UNDERSTOOD[name]
    assert undecoded(described(schema), {"it": value}) == expected


def test_schemas_that_operations_share_are_followed_and_rings_of_them_end() -> None:
    shared = {"node": {"type": "object", "properties": {"name": TEXT, "next": {"$ref": "definitions#/node"}}}}
    value = {"name": "a", "next": {"name": "b"}}
    assert told({"$ref": "definitions#/node"}, value, definitions=shared) == [
        ("It › Name", "a", "text"), ("It › Next › Name", "b", "text"),
    ]  # fmt: skip


def test_what_a_fact_shows_is_not_shown_twice_and_the_rest_of_it_is() -> None:
    facts = [{"label": "Who", "shows": "it", "becomes": "${{ arguments.it.name }}"}]
    assert told(PERSON, {"name": "Zoë", "postCode": "1"}, facts=facts) == [("It › Post code", "1", "text")]
    assert told(PERSON, {"name": "Zoë"}, facts=facts) == []
    assert told(TEXT, "a", facts=[{"label": "It", "shows": "it", "becomes": "${{ length(arguments.it) }}"}]) == [
        ("It", "a", "text")
    ]
    assert told(TEXT, "a", facts=[{"label": "It", "shows": "it", "becomes": "${{ reads.it.id }}"}]) == [
        ("It", "a", "text")
    ]


def test_many_parts_take_no_longer_than_there_are() -> None:
    value = [["x"] for _ in range(20_000)]
    assert len(undecoded(described({"type": "array", "items": {"type": "array"}}), {"it": value})) == 20_000


def test_the_amount_is_shown_where_money_is() -> None:
    amount = {"minor": "${{ arguments.it }}", "currency": "EUR"}
    facts = [{"label": "It", "becomes": "${{ money }} at once"}]
    assert told({"type": "integer"}, 1, facts=facts, amount=amount) == []
    assert told({"type": "integer"}, 1, facts=facts) == [("It", 1, "text")]


def test_a_null_that_a_fact_would_leave_out_is_shown() -> None:
    facts = [{"label": "It", "shows": "it", "becomes": "${{ arguments.it }}"}]
    assert told({"type": ["string", "null"]}, None, facts=facts) == [("It", None, "nothing")]


@pytest.mark.parametrize(
    ("name", "said"), [("post_code", "Post code"), ("postCode", "Post Code"), ("id", "Id"), ("_", "_"), ("a-b", "A b")]
)
def test_names_are_said_in_words(name: str, said: str) -> None:
    assert plain(name) == said


NAMES = st.sampled_from(["a", "b_c", "postCode", "x-y"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
SCALAR = st.sampled_from([
    TEXT, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}, {"type": ["string", "null"]}, {"type": "null"},
    {**TEXT, "format": "date-time"}, {**TEXT, "format": "uri"}, {**TEXT, "format": "byte"}, {"enum": ["a", 1, None]},
    {**TEXT, "title": "One title"}, {}, True,
])  # fmt: skip
SCHEMAS = st.recursive(
    SCALAR,
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(lambda fields: {"type": "object", "properties": fields}, st.dictionaries(NAMES, inner, max_size=3))
        | st.builds(lambda each: {"anyOf": each}, st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=6,
)


@st.composite
def fitting(draw: st.DrawFn, schema: Any) -> Any:
    """A value of the schema, mostly; the other times any value."""
    match schema:
        case {"anyOf": list(each)}:
            return draw(fitting(draw(st.sampled_from(each))))
        case {"type": "array", "items": items}:
            return draw(st.lists(fitting(items), max_size=3))
        case {"type": "object", "properties": dict(fields)}:
            return {name: draw(fitting(one)) for name, one in fields.items() if draw(st.booleans())}
        case {"type": str(kind)}:
            some = {"string": st.text(max_size=30), "integer": st.integers(-99, 99), "number": st.integers(-99, 99),
                    "boolean": st.booleans(), "null": st.none()}  # fmt: skip
            return draw(some[kind] | VALUES)
    return draw(VALUES)


def leaves(value: Any) -> Iterator[Any]:
    """Single values, and containers of nothing."""
    match value:
        case Mapping() if value:
            for inner in value.values():
                yield from leaves(inner)
        case list() if value:
            for inner in value:
                yield from leaves(inner)
        case _:
            yield value


def shown(line: Line) -> str:
    """Everything of it that a page shows, from its own parts."""
    match line.form:
        case Folded(head, rest):
            return head + rest
        case Address(before, host, rest):
            return before + host + rest
        case Items(some, rest):
            return "\n".join([*some, *rest])
        case Table(_, some, rest):
            return "\n".join(cell or "" for row in [*some, *rest] for cell in row)
    return line.becomes


def is_in(leaf: Any, text: str) -> bool:
    said = {json.dumps(leaf, ensure_ascii=False), "yes" if leaf is True else "no" if leaf is False else str(leaf)}
    return any(one in text for one in said) or (leaf in (None, [], {}) and SENT_EMPTY[json.dumps(leaf)] in text)


@given(st.data())
def test_nothing_of_any_arguments_is_lost(data: st.DataObject) -> None:
    schema = data.draw(SCHEMAS)
    value = data.draw(fitting(schema))
    facts = decode(described(schema), {"it": value}, {}, "key")
    said = [shown(line) for line in lines(facts.lines)]
    for leaf in leaves(value):
        sized = [line for line in facts.lines if line["format"] == "bytes"]
        assert sized or any(is_in(leaf, one) for one in said), (leaf, said)


@given(st.data())
def test_two_values_of_a_schema_never_look_the_same(data: st.DataObject) -> None:
    schema = data.draw(SCHEMAS)
    one, other = data.draw(fitting(schema)), data.draw(fitting(schema))
    both = [decode(described(schema), {"it": value}, {}, "key") for value in (one, other)]
    pages = [[(line.label, line.format, line.becomes) for line in lines(facts.lines)] for facts in both]
    assert (pages[0] == pages[1]) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@given(st.data())
def test_what_is_decoded_fits_its_schema(data: st.DataObject) -> None:
    schema: Any = data.draw(SCHEMAS)
    value = data.draw(VALUES)
    if not undecoded(described(schema), {"it": value}):
        assert Draft202012Validator(schema).is_valid(value)
