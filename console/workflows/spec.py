"""A workflow's YAML: steps of a few generic kinds, wired by expressions. Pure; every error names its place."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from console.core import expressions
from console.core.documents import load
from console.core.errors import Invalid
from console.core.patterns import check_pattern
from console.core.pointers import POINTER

KINDS = ("call", "event", "pairs", "sleep")
_NAME = "^[a-z][a-z0-9_]{0,63}$"
_TEXT = {"type": "string", "minLength": 1, "maxLength": 4000}
_INPUT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["type"],
    "properties": {
        "type": {"enum": ["string", "integer", "boolean"]},
        "title": _TEXT,
        "default": {"type": ["string", "integer", "boolean"]},
        "pattern": {"type": "string"},
    },
}
_PAIRS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["of", "same", "within"],
    "properties": {
        "of": _TEXT,
        "where": _TEXT,
        "same": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "within": {
            "type": "object",
            "additionalProperties": False,
            "required": ["field", "seconds"],
            "properties": {"field": {"type": "string"}, "seconds": {"type": "integer", "minimum": 0}},
        },
    },
}
_EVENT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["webhook", "within"],
    "properties": {
        "webhook": {"type": "string", "pattern": r"^[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*$"},
        "type": {"type": "string", "minLength": 1, "maxLength": 200},
        "where": {"type": "object", "maxProperties": 20, "propertyNames": {"pattern": f"^{POINTER.pattern}$"}},
        "within": {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                unit: {"type": "number", "exclusiveMinimum": 0, "maximum": most}
                for unit, most in (("seconds", 3_600), ("minutes", 1_440), ("hours", 720), ("days", 30))
            },
        },
    },
}
_STEP = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "title": _TEXT,
        "after": {"type": "array", "items": {"type": "string"}},
        "for_each": {"type": "string", "pattern": r"^\$\{\{.*\}\}$"},
        "call": {"type": "string", "pattern": r"^[a-z][a-z0-9-]*\.[a-z][a-z0-9_]*$"},
        "arguments": {"type": "object"},
        "says": _TEXT,
        "evidence": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["title", "value"],
                "properties": {"title": _TEXT, "value": {}},
            },
        },
        "event": _EVENT,
        "pairs": _PAIRS,
        "sleep": {"type": "object", "additionalProperties": False, "required": ["seconds"],
                  "properties": {"seconds": {"type": "number", "minimum": 0, "maximum": 3600}}},
    },
    "oneOf": [{"required": [kind]} for kind in KINDS],
}  # fmt: skip
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["workflow", "title", "steps"],
    "properties": {
        # `publish` is the address of a page.
        "workflow": {"type": "string", "pattern": "^(?!publish$)[a-z][a-z0-9-]{0,63}$"},
        "title": _TEXT,
        "description": {"type": "string"},
        "on_failure": {"enum": ["keep", "undo"]},
        "inputs": {"type": "object", "propertyNames": {"pattern": _NAME}, "additionalProperties": _INPUT},
        "steps": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 200,
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": _STEP,
        },
    },
}


def parse(text: str) -> dict[str, Any]:
    """The document, checked: keys, types, expressions, names of steps and inputs, no cycles. Raises Invalid."""
    document = load(text, SCHEMA)
    steps = document["steps"]
    for name, step in steps.items():
        where = f"steps.{name}"
        if sum(kind in step for kind in KINDS) != 1:
            raise Invalid(f"{where}: give exactly one of {', '.join(KINDS)}")
        expressions.compile_all(step, where)
        _check_pairs(step.get("pairs"), f"{where}.pairs")
        unknown = needs(step) - steps.keys()
        if unknown:
            raise Invalid(f"{where}: there is no step {sorted(unknown)[0]!r}")
    _check_cycles(steps)
    _check_inputs(document)
    return document


def kind_of(step: Mapping[str, Any]) -> str:
    return next(kind for kind in KINDS if kind in step)


def needs(step: Mapping[str, Any]) -> frozenset[str]:
    """The steps that must have succeeded before: those named by `after` and those whose output is read."""
    return frozenset(step.get("after", [])) | expressions.steps_named(dict(step))


def order(steps: Mapping[str, Any]) -> list[str]:
    """A possible order of execution; steps that could run together keep the order they are written in."""
    return list(TopologicalSorter({name: sorted(needs(step)) for name, step in steps.items()}).static_order())


def _check_pairs(pairs: Mapping[str, Any] | None, where: str) -> None:
    """These fields are expressions themselves, without `${{ }}`."""
    if pairs is None:
        return
    for field in [*pairs["same"], pairs["within"]["field"], *([pairs["where"]] if "where" in pairs else [])]:
        expressions.check(field, where)


def _check_cycles(steps: Mapping[str, Any]) -> None:
    try:
        order(steps)
    except CycleError as error:
        raise Invalid(f"steps: they wait for each other: {' → '.join(reversed(error.args[1]))}") from None


def _check_inputs(document: Mapping[str, Any]) -> None:
    types = {"string": str, "integer": int, "boolean": bool}
    for name, described in document.get("inputs", {}).items():
        if "default" in described and type(described["default"]) is not types[described["type"]]:
            raise Invalid(f"inputs.{name}.default: this is not of type {described['type']}")
        try:
            check_pattern(described.get("pattern", ""))
        except Invalid as error:
            raise Invalid(f"inputs.{name}.pattern: {error.text}") from None
