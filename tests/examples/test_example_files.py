"""The YAML files agree with each other. Whether they mean what they should is for the parsers' own tests."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jmespath
import pytest
import yaml
from jsonschema import Draft202012Validator

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*/*.yaml"))
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")


def load(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


INTEGRATIONS = {one["integration"]: one for file in FILES if "integration" in (one := load(file))}
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{slug}.{name}": one for slug, found in INTEGRATIONS.items() for name, one in found["operations"].items()
}
WORKFLOWS = [file for file in FILES if "workflow" in load(file)]


def strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from strings(inner)
        case list():
            for inner in value:
                yield from strings(inner)


def agrees(operation: str, arguments: dict[str, Any]) -> bool:
    """Every argument is known, and every one that must be there is."""
    known = OPERATIONS[operation]["arguments"]
    needed = {name for name, argument in known.items() if argument.get("required")}
    return needed <= set(arguments) <= set(known)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_expression_is_jmespath(file: Path) -> None:
    for text in strings(yaml.safe_load(file.read_text())):
        for expression in EXPRESSION.findall(text):
            jmespath.compile(expression.strip())


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_fits_its_own_arguments(name: str) -> None:
    operation = OPERATIONS[name]
    for argument in operation["arguments"].values():
        Draft202012Validator.check_schema(argument["schema"])
    in_path = {named for named, argument in operation["arguments"].items() if argument["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", operation["path"]))
    for read in [
        *operation.get("reads", {}).values(),
        *([operation["probe"]] if "probe" in operation else []),
    ]:
        target = f"{name.partition('.')[0]}.{read['operation']}"
        assert agrees(target, read["arguments"])
        assert OPERATIONS[target]["effect"] == "read"


@pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if one["effect"] != "read"])
def test_a_reviewer_is_shown_every_argument_of_an_effect(name: str) -> None:
    operation = OPERATIONS[name]
    assert {fact["shows"] for fact in operation["facts"] if "shows" in fact} == operation["arguments"].keys()


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_calls_operations_that_exist(file: Path) -> None:
    called = [step for step in load(file)["steps"].values() if "call" in step]
    assert called
    assert all(agrees(step["call"], step["arguments"]) for step in called)


def test_the_policy_ends_with_a_rule_for_everything_else() -> None:
    rules = load(EXAMPLES / "policies" / "demo.yaml")["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert (rules[-1]["when"], rules[-1]["then"]) == ({}, "review")
