"""Arguments for operations as their descriptions ask for them, made from the schemas: the least, or all of them."""

import contextlib
import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import hypothesis
from hypothesis import strategies as st

from console.core.errors import Invalid
from integrations.description import Description

FORMATS = {"date": "2026-01-02", "date-time": "2026-01-02T03:04:05Z", "uuid": "123e4567-e89b-12d3-a456-426614174000",
           "email": "a@example.com", "uri": "https://example.com/", "url": "https://example.com/", "binary": "aGVsbG8=",
           "byte": "aGVsbG8=", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "time": "03:04:05Z"}  # fmt: skip
DEEPEST = 30


class Endless(Exception):
    """No example ends: a schema that requires itself, or forbids everything."""


def arguments(described: Description, *, every: bool = False) -> dict[str, Any]:
    """Those that are required; with `every` also the others, and the properties of their objects. Raises Endless."""
    least, more = Examples(described.definitions), Examples(described.definitions, deep=2)
    schemas = {name: schema_of(described, one) for name, one in described.arguments.items()}
    needed = [name for name, one in described.arguments.items() if one.get("required")]
    given = {name: least.of(schemas[name]) for name in needed}
    for name, schema in schemas.items() if every else ():
        for examples in (more, least):
            with contextlib.suppress(Endless, Invalid):
                described.check_arguments(given | {name: examples.of(schema)})
                given[name] = examples.of(schema)
                break
    return given


def schema_of(described: Description, argument: Mapping[str, Any]) -> Any:
    """Files are given in base64."""
    is_file = argument.get("whole") and described.body["form"] == "binary"
    return {"type": "string", "format": "byte"} if is_file else argument["schema"]


class Examples:
    """`deep` says down to where objects have all of their properties."""

    def __init__(self, definitions: Mapping[str, Any], deep: int = 0) -> None:
        self.definitions, self.deep = definitions, deep

    def of(self, schema: Any, depth: int = 0) -> Any:
        schema = self.merged(schema, depth)
        if schema is False or depth > DEEPEST:
            raise Endless
        if schema is True:
            return "abc"
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return next((one for one in schema["enum"] if one is not None), None)
        return self.typed(kind_of(schema), schema, depth)

    def merged(self, schema: Any, depth: int) -> Any:
        """Without references, with what all of `allOf` and one of each choice say together."""
        if not isinstance(schema, Mapping):
            return schema
        if depth > DEEPEST:
            raise Endless
        made: dict[str, Any] = {}
        for part in self.parts(schema, depth + 1):
            if part is False:
                raise Endless
            if part is True:
                continue
            properties = {**made.get("properties", {}), **part.get("properties", {})}
            required = [*dict.fromkeys([*made.get("required", []), *part.get("required", [])])]
            made = {**made, **part}
            made |= {"properties": properties} if properties else {}
            made |= {"required": required} if required else {}
        return made

    def parts(self, schema: Mapping[str, Any], depth: int) -> Iterator[Any]:
        if "$ref" in schema:
            name = unquote(schema["$ref"].removeprefix("definitions#/")).replace("~1", "/").replace("~0", "~")
            yield self.merged(self.definitions[name], depth)
        for one in schema.get("allOf", []):
            yield self.merged(one, depth)
        for choice in ("oneOf", "anyOf"):
            if choice in schema:
                yield self.chosen(schema[choice], depth)
        yield {name: value for name, value in schema.items() if name not in ("$ref", "allOf", "oneOf", "anyOf")}

    def chosen(self, choices: list[Any], depth: int) -> Any:
        """The first that has an example."""
        for one in choices:
            try:
                self.of(one, depth)
                return self.merged(one, depth)
            except Endless:
                continue
        raise Endless

    def typed(self, kind: str, schema: Mapping[str, Any], depth: int) -> Any:
        match kind:
            case "object":
                return self.object(schema, depth)
            case "array":
                return self.array(schema, depth)
            case "boolean":
                return True
            case "null":
                return None
            case "integer" | "number":
                return number(kind, schema)
        return text(schema)

    def array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        count, items = max(schema.get("minItems", 0), 1 if depth == 0 else 0), schema.get("items", {})
        if schema.get("maxItems") == 0:
            return []
        made = [self.of(items, depth + 1) for _ in range(count)]
        return [another(one, index, items) for index, one in enumerate(made)] if schema.get("uniqueItems") else made

    def object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        known = schema.get("properties", {})
        made = {name: self.of(known.get(name, schema.get("additionalProperties", {})), depth + 1)
                for name in schema.get("required", [])}  # fmt: skip
        for name, one in known.items() if depth < self.deep else ():
            with contextlib.suppress(Endless):
                if name not in made and not self.is_read_only(one, depth):
                    made[name] = self.of(one, depth + 1)
        spare = (name for name in (*known, "abc", "abd", "abe") if name not in made)
        while len(made) < schema.get("minProperties", 0):
            name = next(spare)
            made[name] = self.of(known.get(name, schema.get("additionalProperties", {})), depth + 1)
        return made

    def is_read_only(self, schema: Any, depth: int) -> bool:
        merged = self.merged(schema, depth)
        return isinstance(merged, Mapping) and merged.get("readOnly") is True


def kind_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind:
        return str(kind)
    if schema.keys() & {"properties", "additionalProperties", "required"}:
        return "object"
    return "array" if "items" in schema else "string"


def number(kind: str, schema: Mapping[str, Any]) -> float:
    low = schema.get("minimum", -math.inf)
    low = max(low, schema["exclusiveMinimum"] + 1) if "exclusiveMinimum" in schema else low
    high = schema.get("maximum", math.inf)
    high = min(high, schema["exclusiveMaximum"] - 1) if "exclusiveMaximum" in schema else high
    found = min(max(1, low), high)
    step = schema.get("multipleOf", 1 if kind == "integer" else 0)
    found = math.ceil(found / step) * step if step else found
    return int(found) if kind == "integer" else found


def another(value: Any, index: int, schema: Any) -> Any:
    """The n-th of several that have to differ."""
    match value:
        case _ if isinstance(schema, Mapping) and index < len(schema.get("enum", [])):
            return schema["enum"][index]
        case int() | float() if not isinstance(value, bool):
            return value + index
        case str() if index:
            return f"{value}{index}"
    return value


def text(schema: Mapping[str, Any]) -> str:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength") or math.inf
    plain = FORMATS.get(schema.get("format", ""), "abc")
    if schema.get("format") == "date-time" and shortest > len(plain):
        plain = plain.replace("Z", f".{'0' * (shortest - len(plain) - 1)}Z")
    plain = plain.ljust(shortest, "x")
    plain = plain if len(plain) <= longest else plain[: int(longest)]
    pattern = schema.get("x-pattern", schema.get("pattern", ""))
    for one in (plain, plain.upper()):
        if found(pattern, one):
            return one
    return fitting(pattern, shortest, longest) or plain


def found(pattern: str, given: str) -> bool:
    try:
        return bool(re.search(pattern, given))
    except re.error:
        return True


@functools.cache
def fitting(pattern: str, shortest: int, longest: float) -> str:
    """The simplest text, the same at each run; "" where none is found."""
    letters = st.characters(min_codepoint=32, max_codepoint=126)
    once = hypothesis.settings(derandomize=True, database=None, max_examples=300, deadline=None)
    fits = lambda given: shortest <= len(given) <= longest and given.strip() == given != ""  # noqa: E731
    try:
        return str(hypothesis.find(st.from_regex(pattern, alphabet=letters), fits, settings=once))
    except (hypothesis.errors.HypothesisException, ValueError, TypeError, RecursionError):
        return ""
