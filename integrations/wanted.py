"""What a schema lets a value be, and which value a text stands for. Pure.

A path, a query or a form carries text alone: 12 may be a number or the word "12". The schema decides, and where it lets
both be, the text is taken as it is written.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from console.core.errors import Invalid
from integrations.styles import as_json, text

COMPOSITE = frozenset({"array", "object"})
SINGLE = frozenset({"string", "integer", "number", "boolean"})
TELLING = {"type", "properties", "additionalProperties", "items", "prefixItems", "enum", "const"}
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]{0,39}")
_NONE: Mapping[str, Any] = {}


class Unread(Invalid):
    """What came cannot be told apart from something else, or not be carried on: nothing is guessed."""

    code = "not_understood"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The plain schemas that a value may follow: references and combinations are resolved. None of them: anything."""

    schemas: tuple[Mapping[str, Any], ...]
    resolver: Any  # of references

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(kind for schema in self.schemas for kind in _kinds(schema))

    def field(self, name: str) -> "Wanted":
        found = [_field(schema, name) for schema in self.schemas]
        return self._within(one for one in found if one is not None)

    def names(self) -> frozenset[str]:
        return frozenset(name for schema in self.schemas for name in schema.get("properties", ()))

    @property
    def is_open(self) -> bool:
        """Takes fields that it does not name."""
        return any("object" in _kinds(one) and one.get("additionalProperties", True) is not False
                   for one in self.schemas) or not self.schemas  # fmt: skip

    def item(self, index: int) -> "Wanted":
        found = []
        for schema in self.schemas:
            ahead = schema.get("prefixItems", [])
            found.append(ahead[index] if index < len(ahead) else schema.get("items", True))
        return self._within(found)

    def read(self, written: str) -> Any:
        """The value that is written so. Raises Unread."""
        for value in _readings(written):
            if not self.schemas or any(_fits(schema, value) for schema in self.schemas):
                return value
        if "string" in self.kinds:
            return written  # its schema will say what is wrong with it
        raise Unread(f"{written!r:.80} is not {' or '.join(sorted(self.kinds))}.")

    def _within(self, found: Any) -> "Wanted":
        return Wanted(tuple(one for schema in found for one in _plain(schema, self.resolver)), self.resolver)


def wanted(schema: Any, definitions: Mapping[str, Any]) -> Wanted:
    registry: Registry[Any] = Registry().with_resource("definitions", DRAFT202012.create_resource(definitions))
    resolver = registry.resolver_with_root(DRAFT202012.create_resource(schema))
    return Wanted(tuple(_plain(schema, resolver)), resolver)


def _plain(schema: Any, resolver: Any) -> Iterator[Mapping[str, Any]]:
    """Each once, however often the schemas refer to each other."""
    left, seen = [schema], set[int]()
    while left:
        one = left.pop()
        if not isinstance(one, Mapping) or id(one) in seen:
            continue
        seen.add(id(one))
        if one.keys() & TELLING:
            yield one
        left += [inner for word in ("allOf", "anyOf", "oneOf") for inner in one.get(word, ())]
        if "$ref" in one:
            try:
                left.append(resolver.lookup(one["$ref"]).contents)
            except Unresolvable:
                raise Unread("The schema of an argument leads nowhere.") from None


def _kinds(schema: Mapping[str, Any]) -> frozenset[str]:
    told = schema.get("type")
    if isinstance(told, str):
        return frozenset({told})
    if isinstance(told, list):
        return frozenset(told)
    if "enum" in schema or "const" in schema:
        return frozenset(_kind(one) for one in schema.get("enum", [schema.get("const")]))
    found = {"object"} if schema.keys() & {"properties", "additionalProperties"} else set()
    return frozenset(found | ({"array"} if schema.keys() & {"items", "prefixItems"} else set()))


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
    return "array" if isinstance(value, list) else "object"


def _field(schema: Mapping[str, Any], name: str) -> Any:
    if name in schema.get("properties", _NONE):
        return schema["properties"][name]
    return schema.get("additionalProperties") if "object" in _kinds(schema) else None


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    kinds, kind = _kinds(schema), _kind(value)
    if kind not in kinds and not (kind == "integer" and "number" in kinds):
        return False
    if "enum" in schema:
        return any(_same(one, value) for one in schema["enum"])
    return "const" not in schema or _same(schema["const"], value)


def _same(one: object, other: object) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _readings(written: str) -> Iterator[Any]:
    """Every value that we would write as this text; text itself first."""
    yield written
    found: Any = written
    if written in ("true", "false"):
        yield written == "true"
    elif written == "":
        yield None
    elif _NUMBER.fullmatch(written) or written[:1] in ("{", "["):
        try:
            found = loads(written)
        except Unread:
            return
        if isinstance(found, list | dict) or text(found) == written:
            yield found


def loads(written: str | bytes) -> Any:
    """JSON of which every reader makes the same: no name twice, no NaN, no more digits than we keep, in UTF-8. Raises
    Unread."""
    try:
        return json.loads(written, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_exact)
    except (ValueError, RecursionError) as error:
        raise Unread(f"This is not JSON of one meaning: {error!s:.100}.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name is given twice")
    return made


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _exact(written: str) -> float:
    try:
        value = float(written)
        same = Decimal(written) == Decimal(repr(value))
    except ArithmeticError:  # an exponent of twenty digits
        same = False
    if not same:
        raise ValueError(f"the number {written:.40} has more digits than are carried on")
    return value


def same_json(one: Any, other: Any) -> bool:
    """Also in kind: 1 is not 1.0, nor true."""
    return as_json(_sorted(one)) == as_json(_sorted(other))


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value
