"""What a grant allows of the arguments of its operations, how often, and how much in all. Pure; whatever is missing is
not allowed."""

import datetime as dt
import json
import re
import unicodedata
from bisect import bisect_right, insort
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any

from console.core.canonical import SAFE_INTEGER
from console.core.documents import load
from console.core.errors import Invalid
from console.core.patterns import check_pattern, fits

_Told = tuple[dt.datetime, Decimal]  # when, and how much
_DIGITS = re.compile(r"[0-9]{1,30}(\.[0-9]{1,10})?")
_ZEROS = re.compile(r"^0+(?=[0-9])|(?<=[0-9])\.0+$")
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
_HOURS = {"type": "integer", "minimum": 1, "maximum": 24 * 366}
_NAME = {"type": "string", "pattern": r"^[a-z][a-z0-9_]{0,63}$"}
_SUM = {
    "type": "object",
    "properties": {
        "argument": _NAME,
        "at_most": {"type": "number", "exclusiveMinimum": 0, "maximum": SAFE_INTEGER},
        "hours": _HOURS,
        "by": _NAME,
    },
    "required": ["argument", "at_most", "hours"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "arguments": {
            "type": "object",
            "propertyNames": _NAME,
            "additionalProperties": _ARGUMENT,
            "minProperties": 1,
            "maxProperties": 50,
        },
        "calls": {
            "type": "object",
            "properties": {
                "at_most": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
                "hours": _HOURS,
            },
            "required": ["at_most", "hours"],
            "additionalProperties": False,
        },
        "sums": {"type": "array", "items": _SUM, "minItems": 1, "maxItems": 10},
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
            check_pattern(limit.get("pattern", ""))
        except Invalid as error:
            raise Invalid(f"arguments.{name}.pattern: {error.text}") from None
    return limits


def check_limits(limits: Mapping[str, Any], described: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """What is not allowed, in words; "" when all is. `described` are the operation's arguments: a limit on one that it
    does not have says nothing about it."""
    for name, limit in limits.get("arguments", {}).items():
        if name in described and (name not in arguments or not _within(limit, arguments[name])):
            return f"The grant allows {name} only {in_words(limit)}."
    for cap in limits.get("sums", []):
        if cap["argument"] not in described:
            continue
        if amount(arguments.get(cap["argument"])) is None:
            return f"The grant asks for {cap['argument']}, as a number that is not below zero."
        if cap.get("by") in described and not isinstance(arguments.get(cap["by"]), str | int | float):
            return f"The grant asks for {cap['by']}, as one value."
    return Spent({"sums": limits.get("sums", [])}).beyond(dt.datetime.max, arguments)


class Spent:
    """What was asked for already, as far as the limits count it."""

    def __init__(self, limits: Mapping[str, Any]) -> None:
        self._calls, self._sums = limits.get("calls"), limits.get("sums", [])
        self._times: list[_Told] = []
        self._amounts: list[dict[str, list[_Told]]] = [{} for _ in self._sums]  # for each of them, by bucket

    def add(self, at: dt.datetime, arguments: Mapping[str, Any]) -> None:
        insort(self._times, (at, Decimal(1)))
        for cap, amounts in zip(self._sums, self._amounts, strict=True):
            if asked := amount(arguments.get(cap["argument"])):
                insort(amounts.setdefault(bucket(cap, arguments), []), (at, asked))

    def beyond(self, at: dt.datetime, arguments: Mapping[str, Any]) -> str:
        """Why it is too much beside what was added of up to then, in words; "" when it is not."""
        if (calls := self._calls) and len(_within_hours(self._times, calls, at)) >= calls["at_most"]:
            return f"The grant allows this {_how_often(calls)}."
        for cap, amounts in zip(self._sums, self._amounts, strict=True):
            asked = amount(arguments.get(cap["argument"]))
            if asked is None:
                continue  # of an operation that has no such argument
            before = _within_hours(amounts.get(bucket(cap, arguments), []), cap, at)
            if sum((one for _, one in before), asked) > Decimal(str(cap["at_most"])):
                return f"The grant allows {_in_all(cap)}."
        return ""


def _within_hours(told: Sequence[_Told], counted: Mapping[str, Any], at: dt.datetime) -> Sequence[_Told]:
    since = bisect_right(told, at - dt.timedelta(hours=counted["hours"]), key=itemgetter(0))
    return told[since : bisect_right(told, at, key=itemgetter(0))]


def longest(limits: Mapping[str, Any]) -> int:
    """Of the times over which it is counted, in hours; 0 where nothing is."""
    counted = [*limits.get("sums", []), *([limits["calls"]] if "calls" in limits else [])]
    return max((int(one["hours"]) for one in counted), default=0)


def amount(value: object) -> Decimal | None:
    """Exactly as it is written: a number, or one as text. None for anything else, and for what is below zero."""
    match value:
        case bool():
            return None
        case int() | float() if value >= 0:
            return Decimal(str(value))
        case str() if _DIGITS.fullmatch(value):
            return Decimal(value)
    return None


def bucket(cap: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """What is added up together: whatever the other side may take for the same, such as 42, "42." and "+042", or a
    currency in other letters. Where it does tell them apart, less is allowed than could be."""
    value = arguments.get(cap["by"]) if "by" in cap else None
    text = _plain(value if isinstance(value, str) else json.dumps(value, sort_keys=True))
    try:
        number = Decimal(text) + 0
    except ArithmeticError:
        return _ZEROS.sub("", text)
    return str(number.normalize()) if number.is_finite() else text


def _plain(text: str) -> str:
    """Without width, capitals, spaces, and what nobody sees or stands on a letter."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char for char in folded if char.isprintable() and char != " " and unicodedata.category(char) != "Mn")


def _within(limit: Mapping[str, Any], value: object) -> bool:
    return all(_TESTS[kind](wanted, value) for kind, wanted in limit.items())


def _same(wanted: object, value: object) -> bool:
    """As JSON has it: true is not 1."""
    return isinstance(wanted, bool) == isinstance(value, bool) and wanted == value


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _like(pattern: str, value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and fits(pattern, value)


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
        yield _how_often(calls)
    yield from map(_in_all, limits.get("sums", []))


def _how_often(calls: Mapping[str, Any]) -> str:
    return f"at most {calls['at_most']:,} times in {_hours(calls)}"


def _in_all(cap: Mapping[str, Any]) -> str:
    each = f" for each {cap['by']}" if "by" in cap else ""
    return f"{cap['argument']} at most {cap['at_most']:,} in all in {_hours(cap)}{each}"


def _hours(counted: Mapping[str, Any]) -> str:
    return f"{counted['hours']:,} hour{'s' * (counted['hours'] != 1)}"


def fitting(limits: Mapping[str, Any], arguments: Collection[str]) -> dict[str, Any]:
    """Those that say something where there are no other arguments than these."""
    left = {
        "arguments": {name: limit for name, limit in limits.get("arguments", {}).items() if name in arguments},
        "calls": limits.get("calls"),
        "sums": [cap for cap in limits.get("sums", []) if cap["argument"] in arguments],
    }
    return {name: value for name, value in left.items() if value}


def named(limits: Mapping[str, Any]) -> set[str]:
    """The arguments that they are about."""
    sums = {str(cap[name]) for cap in limits.get("sums", []) for name in ("argument", "by") if name in cap}
    return sums | set(limits.get("arguments", {}))


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
