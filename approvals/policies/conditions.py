"""Conditions in the Common Expression Language, over flat typed fields. What cannot be told is None, never false."""

import functools
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from console.core.errors import Invalid

if TYPE_CHECKING:
    import cel

FUNCTIONS = ("contains", "endsWith", "int", "lowerAscii", "size", "startsWith", "string")
_OPERATORS = re.compile(r"[!-]?_.*|@in|!")  # such as _&&_ and -_: nobody can write these names as functions


def check_condition(source: str, fields: Collection[str]) -> frozenset[str]:
    """The fields that it names. Raises Invalid for a misspelt one, an unknown function, or what is no expression."""
    named = _program(source).references()
    if unknown := sorted(set(named["variables"]) - set(fields)):  # also what a macro such as `exists` names itself
        raise Invalid(f"unknown field {', '.join(unknown)}; there are {', '.join(sorted(fields))}")
    functions = {name for name in named["functions"] if not _OPERATORS.fullmatch(name)}
    if unknown := sorted(functions - set(FUNCTIONS)):
        raise Invalid(f"unknown function {', '.join(unknown)}; there are {', '.join(FUNCTIONS)}")
    return frozenset(named["variables"])


def fields_named(source: str) -> frozenset[str]:
    return frozenset(_program(source).references()["variables"])


def evaluate(source: str, values: Mapping[str, Any]) -> bool | None:
    """None where a field that it needs is not there, types differ, or its value is no truth."""
    try:
        value = _program(source).execute({name: value for name, value in values.items() if value is not None})
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001  (the library's own panics are no Exception; it could not be told)
        return None
    return value if isinstance(value, bool) else None


@functools.lru_cache(maxsize=2_000)
def _program(source: str) -> "cel.Program":
    import cel  # noqa: PLC0415  (it brings a program for the command line along; most processes rule on nothing)

    try:
        return cel.compile(source)
    except (ValueError, TypeError, RuntimeError) as error:
        raise Invalid(f"not an expression: {str(error).partition('ERROR: ')[2] or error:.200}") from None
