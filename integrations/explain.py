"""What an operation's schema alone tells of its arguments: lines for whatever no fact of its description shows. Pure.

What a schema does not tell (an object of any fields, alternatives that are unlike, a value that is not what the schema
says) is a line too, `undecoded`: nothing that is sent is left out.
"""

import base64
import binascii
import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from integrations.description import Description
from integrations.schema_view import SCALARS, View, types

Path = tuple[str, ...]

LONG = 200  # characters; a longer text is shown as lines
LONGEST_LABEL = 60
URLS = {"uri", "url", "iri", "uri-reference", "iri-reference"}
MOMENTS = {"unix-time", "timestamp"}
BASE64 = {"byte", "base64"}
_EXPRESSION = re.compile(r"\$\{\{((?:(?!\}\}).)*)\}\}", re.DOTALL)
_STEP = r'(?:\.(?:[A-Za-z_]\w*|"[^"\\]+"))'
_PLAIN = re.compile(rf"\s*arguments({_STEP}+)\s*")
_PART = re.compile(r'\.(?:([A-Za-z_]\w*)|"([^"\\]+)")')


@dataclass(frozen=True, slots=True)
class Shown:
    """One line: a part of the arguments under its path, as the schema names it."""

    path: Path
    label: str
    value: Any
    format: str

    @property
    def line(self) -> dict[str, Any]:
        if self.format == "undecoded":
            return {"label": ".".join(self.path), "was": None, "becomes": self.value, "format": "undecoded"}
        return {"label": self.label, "was": None, "becomes": self.value, "format": self.format, "by": "schema"}


def explained(operation: Description, arguments: Mapping[str, Any]) -> list[Shown]:
    """Of all that no fact shows, in the order given."""
    shown, view = shown_by_facts(operation.document), View(operation.definitions)
    found: list[Shown] = []
    for name, value in arguments.items():
        schema = operation.arguments.get(name, {}).get("schema")
        found += _walk((name,), plain(name, schema), value, schema, view, shown)
    return _apart(found)


def undecoded(operation: Description, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """What neither a fact nor the schema tells the meaning of, by path."""
    return tuple(".".join(one.path) for one in explained(operation, arguments) if one.format == "undecoded")


def shown_by_facts(document: Mapping[str, Any]) -> frozenset[Path]:
    """What stands as it is in a fact. A function of an argument may hide it, and does not count."""
    return frozenset(path for fact in document.get("facts", []) for path in paths_of(fact, document))


def paths_of(fact: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Path]:
    for side in ("was", "becomes"):
        yield from paths_in(fact.get(side), document)


def paths_in(value: Any, document: Mapping[str, Any]) -> Iterator[Path]:
    """Of the arguments that the expressions of a text hold as they are; `money` holds the operation's amount."""
    if not isinstance(value, str):
        return
    for expression in _EXPRESSION.findall(value):
        if expression.strip() == "money":
            yield from paths_in(document.get("amount", {}).get("minor"), {})
        elif found := _PLAIN.fullmatch(expression):
            yield tuple(bare or quoted for bare, quoted in _PART.findall(found[1]))


def plain(name: str, schema: Any = None) -> str:
    """In words: the title that a schema gives, or the name without its underscores and humps."""
    title = schema.get("title") if isinstance(schema, Mapping) else None
    if isinstance(title, str) and 0 < len(title.strip()) <= LONGEST_LABEL:
        return title.strip()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\-\s]+", " ", name).strip() or name
    return words[:1].upper() + words[1:]


def _apart(found: list[Shown]) -> list[Shown]:
    """Two that would have one label say their paths."""
    labels = Counter(one.label for one in found)
    return [
        Shown(one.path, f"{one.label} ({'.'.join(one.path)})", one.value, one.format)
        if labels[one.label] > 1 else one
        for one in found
    ]  # fmt: skip


def _walk(path: Path, label: str, value: Any, schema: Any, view: View, shown: frozenset[Path]) -> Iterator[Shown]:
    if path in shown and value is not None:
        return
    told = view.of(schema)
    kind = told.kind if told else ""
    match value:
        case None if told and told.nullable:
            yield Shown(path, label, None, "nothing")
        case Mapping() if kind == "object" and told:
            yield from _object(path, label, value, told.schema, view, shown)
        case list() if kind == "array" and told:
            yield from _array(path, label, value, told.schema, view, shown)
        case str() | bool() | int() | float() if kind in SCALARS and told:
            yield Shown(path, label, value, _format(value, kind, told.schema) or "undecoded")
        case _:
            yield Shown(path, label, value, "undecoded")


def _object(
    path: Path, label: str, value: Mapping[str, Any], schema: Mapping[str, Any], view: View, shown: frozenset[Path]
) -> Iterator[Shown]:
    if not value:
        yield Shown(path, label, {}, "nothing")
    for name, inner in value.items():
        known = schema["properties"].get(name)
        yield from _walk((*path, name), f"{label} › {plain(name, known)}", inner, known, view, shown)


def _array(
    path: Path, label: str, value: list[Any], schema: Mapping[str, Any], view: View, shown: frozenset[Path]
) -> Iterator[Shown]:
    items = view.of(schema["items"])
    if not value:
        yield Shown(path, label, [], "nothing")
    elif items and items.kind in SCALARS and all(_format(one, items.kind, items.schema) == "text" for one in value):
        yield Shown(path, label, value, "list")
    elif items and all(_is_row(one, items.schema, view) for one in value):
        yield Shown(path, label, value, "table")
    else:
        for number, one in enumerate(value):
            yield from _walk((*path, str(number)), f"{label} {number + 1}", one, schema["items"], view, shown)


def _is_row(value: Any, schema: Mapping[str, Any], view: View) -> bool:
    """An object of which each field is one value that the schema tells."""
    known = schema.get("properties", {})
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(name in known and _is_cell(inner, known[name], view) for name, inner in value.items())
    )


def _is_cell(value: Any, schema: Any, view: View) -> bool:
    told = view.of(schema)
    return told is not None and _format(value, told.kind, told.schema) == "text"


def _format(value: Any, kind: str, schema: Mapping[str, Any]) -> str:
    """ "" for what is not as the schema says."""
    if not _is_listed(value, schema) or not any(_is_a(value, one) for one in types(schema)):
        return ""
    if kind == "any":
        return "json"
    if isinstance(value, str):
        return _text(value, schema)
    return "time" if schema.get("format") in MOMENTS and type(value) is int else "text"


def _is_a(value: Any, kind: str) -> bool:
    match value:
        case bool():
            return kind == "boolean"
        case int() | float():
            return kind == "number" or (kind == "integer" and value == int(value))
    return isinstance(value, str) and kind == "string"


def _is_listed(value: Any, schema: Mapping[str, Any]) -> bool:
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    alike = (one for one in listed or () if isinstance(one, bool) == isinstance(value, bool))
    return listed is None or value in alike


def _text(value: str, schema: Mapping[str, Any]) -> str:
    told = str(schema.get("format", ""))
    if told == "date-time":
        return "time" if _is_moment(value) else ""
    if told in URLS:
        return "url" if urlsplit_or_none(value) else "text" if told.endswith("reference") else ""
    if told in BASE64 or schema.get("contentEncoding") == "base64":
        return "base64" if is_base64(value) else ""
    if told == "binary":
        return "bytes"
    return "lines" if "\n" in value or len(value) > LONG else "text"


def _is_moment(value: str) -> bool:
    try:
        return dt.datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def is_base64(value: str) -> bool:
    """As an encoder writes it: with other padding bits, two texts would be the same bytes."""
    try:
        return base64.b64encode(base64.b64decode(value, validate=True)).decode() == value
    except (binascii.Error, ValueError):
        return False


def urlsplit_or_none(value: str) -> Any:
    """Its parts, where it has a scheme and can be read."""
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  (it raises where there is none that can be read)
    except ValueError:
        return None
    return parts if parts.scheme else None
