"""Descriptions of integrations: what is wrong is named with its place."""
# ruff: noqa: E501  (a row of a table is one line)

from typing import Any

import pytest

from console.core.errors import Invalid
from integrations.description import Description, parse

READ = "  look: {title: L, effect: read, method: GET, path: /l, arguments: {id: {in: query, schema: {type: string}}}}\n"
HEAD = "integration: crm\ntitle: CRM\noperations:\n" + READ


def described(text: str) -> str:
    return f"{HEAD}  act: {{title: A, effect: write, method: POST, path: /a{text}}}\n"


REFUSED = {
    "an unknown effect": (HEAD.replace("effect: read", "effect: look"), r"^operations.look.effect \(line 4\): 'look'"),
    "a read that posts": (HEAD.replace("GET", "POST"), "^operations.look: effect read with POST"),
    "a path without a slash": (HEAD.replace("path: /l", "path: l"), r"^operations.look.path \(line 4\)"),
    "an unknown key": (described(", timeout: 3"), r"^operations.act \(line 5\): .*'timeout' was unexpected"),
    "an unknown category": (described(", categories: [money]"), r"^operations.act.categories.0"),
    "an unknown mode": (described(", idempotency: {mode: maybe}"), r"^operations.act.idempotency.mode"),
    "a path argument without place": (described(", arguments: {id: {in: path, schema: {}}}"), r"the path has no \{id\}"),
    "a schema that is none": (described(", arguments: {id: {in: body, schema: {type: txt}}}"), r"^operations.act.arguments.id.schema: 'txt'"),
    "a pattern that is none": (described(", arguments: {id: {in: body, schema: {pattern: '('}}}"), r"^operations.act.arguments.id.schema: "),
    "a schema from elsewhere": (described(", arguments: {id: {in: body, schema: {$ref: 'http://127.0.0.1/s'}}}"), r"arguments.id.schema: 'http://127.0.0.1/s'"),
    "a schema from a file": (described(", arguments: {id: {in: body, schema: {items: {$ref: 'file:///etc/passwd'}}}}"), r"'file:///etc/passwd'"),
    "a reference to nothing": (described(", arguments: {id: {in: body, schema: {$ref: '#/$defs/x'}}}"), r"schema: "),
    "an expression that is none": (described(", sentence: 'x ${{ a[ }}'"), r"^operations.act: 'a\[' is not an expression"),
    "a read that is not there": (described(", reads: {x: {operation: none, pin: [id]}}"), r"^operations.act.reads.x: 'none' is not an operation"),
    "a read that writes": (described(", reads: {x: {operation: act, pin: [id]}}"), r"^operations.act.reads.x: 'act' is not an operation of effect read"),
    "a read that pins nothing": (described(", reads: {x: {operation: look, pin: []}}"), r"^operations.act.reads.x.pin"),
    "a probe that writes": (described(", probe: {operation: act, happened: x}"), r"^operations.act.probe"),
    "a probe's condition": (described(", probe: {operation: look, happened: 'x['}"), r"^operations.act.probe.happened"),
    "a probe's condition on what it cannot see": (described(", probe: {operation: look, happened: 'id == ${{ reads.x }}'}"), r"^operations.act.probe.happened: 'reads.x' is neither key nor an argument"),
    "fixed fields of a body that is none of fields": (described(", body: {form: json, fixed: [[a, b]]}"), r"^operations.act.body.fixed: is for a form"),
    "a key in a body that is one argument": (described(", body: json, arguments: {all: {in: body, whole: true, schema: {}}}, idempotency: {mode: native_key, body: key}"), r"^operations.act.idempotency.body: the body is one argument"),
    "a requirement": (described(", requires: [{that: 'x[', text: never}]"), r"^operations.act.requires.0.that"),
    "a way back that is text": (described(", compensation: unact"), r"^operations.act.compensation"),
    "a way back that is not there": (described(", compensation: {operation: unact}"), r"^operations.act.compensation: 'unact' is not an operation"),
    "a way back that only looks": (described(", compensation: {operation: look}"), r"^operations.act.compensation: 'look' is not an operation"),
    "a way back with an argument that it does not know": (described(", compensation: {operation: act, arguments: {who: x}}"), r"^operations.act.compensation: act has no argument 'who'"),
    "a way back that lacks an argument": (described(", arguments: {id: {in: body, required: true, schema: {}}}, compensation: {operation: act}"), r"^operations.act.compensation: act needs the argument 'id'"),
    "a way back by an argument that there is not": (described(", arguments: {id: {in: body, schema: {}}}, compensation: {operation: act, arguments: {id: '${{ arguments.ids }}'}}"), r"^operations.act: there is no argument 'ids'"),
    "no operations": ("integration: crm\ntitle: CRM\noperations: {}", r"^operations \(line 3\)"),
    "a credential of an unknown type": (HEAD + "credential: {type: magic}", r"^credential.type"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_place(name: str) -> None:
    text, says = REFUSED[name]
    with pytest.raises(Invalid, match=says):
        parse(text)


def test_the_unknown_counts_as_the_worst() -> None:
    _, operations = parse(described(""))
    act = next(operation for operation in operations if operation.slug == "act")
    assert (act.mode, act.document.get("trust", "imported")) == ("unknown", "imported")


def test_the_digest_is_over_all_that_is_described() -> None:
    base: dict[str, Any] = {"title": "A", "effect": "write", "method": "POST", "path": "/a"}
    changes: list[dict[str, Any]] = [
        {}, {"title": "B"}, {"effect": "read"}, {"path": "/b"}, {"categories": []}, {"trust": "proven"},
    ]  # fmt: skip
    digests = {Description("a", base | changed).digest for changed in changes}
    assert len(digests | {Description("b", base).digest}) == 7
    assert Description("a", dict(reversed(base.items()))).digest == Description("a", base).digest


ARGUMENTS = Description("act", {"arguments": {
    "id": {"in": "body", "required": True, "schema": {"$ref": "#/$defs/id", "$defs": {"id": {"type": "string", "pattern": "^[a-z]+$"}}}},
    "n": {"in": "body", "schema": {"type": "integer", "minimum": 1}}}})  # fmt: skip


@pytest.mark.parametrize(("given", "says"), [
    ({}, "needs the argument 'id'"), ({"id": "A"}, "argument 'id'"), ({"id": "a", "n": 0}, "argument 'n'"),
    ({"id": "a", "n": "1"}, "argument 'n'"), ({"id": "a", "x": 1}, "has no argument 'x'"), ({"id": None}, "argument 'id'"),
])  # fmt: skip
def test_arguments_that_do_not_fit_are_refused_by_name(given: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says) as refusal:
        ARGUMENTS.check_arguments(given)
    assert refusal.value.code == "invalid_arguments"


def test_arguments_that_fit_pass() -> None:
    ARGUMENTS.check_arguments({"id": "abc", "n": 1})
