"""From the tools that a server lists to descriptions, and what pins them. Pure.

Whatever a server says of its tools is a stranger's word: what it calls a read is not one until a person says so.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from console.core.canonical import digest
from integrations.openapi.naming import argument_slugs, operation_slugs, words
from integrations.openapi.operations import MOST_FIELDS, Imported
from integrations.openapi.proposals import propose
from integrations.openapi.report import Report
from integrations.openapi.schemas import Schemas

PINNED = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
LONGEST_NAME = 128
LONGEST_TITLE = 200
LONGEST_TEXT = 4_000
Tool = Mapping[str, Any]


def pin(tool: Tool) -> str:
    """64 hexadecimal digits over all that tells what a tool is. Raises ValueError for what canonical JSON has not."""
    return digest("countersign/tool/v1", {name: tool[name] for name in PINNED if tool.get(name) is not None}).hex()


def list_pin(tools: Sequence[Tool]) -> str:
    """Over all of them: where a tool is renamed, those that there still are are the same. A list that no canonical JSON
    can hold has no pin: ""."""
    try:
        return digest("countersign/tools/v1", sorted(pin(tool) for tool in tools)).hex()
    except ValueError:
        return ""


def key_of(name: str) -> str:
    return f"tool {name}"


def describe_tools(tools: Sequence[Tool], known: Mapping[str, str] | None = None) -> Imported:
    """`known` are the slugs of earlier lists by key: they stay. Never raises for what a server says."""
    report = Report()
    named = {str(tool.get("name", "")): tool for tool in tools}
    shared = Counter(str(tool.get("name", "")) for tool in tools)
    slugs = operation_slugs([(key_of(name), name, "") for name in named], known or {})
    operations: dict[str, dict[str, Any]] = {}
    keys: dict[str, str] = {}
    definitions: dict[str, Any] = {}
    for name, tool in named.items():
        report.operations += 1
        key = key_of(name)
        if problem := _problem(name, tool, shared[name]):
            report.leave_out(key[:200], "tool", problem)
            continue
        operations[slugs[key]], reached = _describe(name, tool, report)
        definitions |= reached
        keys[slugs[key]] = key
    identities = {slug: key.removeprefix("tool ") for slug, key in keys.items()}
    return Imported("", "", operations, definitions, keys, identities, [], {}, report)


def _problem(name: str, tool: Tool, count: int) -> str:
    """Why it cannot be called; "" where it can."""
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        return "its name is empty, too long or not printable"
    if count > 1:
        return f"{count} tools have this name"
    schema = tool.get("inputSchema")
    if not isinstance(schema, Mapping):
        return "it does not say which arguments it takes"
    if len(_properties(schema)) > MOST_FIELDS:
        return f"it has more than {MOST_FIELDS} arguments"
    try:
        pin(tool)
    except ValueError as error:
        return f"it cannot be pinned: {error}"
    return ""


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    given = schema.get("properties")
    return given if isinstance(given, Mapping) else {}


def _describe(name: str, tool: Tool, report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """The description, and the definitions that its schemas refer to. Until a person has reviewed it, it is taken for
    the worst that it could be."""
    arguments, definitions = _arguments(name, tool["inputSchema"], report)
    hints = tool.get("annotations") if isinstance(tool.get("annotations"), Mapping) else {}
    assert isinstance(hints, Mapping)
    says = str(tool.get("description") or "")
    title = str(tool.get("title") or hints.get("title") or name)
    told: dict[str, Any] = {"name": name, "pin": pin(tool)}
    if says:
        told["says"] = says[:LONGEST_TEXT]
    if given := {hint: hints[hint] for hint in HINTS if isinstance(hints.get(hint), bool)}:
        told["hints"] = given
    if isinstance(tool.get("outputSchema"), Mapping):
        told["answers"] = tool["outputSchema"]
    described: dict[str, Any] = {
        "title": " ".join(title.split())[:LONGEST_TITLE] or name, "effect": "destructive",
        "categories": propose("POST", words(name), []).categories, "trust": "imported", "method": "POST", "path": "/",
        "tool": told,
    }  # fmt: skip
    if arguments:
        described["arguments"] = arguments
    return described, definitions


def _arguments(name: str, schema: Mapping[str, Any], report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """Each property is an argument of its own, so that a grant can limit it and whoever signs sees it by name."""
    schemas = Schemas(schema, report, prefix=f"{name}.")
    properties, needed = _properties(schema), schema.get("required")
    required = set(map(str, needed)) if isinstance(needed, Iterable) and not isinstance(needed, str) else set()
    made = [
        {"in": "body", "name": str(one), "schema": schemas.convert(inner, key_of(name)),
         **({"required": True} if one in required else {})}
        for one, inner in properties.items()
    ]  # fmt: skip
    if odd := sorted({"oneOf", "anyOf", "allOf", "patternProperties", "$ref", "if"} & schema.keys()):
        report.note(key_of(name), "schema", f"says more of its arguments ({', '.join(odd)}) than is checked here")
    slugs = argument_slugs([("body", one["name"]) for one in made])
    return dict(zip(slugs, made, strict=True)), schemas.definitions
