"""The decoded lines of an action as a page shows them: each value in the form that its kind has. Pure.

Nothing is cut off: what is long stands folded, beside how long it is.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from approvals.facts import is_money
from approvals.forms import FEW_CHARACTERS, Form, folded, items_of, table_of
from approvals.text_diff import diff_of
from approvals.web_address import Address, address_of, in_letters
from console.core.text import exact, money, pretty

NOTHING = "–"
SENT_EMPTY = {"null": "sent as null", "[]": "sent as an empty list", "{}": "sent as an object without fields"}
LONG_BESIDE = 120  # characters
_BROAD = ("url", "list", "json", "undecoded", "bytes", "nothing")
_PLAIN = ("text", "money", "time", "identity", "url", "list", "nothing", "undecoded")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what changes. `format` is one of a fact's, or nothing, json or undecoded; `form` is what there is to
    show beyond a text. `name` is what the other side calls it; `last` what it was the last time, where that differs."""

    label: str
    was: str
    becomes: str
    format: str
    unchanged: bool
    form: Form | None = None
    name: str = ""
    critical: bool = False
    by_schema: bool = False
    last: str = ""
    same_as_last: bool = False
    alike: str = ""  # whom it looks like and is not

    @property
    def is_wide(self) -> bool:
        """It takes the room of both columns."""
        return self.format in ("lines", "diff", "table") or (self.was == NOTHING and self.format in _BROAD)


def lines(facts: Iterable[Mapping[str, Any]], last: Iterable[Mapping[str, Any]] = ()) -> list[Line]:
    """The critical ones first. Lines that say nothing on either side are dropped; those that stay the same are marked.
    `last` are the facts of the time before, of which what differs is said."""
    before = {(str(fact.get("label")), str(fact.get("format"))): fact for fact in last}
    made = []
    for fact in facts:
        empty = fact.get("was") is None and fact.get("becomes") is None
        if not empty or fact.get("format") in ("nothing", "undecoded"):
            made.append(_compared(_line(fact), fact, before.get((str(fact.get("label")), str(fact.get("format"))))))
    return sorted(made, key=lambda line: not line.critical)


def _line(fact: Mapping[str, Any]) -> Line:
    was, becomes, kind = fact.get("was"), fact.get("becomes"), str(fact.get("format", "text"))
    currency = str(fact.get("currency") or "")
    kind = _kind(kind, was, becomes, currency)
    return Line(
        str(fact.get("label", "")), NOTHING if was is None else say(was, kind, currency),
        say(becomes, kind, currency), kind, was == becomes and kind not in ("nothing", "undecoded"),
        _form(kind, was, becomes), str(fact.get("name") or ""), bool(fact.get("critical")), fact.get("by") == "schema",
    )  # fmt: skip


def _kind(told: str, was: Any, becomes: Any, currency: str) -> str:
    """As the fact says, where the values are of that shape."""
    given = [value for value in (was, becomes) if value is not None]
    if told == "money" and not all(is_money(value, currency) for value in given):
        return "undecoded"  # a number without a currency must not look like an amount
    if told not in ("text", *_SHAPED) or (told in _SHAPED and _form(told, was, becomes) is not None):
        return told
    return "json" if any(isinstance(value, dict | list) for value in given) else "text"


_SHAPED = ("lines", "diff", "table", "list", "url")


def _form(kind: str, was: Any, becomes: Any) -> Form | None:
    """None where the value is not of the shape that its format says."""
    match kind:
        case "lines" if isinstance(becomes, str) and was is None:
            return folded(becomes)
        case "lines" | "diff" if isinstance(becomes, str | None) and isinstance(was, str | None):
            return diff_of(was or "", becomes or "")
        case "table":
            return table_of(becomes)
        case "list" if isinstance(becomes, list):
            return items_of([say(one, "text", "") for one in becomes])
        case "url" if isinstance(becomes, str):
            return address_of(becomes)
        case "json" | "undecoded":
            return folded(pretty(becomes))
        case "text" if isinstance(becomes, str) and len(becomes) > FEW_CHARACTERS:
            return folded(becomes)
    return None


def _compared(line: Line, fact: Mapping[str, Any], last: Mapping[str, Any] | None) -> Line:
    if last is None:
        return line
    same = [last.get(name) == fact.get(name) for name in ("becomes", "currency", "name")]
    if all(same):
        return replace(line, same_as_last=True)
    return replace(line, last=_beside(last))


def marked(said: Iterable[Line], alike: Mapping[str, str]) -> list[Line]:
    """With what is said of names that look like others, beside the line that holds them."""
    return [replace(line, alike=next((alike[name] for name in _names(line) if name in alike), "")) for line in said]


def _names(line: Line) -> tuple[str, ...]:
    if isinstance(line.form, Address):
        return (in_letters(line.form.host.lower()),)
    return (line.becomes, line.name) if line.format == "identity" else ()


def _beside(last: Mapping[str, Any]) -> str:
    kind = str(last.get("format", "text"))
    said = say(last.get("becomes"), kind, str(last.get("currency") or ""))
    if kind == "identity" and last.get("name"):
        said = f"{last['name']} ({said})"
    return said if kind in _PLAIN and len(said) <= LONG_BESIDE else "something else"


def say(value: Any, kind: str, currency: str = "") -> str:
    match value:
        case None | [] | {} if kind == "nothing":
            return SENT_EMPTY[json.dumps(value)]
        case None if kind != "undecoded":
            return NOTHING
        case _ if kind in ("json", "undecoded"):
            return pretty(value)
        case {"bytes": int(size), "sha256": str(digest)} if kind == "bytes":
            return f"{size:,} bytes, SHA-256 {digest}"
        case bool():
            return "yes" if value else "no"
        case int() if kind == "money" and is_money(value, currency):
            return money(value, currency)
        case int() | float() if kind == "time":
            return moment(value) if value == int(value) else f"{moment(value)} ({value})"
        case str():
            return f"“{value}”" if value == NOTHING else value  # a dash that is sent is not nothing
        case list() if kind == "list":
            return ", ".join(say(one, "text") for one in value)
        case dict() | list():
            return pretty(value)
    return json.dumps(value, ensure_ascii=False)


def moment(seconds: float) -> str:
    try:
        return exact(dt.datetime.fromtimestamp(seconds, dt.UTC))
    except (OverflowError, ValueError, OSError):
        return str(seconds)
