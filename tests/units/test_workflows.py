"""Workflows as people write them: what is wrong is named with its place, and nothing of it is stored."""
# ruff: noqa: E501  (a row of a table is one line)

from typing import Any

import pytest

from console.accounts.people import create_team
from console.core.actor import Actor, Role, system
from console.core.errors import Invalid
from console.workflows.inputs import read_inputs
from console.workflows.models import Workflow
from console.workflows.publish import publish_workflow
from console.workflows.spec import order, parse

HEAD = "workflow: w\ntitle: W\n"
PAIRS = "{pairs: {of: '${{ steps.a }}', same: [%s], within: {field: %s, seconds: 1}%s}}"


def steps(text: str) -> str:
    return f"{HEAD}steps:\n  {text}\n"


REFUSED = {
    "no steps": (f"{HEAD}steps: {{}}", r"^steps \(line 3\)"),
    "an unknown key": (f"{HEAD}step: 1", r"^document \(line 1\): .*'step' was unexpected"),
    "an unknown key of a step": (steps("a: {call: x.y, with: {}}"), r"^steps.a \(line 4\): .*'with' was unexpected"),
    "two kinds": (steps("a: {call: x.y, sleep: {seconds: 1}}"), r"^steps.a"),
    "no kind": (steps("a: {title: nothing}"), r"^steps.a"),
    "a name with a capital": (steps("A: {call: x.y}"), r"'A' does not match"),
    "a call without a dot": (steps("a: {call: xy}"), r"^steps.a.call \(line 4\): 'xy' does not match"),
    "a bad expression": (steps("a: {call: x.y, arguments: {n: '${{ a[ }}'}}"), r"^steps.a: 'a\[' is not an expression"),
    "a bad expression in what it says": (steps("a: {call: x.y, says: 'x ${{ } }}'}"), "^steps.a: "),
    "for_each without expression": (steps("a: {call: x.y, for_each: all}"), r"^steps.a.for_each \(line 4\)"),
    "a bad filter": (steps("a: " + PAIRS % ("x", "t", ", where: 'a &&'")), r"^steps.a.pairs"),
    "a bad field": (steps("a: " + PAIRS % ("x", "'t['", "")), r"^steps.a.pairs"),
    "a bad field that must agree": (steps("a: " + PAIRS % ("'x..y'", "t", "")), r"^steps.a.pairs"),
    "an unknown step read": (steps("a: {call: x.y, arguments: {n: '${{ steps.b }}'}}"), r"^steps.a: there is no step 'b'"),
    "an unknown step waited for": (steps("a: {call: x.y, after: [c]}"), r"^steps.a: there is no step 'c'"),
    "a step that waits for itself": (steps("a: {call: x.y, after: [a]}"), r"^steps: they wait for each other: a → a"),
    "a circle": (steps("a: {call: x.y, after: [b]}\n  b: {call: x.y, arguments: {n: '${{ steps.a }}'}}"),
                 r"^steps: they wait for each other: (a → b → a|b → a → b)"),
    "too long a sleep": (steps("a: {sleep: {seconds: 3601}}"), r"^steps.a.sleep.seconds \(line 4\)"),
    "an input of an unknown type": (f"{HEAD}inputs: {{n: {{type: float}}}}\nsteps: {{a: {{call: x.y}}}}", r"^inputs.n.type \(line 3\)"),
    "a default of another type": (f"{HEAD}inputs: {{n: {{type: integer, default: '1'}}}}\nsteps: {{a: {{call: x.y}}}}",
                                  r"^inputs.n.default: this is not of type integer"),
    "a boolean for a number": (f"{HEAD}inputs: {{n: {{type: integer, default: true}}}}\nsteps: {{a: {{call: x.y}}}}",
                               r"^inputs.n.default"),
    "a pattern that is none": (f"{HEAD}inputs: {{n: {{type: string, pattern: '('}}}}\nsteps: {{a: {{call: x.y}}}}",
                               r"^inputs.n.pattern: "),
    "a name in capitals": ("workflow: W\ntitle: W\nsteps: {a: {call: x.y}}", r"^workflow \(line 1\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_place(name: str) -> None:
    text, says = REFUSED[name]
    with pytest.raises(Invalid, match=says):
        parse(text)


@pytest.mark.django_db
@pytest.mark.parametrize("name", REFUSED)
def test_nothing_of_a_refused_workflow_is_stored(name: str) -> None:
    team = create_team("t", "T", actor=system("test"))
    with pytest.raises(Invalid):
        publish_workflow(
            REFUSED[name][0], actor=Actor("human", "usr_a", team.id, "session", roles=frozenset({Role.ADMIN}))
        )
    assert Workflow.objects.count() == 0


def test_steps_come_in_an_order_in_which_they_can_run() -> None:
    document = parse(
        steps("c: {call: x.y, after: [b]}\n  a: {call: x.y}\n  b: {call: x.y, arguments: {n: '${{ steps.a.id }}'}}")
    )
    assert order(document["steps"]) == ["a", "b", "c"]


INPUTS = {
    "n": {"type": "integer", "default": 5},
    "s": {"type": "string", "pattern": "[a-z]+"},
    "b": {"type": "boolean", "default": False},
}
GIVEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"s": "ab"}, {"n": 5, "s": "ab", "b": False}),
    ({"s": "ab", "n": "-7", "b": "on"}, {"n": -7, "s": "ab", "b": True}),
    ({"s": "ab", "n": 7, "b": "false"}, {"n": 7, "s": "ab", "b": False}),
    ({"s": "ab", "n": "", "b": None}, {"n": 5, "s": "ab", "b": False}),
]


@pytest.mark.parametrize(("given", "expected"), GIVEN)
def test_inputs_are_read(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert read_inputs({"inputs": INPUTS}, given) == expected


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "Give the input 's'"),
    ({"s": ""}, "Give the input 's'"),
    ({"s": "AB"}, "'s' must be of type string and match"),
    ({"s": "ab\n"}, "'s' must be of type string and match"),
    ({"s": 5}, "'s' must be of type string"),
    ({"s": "a", "n": True}, "'n' must be of type integer"),
    ({"s": "a", "n": 1.0}, "'n' must be of type integer"),
    ({"s": "a", "n": "1e3"}, "'n' must be of type integer"),
    ({"s": "a", "n": "٣"}, "'n' must be of type integer"),
    ({"s": "a", "n": "9" * 16}, "'n' must be of type integer"),
    ({"s": "a", "b": "yes"}, "'b' must be of type boolean"),
    ({"s": "a", "x": 1}, "no input 'x'"),
]


@pytest.mark.parametrize(("given", "says"), WRONG)
def test_a_wrong_input_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        read_inputs({"inputs": INPUTS}, given)
