"""Schemas of OpenAPI 3.0 and 3.1 as JSON Schema 2020-12, for the arguments of requests.

References stay references: written out, cyclic schemas have no end, and large ones no bound. What a schema says in a
form that cannot be checked is left out, so that a careless document asks for less and never for something else.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from console.core.canonical import SAFE_INTEGER
from integrations.definitions import reference
from integrations.openapi.report import Report

DEEPEST = 60
LONGEST_TEXT = 500
_TYPES = {"string", "number", "integer", "boolean", "array", "object", "null"}
_MEANT = {"int": "integer", "int32": "integer", "int64": "integer", "long": "integer", "float": "number",
          "double": "number", "decimal": "number", "bool": "boolean", "file": "string", "binary": "string",
          "date": "string", "datetime": "string", "date-time": "string", "uuid": "string", "text": "string",
          "enum": "string", "list": "array", "map": "object", "dict": "object"}  # fmt: skip
_NUMBERS = ("minimum", "maximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = ("items", "not", "additionalProperties", "contains", "propertyNames", "if", "then", "else")
_MAPS = ("properties", "patternProperties", "dependentSchemas")


class Unresolved(Exception):
    """A reference that leads nowhere in this document; nothing is ever fetched."""


def look_up(document: Mapping[str, Any], pointer: str) -> Any:
    """What a local reference `#/…` names (RFC 6901). Raises Unresolved."""
    if not pointer.startswith("#/"):
        raise Unresolved(f"{pointer!r:.200} is not in this document")
    found: Any = document
    for part in pointer[2:].split("/"):
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(name)] if isinstance(found, list) else found[name]
        except (KeyError, IndexError, ValueError, TypeError):
            raise Unresolved(f"{pointer!r:.200} leads nowhere") from None
    return found


def follow(document: Mapping[str, Any], value: Any) -> Any:
    """The object itself, where there is a reference to it. Raises Unresolved, also for references in a circle."""
    seen: set[str] = set()
    while isinstance(value, Mapping) and isinstance(value.get("$ref"), str):
        if value["$ref"] in seen:
            raise Unresolved(f"{value['$ref']!r:.200} leads to itself")
        seen.add(value["$ref"])
        value = look_up(document, value["$ref"])
    return value


def is_read_only(schema: object, document: Mapping[str, Any]) -> bool:
    """Only answers hold it, also where a reference says so."""
    try:
        found = follow(document, schema)
    except Unresolved:
        return False
    return isinstance(found, Mapping) and found.get("readOnly") is True


class Schemas:
    """`definitions` grows with what the converted schemas refer to; their names begin with `prefix`."""

    def __init__(self, document: Mapping[str, Any], report: Report, prefix: str = "") -> None:
        self.document, self.report, self.prefix = document, report, prefix
        self.definitions: dict[str, Any] = {}
        self._names: dict[str, str] = {}  # of definitions, by the reference that they were found by
        self._waiting: list[tuple[str, str]] = []

    def convert(self, schema: object, place: str) -> Any:
        converted = self._convert(schema, place, 0)
        while self._waiting:  # not by recursion: chains of references are as long as documents
            name, pointer = self._waiting.pop()
            self.definitions[name] = self._convert(self._found(pointer, place), pointer, 0)
        return converted

    def _found(self, pointer: str, place: str) -> object:
        try:
            return look_up(self.document, pointer)
        except Unresolved as fault:
            self.report.note(place, "reference", f"{fault}; anything is accepted there")
            return {}

    def _reference(self, pointer: str) -> str:
        if pointer not in self._names:
            name = unquote(pointer.removeprefix("#/components/schemas/")).replace("~1", "/").replace("~0", "~")
            name = self.prefix + name.replace("#/", "").replace("/", ".")
            while name in self.definitions or name in self._names.values():
                name += "_"
            self._names[pointer] = name
            self._waiting.append((name, pointer))
        return reference(self._names[pointer])

    def _convert(self, schema: object, place: str, depth: int) -> Any:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping) or depth > DEEPEST:
            self.report.note(place, "schema", "this is no schema, or too deep a one; anything is accepted there")
            return {}
        inner: Callable[[object], Any] = lambda one: self._convert(one, place, depth + 1)  # noqa: E731
        made: dict[str, Any] = {}
        pointer = schema.get("$ref")
        if isinstance(pointer, str):
            made["$ref"] = self._reference(pointer)
        made |= dict(_texts(schema)) | dict(_limits(schema))
        if kinds := _kinds(schema.get("type")):
            made["type"] = kinds[0] if len(kinds) == 1 else kinds
        for name in _LISTS:
            if isinstance(schema.get(name), list) and schema[name]:
                made[name] = [inner(one) for one in schema[name]]
        for name in _SINGLE:
            if isinstance(schema.get(name), Mapping | bool):
                made[name] = inner(schema[name])
        for name in _MAPS:
            if isinstance(schema.get(name), Mapping):
                made[name] = {key: inner(one) for key, one in schema[name].items()}
        made |= dict(_needed(schema, self.document))
        if isinstance(schema.get("enum"), list) and (values := _values(schema["enum"], kinds)):
            made["enum"] = values
        if "const" in schema and _is_safe(schema["const"]):
            made["const"] = schema["const"]
        return _nullable(made) if schema.get("nullable") is True else made


def _texts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("title", "description", "format"):
        if isinstance(schema.get(name), str) and schema[name]:
            yield name, schema[name][:LONGEST_TEXT]
    # Told and not checked: a pattern from a stranger's document can take for ever on a text from another.
    if isinstance(schema.get("pattern"), str):
        yield "x-pattern", schema["pattern"][:LONGEST_TEXT]
    if "default" in schema and _is_safe(schema["default"]):
        yield "default", schema["default"]
    for name in ("deprecated", "readOnly", "writeOnly"):
        if schema.get(name) is True:
            yield name, True


def _limits(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in _COUNTS:
        if type(schema.get(name)) is int and 0 <= schema[name] <= SAFE_INTEGER:
            yield name, schema[name]
    if schema.get("uniqueItems") is True:
        yield "uniqueItems", True
    given = {name: schema[name] for name in _NUMBERS if _is_number(schema.get(name))}
    for name, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if schema.get(name) is True and bound in given:  # as OpenAPI 3.0 writes it
            yield name, given.pop(bound)
        elif _is_number(schema.get(name)):
            yield name, schema[name]
    if given.get("multipleOf", 1) <= 0:
        del given["multipleOf"]
    yield from given.items()


def _needed(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a request has to hold: not what only answers do."""
    properties, given = schema.get("properties"), schema.get("required")
    described = properties if isinstance(properties, Mapping) else {}
    if not isinstance(given, list):
        return
    if names := {one for one in given if isinstance(one, str) and not is_read_only(described.get(one), document)}:
        yield "required", sorted(names)


def _kinds(given: object) -> list[str]:
    named = given if isinstance(given, list) else [given]
    kinds = [_MEANT.get(kind.lower(), kind.lower()) for kind in named if isinstance(kind, str)]
    return sorted({kind for kind in kinds if kind in _TYPES})


def _values(given: list[Any], kinds: list[str]) -> list[Any]:
    """Of an enum; nothing where the values do not fit its own type, as with a `no` that YAML made false."""
    if not all(map(_is_safe, given)):
        return []
    if kinds == ["string"] and not all(isinstance(one, str) for one in given if one is not None):
        return []
    return [*{json.dumps(one): one for one in given}.values()]


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "type" not in schema or schema.keys() & {"$ref", *_LISTS, "const"}:
        return {"anyOf": [schema, {"type": "null"}]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    made = schema | {"type": sorted({*kinds, "null"})}
    if "enum" in made and None not in made["enum"]:
        made["enum"] = [*made["enum"], None]
    return made


def _is_number(value: object) -> bool:
    """That canonical JSON can carry. A bound beyond that bounds nothing that can be sent."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= SAFE_INTEGER


def _is_safe(value: object) -> bool:
    match value:
        case None | bool() | str():
            return True
        case int() | float():
            return _is_number(value)
        case list():
            return all(map(_is_safe, value))
        case dict():
            return all(map(_is_safe, value.values()))
    return False
