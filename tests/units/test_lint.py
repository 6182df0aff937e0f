"""What signers would miss: each lack by itself, and none in what is shipped."""
# ruff: noqa: E501  (a row of a table is one line)

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from approvals.facts import Facts, decode
from approvals.lines import lines
from console.core.errors import Invalid
from integrations.description import Description, parse
from integrations.here import described
from integrations.lint import LACKS, counted, lint, lint_facts
from integrations.overlay import read_overlay

EXAMPLES = Path(__file__).parents[2] / "examples"
CLEAN: dict[str, Any] = {
    "title": "Pay", "effect": "write", "categories": ["financial"], "method": "POST", "path": "/pay",
    "arguments": {
        "amount": {"in": "body", "schema": {"type": "integer"}},
        "to": {"in": "body", "schema": {"type": "string"}},
        "token": {"in": "body", "schema": {"type": "string"}},
    },
    "idempotency": {"mode": "native_key", "body": "token"},
    "amount": {"minor": "${{ arguments.amount }}", "currency": "EUR"}, "counterparty": "${{ arguments.to }}",
    "sentence": "Pay ${{ money }} to ${{ arguments.to }}",
    "facts": [
        {"label": "Sum", "shows": "amount", "format": "money", "becomes": "${{ arguments.amount }}", "currency": "EUR", "critical": True},
        {"label": "To", "shows": "to", "format": "identity", "becomes": "${{ arguments.to }}", "name": "${{ reads.who.name }}"},
    ],
}  # fmt: skip
SUM, TO = CLEAN["facts"]
LACKING: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, []),
    "a fact": ({"facts": [SUM]}, ["No fact shows to. Signers see it as its schema calls it."]),
    "a fact for what has no schema": (
        {"arguments": {**CLEAN["arguments"], "more": {"in": "body", "schema": {"type": "object"}}}},
        ["Nothing tells what more means. Where it is used, one more has to sign."],
    ),
    "what a fact promises": (
        {"facts": [SUM, {**TO, "becomes": "${{ reads.who.id }}"}]},
        ["The fact 'To' does not show to as it is sent.", "No fact shows to. Signers see it as its schema calls it."],
    ),
    "an argument": (
        {"facts": [SUM, TO, {"label": "X", "shows": "x", "becomes": "${{ arguments.x }}"}]},
        ["The fact 'X' shows x, which there is not."],
    ),
    "labels of their own": ({"facts": [SUM, {**TO, "label": "Sum"}]}, ["Two facts are called 'Sum'."]),
    "a currency": (
        {"facts": [{name: SUM[name] for name in SUM if name != "currency"}, TO]}, ["The amount 'Sum' has no currency."],
    ),
    "a name": (
        {"facts": [SUM, {name: TO[name] for name in TO if name != "name"}]}, ["The identity 'To' has no name beside it."],
    ),
    "a name that somebody else knows": (
        {"facts": [SUM, {**TO, "name": "${{ arguments.called }}"}]},
        ["The name beside 'To' is what was sent, and no system of record's."],
    ),
    "a critical fact": ({"facts": [{**SUM, "critical": False}, TO]}, ["It is financial, and no fact is critical."]),
    "an amount": ({"amount": None}, ["It is financial, and no amount is described."]),
    "a counterparty": ({"counterparty": None}, ["It is financial, and nobody says who is at the other end."]),
    "a sentence": ({"sentence": None}, ["No sentence says what it does, to what."]),
    "a target": ({"sentence": "Pay ${{ money }}"}, ["The sentence names nothing that it is done to."]),
}  # fmt: skip


@pytest.mark.parametrize("name", LACKING)
def test_each_lack_is_said(name: str) -> None:
    change, expected = LACKING[name]
    document = {key: value for key, value in {**CLEAN, **change}.items() if value is not None}
    found = lint(Description("pay", document))
    assert [one.text for one in found] == expected
    assert {one.code for one in found} <= LACKS.keys()


def test_a_read_needs_no_sentence_and_no_facts() -> None:
    assert lint(Description("look", {"title": "L", "effect": "read", "arguments": CLEAN["arguments"]})) == []


def test_lacks_are_counted_over_many() -> None:
    bare = {name: CLEAN[name] for name in CLEAN if name not in ("sentence", "facts")}
    found = counted([Description(f"pay_{number}", bare) for number in range(3)], {}, examples=2)
    assert found == [
        {"text": LACKS[code], "count": 3, "slugs": ["pay_0", "pay_1"]} for code in ("by_schema", "no_critical", "no_sentence")
    ]  # fmt: skip


def shipped() -> Iterator[tuple[str, Description]]:
    for file in sorted((EXAMPLES / "integrations").glob("*.yaml")):
        yield from ((f"{file.stem}.{one.slug}", one) for one in parse(file.read_text())[1])
    yield from ((f"countersign.{slug}", one) for slug, one in described().items())


SHIPPED = dict(shipped())
# What a command, or a change of many files, is done to has no name that a sentence could hold: the fact is all of it.
NAMELESS = {"coding-agent.bash": ["no_target"], "coding-agent.file_change": ["no_target"]}
OVERLAYS = sorted((EXAMPLES / "overlays").glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_signers_miss_nothing_of_what_is_shipped(name: str) -> None:
    assert [one.code for one in lint(SHIPPED[name])] == NAMELESS.get(name, [])


@pytest.mark.parametrize("file", OVERLAYS, ids=lambda file: file.stem)
def test_what_an_overlay_says_is_said_well(file: Path) -> None:
    overlay = read_overlay(file.read_text())
    said = [*overlay.operations.values(), *(rule.facts for rule in overlay.rules)]
    assert [list(lint_facts(one)) for one in said] == [[] for _ in said]


READS: dict[str, Any] = {
    "charge": {"id": "ch_1", "description": "x", "amount": 9, "amount_refunded": 0, "currency": "eur", "customer": "cus_1"},
    "customer": {"id": "cus_1", "name": "Zoë", "email": "zoe@a.example"},
    "subscription": {"id": "sub_1", "customer": "cus_1", "status": "active", "items": {"data": [
        {"quantity": 1, "plan": {"nickname": "Studio", "interval": "month", "amount": 1, "currency": "eur"}}]}},
    "user": {"GetUserResponse": {"GetUserResult": {"User": {"Arn": "arn:u", "UserName": "u"}}}},
    "policy": {"GetPolicyResponse": {"GetPolicyResult": {"Policy": {
        "PolicyName": "p", "Description": "d", "DefaultVersionId": "v1"}}}},
    "attached": {"ListAttachedUserPoliciesResponse": {"ListAttachedUserPoliciesResult": {"AttachedPolicies": [
        {"PolicyName": "q", "PolicyArn": "arn:q"}]}}},
}  # fmt: skip
VALUES: dict[str, tuple[Any, Any]] = {
    "string": ("one", "two"), "integer": (1, 2), "number": (1.5, 2.5), "boolean": (True, False)
}  # fmt: skip


def values(schema: dict[str, Any]) -> tuple[Any, Any]:
    """Two that are not the same."""
    if schema["type"] == "array":
        return tuple([one] for one in values(schema["items"]))  # type: ignore[return-value]  # two
    if schema["type"] == "object":
        parts = {name: values(part) for name, part in schema["properties"].items() if "type" in part}
        return tuple({name: two[which] for name, two in parts.items()} for which in (0, 1))  # type: ignore[return-value]  # two
    return VALUES[schema["type"]]


CHANGES = [
    (name, argument) for name, one in SHIPPED.items() if one.effect != "read" for argument in one.arguments
]  # fmt: skip


def page(operation: Description, arguments: dict[str, Any]) -> tuple[Any, ...]:
    """What stands there to be read: raw values and digests do not count."""
    facts: Facts = decode(operation, arguments, READS, "key")
    return facts.sentence, [(line.label, line.was, line.becomes, line.name) for line in lines(facts.lines)]


@pytest.mark.parametrize(("name", "argument"), CHANGES)
def test_no_argument_can_be_another_one_unseen(name: str, argument: str) -> None:
    operation = SHIPPED[name]
    given = {key: values(one["schema"])[0] for key, one in operation.arguments.items()}
    other = {**given, argument: values(operation.arguments[argument]["schema"])[1]}
    assert page(operation, given) != page(operation, other)
    bare = {key: value for key, value in given.items() if key != argument}
    if argument == "amount":  # without which nothing is shown at all
        with pytest.raises(Invalid, match="could not be decoded"):
            page(operation, bare)
    else:
        assert page(operation, given) != page(operation, bare)


def test_every_argument_that_changes_something_is_among_those_tried() -> None:
    writes = [one for one in SHIPPED.values() if one.effect != "read"]
    assert (len(writes), len(CHANGES)) == (12, sum(len(one.arguments) for one in writes))
