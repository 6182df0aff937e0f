"""What a grant allows of the arguments of its operations, and how often. Pure; whatever is missing is not allowed."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from console.core.documents import load
from console.core.errors import Invalid

LONGEST_TEXT = 2_000  # characters that a pattern is tried on
_VALUE = {"type": ["string", "number", "boolean"]}
_ARGUMENT = {
    "type": "object",
    "properties": {
        "equals": _VALUE,
        "one_of": {"type": "array", "items": _VALUE, "minItems": 1, "maxItems": 500},
        "at_least": {"type": "number"},
        "at_most": {"type": "number"},
        "pattern": {"type": "string", "minLength": 1, "maxLength": 200},
    },
    "minProperties": 1,
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "arguments": {
            "type": "object",
            "propertyNames": {"pattern": r"^[a-z][a-z0-9_]{0,63}$"},
            "additionalProperties": _ARGUMENT,
            "minProperties": 1,
            "maxProperties": 50,
        },
        "calls": {
            "type": "object",
            "properties": {
                "at_most": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
                "hours": {"type": "integer", "minimum": 1, "maximum": 24 * 366},
            },
            "required": ["at_most", "hours"],
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}


def read_limits(text: str) -> dict[str, Any]:
    """From YAML; {} for none. Raises Invalid with a line."""
    if not text.strip():
        return {}
    limits = load(text, SCHEMA)
    for name, limit in limits.get("arguments", {}).items():
        try:
            re.compile(limit.get("pattern", ""))
        except re.error as error:
            raise Invalid(f"arguments.{name}.pattern: {error}") from None
    return limits


def check_limits(limits: Mapping[str, Any], described: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """What is not allowed, in words; "" when all is. `described` are the operation's arguments: a limit on one that it
    does not have says nothing about it."""
    for name, limit in limits.get("arguments", {}).items():
        if name in described and (name not in arguments or not _within(limit, arguments[name])):
            return f"The grant allows {name} only {in_words(limit)}."
    return ""


def _within(limit: Mapping[str, Any], value: object) -> bool:
    return all(_TESTS[kind](wanted, value) for kind, wanted in limit.items())


def _same(wanted: object, value: object) -> bool:
    """As JSON has it: true is not 1."""
    return isinstance(wanted, bool) == isinstance(value, bool) and wanted == value


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _like(pattern: str, value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and bool(re.fullmatch(pattern, value))


_TESTS: Mapping[str, Any] = {
    "equals": _same,
    "one_of": lambda wanted, value: any(_same(one, value) for one in wanted),
    "at_least": lambda wanted, value: _number(value) and value >= wanted,
    "at_most": lambda wanted, value: _number(value) and value <= wanted,
    "pattern": _like,
}


def sentences(limits: Mapping[str, Any]) -> Iterator[str]:
    """Each limit as a person would say it."""
    for name, limit in limits.get("arguments", {}).items():
        yield f"{name} {in_words(limit)}"
    if calls := limits.get("calls"):
        yield f"at most {calls['at_most']:,} times in {calls['hours']:,} hour{'s' * (calls['hours'] != 1)}"


def in_words(limit: Mapping[str, Any]) -> str:
    told = []
    for kind, wanted in limit.items():
        match kind:
            case "one_of":
                told.append("one of " + ", ".join(_shown(one) for one in wanted))
            case "pattern":
                told.append(f"like {wanted}")
            case "equals":
                told.append(_shown(wanted))
            case _:
                told.append(f"{kind.replace('_', ' ')} {wanted:,}")
    return " and ".join(told)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
