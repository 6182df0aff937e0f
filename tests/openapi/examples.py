"""Arguments for operations as their descriptions ask for them: the least that is required, made from the schemas."""

import math
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from integrations.description import Description

FORMATS = {"date": "2026-01-02", "date-time": "2026-01-02T03:04:05Z", "uuid": "123e4567-e89b-12d3-a456-426614174000",
           "email": "a@example.com", "uri": "https://example.com/", "url": "https://example.com/", "binary": "aGVsbG8=",
           "byte": "aGVsbG8=", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "time": "03:04:05Z"}  # fmt: skip
DEEPEST = 30


class Endless(Exception):
    """No example ends: a schema that requires itself, or forbids everything."""


def arguments(described: Description) -> dict[str, Any]:
    """Raises Endless."""
    made = Examples(described.definitions)
    return {name: made.of(one["schema"]) for name, one in described.arguments.items() if one.get("required")}


class Examples:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self.definitions = definitions

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
                count = max(schema.get("minItems", 0), 1 if depth == 0 else 0)
                return [self.of(schema.get("items", {}), depth + 1) for _ in range(count)]
            case "boolean":
                return True
            case "null":
                return None
            case "integer" | "number":
                return number(kind, schema)
        return text(schema)

    def object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        known = schema.get("properties", {})
        made = {name: self.of(known.get(name, schema.get("additionalProperties", {})), depth + 1)
                for name in schema.get("required", [])}  # fmt: skip
        spare = (name for name in (*known, "abc", "abd", "abe") if name not in made)
        while len(made) < schema.get("minProperties", 0):
            name = next(spare)
            made[name] = self.of(known.get(name, schema.get("additionalProperties", {})), depth + 1)
        return made


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


def text(schema: Mapping[str, Any]) -> str:
    made = FORMATS.get(schema.get("format", ""), "abc")
    made = made.ljust(schema.get("minLength", 0), "x")
    return made[: schema["maxLength"]] if schema.get("maxLength") else made
