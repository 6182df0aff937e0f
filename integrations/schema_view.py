"""One schema as far as it says, without looking at a value, what kind of value it stands for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from integrations.definitions import PLACE

DEEPEST = 32  # references to references, and alternatives within alternatives
# `any` is one of several kinds of single values, which its JSON form tells apart.
SCALARS = ("string", "number", "integer", "boolean", "any")


@dataclass(frozen=True, slots=True)
class Told:
    """`kind` is object, array or one of SCALARS. An object has `properties`, an array one schema for its `items`."""

    kind: str
    schema: Mapping[str, Any]
    nullable: bool


class View:
    """Schemas refer to each other by `definitions#/NAME`, or into themselves."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._known: dict[str, Told | None] = {}
        self._registry: Registry[Any] = Registry().with_resource(
            "definitions", DRAFT202012.create_resource(definitions)
        )

    def of(self, schema: Any) -> Told | None:
        """None for what stands for anything, or for things that are unlike. What is only a reference is looked up once:
        operations of one import refer to the same few schemas."""
        if not (isinstance(schema, Mapping) and schema.keys() == {"$ref"} and str(schema["$ref"]).startswith(PLACE)):
            return self._of(schema)
        reference = str(schema["$ref"])
        if reference not in self._known:
            self._known[reference] = self._of(schema)
        return self._known[reference]

    def _of(self, schema: Any) -> Told | None:
        merged = self._merged(schema, schema, 0)
        return _told(merged) if merged is not None else None

    def _merged(self, schema: Any, root: Any, depth: int) -> dict[str, Any] | None:
        """Without references and alternatives: one mapping, or None where there is none."""
        if not isinstance(schema, Mapping) or depth > DEEPEST or "$dynamicRef" in schema:
            return None
        parts: list[dict[str, Any] | None] = [
            {name: value for name, value in schema.items() if name not in ("$ref", "allOf", "anyOf", "oneOf")}
        ]
        if "$ref" in schema:
            parts.insert(0, self._referred(str(schema["$ref"]), root, depth))
        parts += [self._merged(one, root, depth + 1) for one in schema.get("allOf", [])]
        parts += [self._alternative(schema[name], root, depth) for name in ("anyOf", "oneOf") if name in schema]
        return _together(parts)

    def _referred(self, reference: str, root: Any, depth: int) -> dict[str, Any] | None:
        resource = DRAFT202012.create_resource(root if isinstance(root, Mapping) else {})
        resolver = self._registry.with_resource("", resource).resolver()
        try:
            found = resolver.lookup(reference)
        except (Unresolvable, ValueError):
            return None
        inside = root if reference.startswith("#") else found.contents
        return self._merged(found.contents, inside, depth + 1)

    def _alternative(self, given: Any, root: Any, depth: int) -> dict[str, Any] | None:
        """What all have in common: one but null, or single values."""
        each = [self._merged(one, root, depth + 1) for one in given] if isinstance(given, list) else [None]
        told = [one for one in each if one is None or one.get("type") != "null"]
        if None in told or not told:
            return None
        null = {"x-null": True} if len(told) < len(each) else {}
        if len(told) == 1:
            return {**(told[0] or {}), **null}
        kinds = [_told(one) for one in told if one is not None]
        if any(one is None or one.kind not in SCALARS for one in kinds):
            return None
        names = sorted({name for one in kinds if one for name in types(one.schema) if name != "null"})
        same = names == ["string"] and len({str((one or {}).get("format")) for one in told}) == 1
        form = {"format": told[0]["format"]} if same and told[0] and "format" in told[0] else {}
        nullable = null or ({"x-null": True} if any(one.nullable for one in kinds if one) else {})
        return {"type": names[0] if len(names) == 1 else list(names), **form, **nullable}


def _together(parts: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    """Everything that holds at once. None where one part is not understood, or two are of unlike types."""
    merged: dict[str, Any] = {}
    for part in parts:
        if part is None or ("type" in part and "type" in merged and part["type"] != merged["type"]):
            return None
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        merged = {**merged, **part, **({"properties": properties} if properties else {})}
    return merged


def _told(schema: Mapping[str, Any]) -> Told | None:
    named, nullable = types(schema), bool(schema.get("x-null"))
    nullable = nullable or "null" in named
    kinds = [one for one in named if one != "null"]
    if len(kinds) > 1:
        return Told("any", schema, nullable) if set(kinds) <= set(SCALARS) else None
    kind = kinds[0] if kinds else "null" if nullable else ""
    if kind == "object":
        return Told(kind, schema, nullable) if isinstance(schema.get("properties"), Mapping) else None
    if kind == "array":
        plain = isinstance(schema.get("items"), Mapping) and "prefixItems" not in schema
        return Told(kind, schema, nullable) if plain else None
    return Told(kind, schema, nullable) if kind in (*SCALARS, "null") else None


_KINDS = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}


def types(schema: Mapping[str, Any]) -> list[str]:
    """As the schema says, or as the values that it lists are, or as its keywords tell."""
    told = schema.get("type")
    if isinstance(told, str | list):
        return [told] if isinstance(told, str) else [str(one) for one in told]
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list):
        return sorted({_KINDS.get(type(one), "object") for one in values})
    return ["object"] if "properties" in schema else ["array"] if "items" in schema else []
