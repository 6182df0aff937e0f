"""What may be written about an integration and its operations: the JSON Schema of its YAML."""

from collections.abc import Mapping
from typing import Any

from integrations.credential_types import TYPES
from integrations.headers import TOKEN
from integrations.models import CATEGORIES, EFFECTS, TRUSTS
from integrations.styles import PLACES

MODES = ("native_key", "client_id", "natural_key", "conditional", "set_semantics", "none", "unknown")
SHORTEST_KEPT, LONGEST_KEPT = 60, 10 * 365 * 86_400  # seconds
KEPT = ("native_key", "client_id")  # something of ours at the other side, perhaps for a time
_SLUG = r"^[a-z][a-z0-9_]{0,63}$"
_TEXT = {"type": "string", "minLength": 1, "maxLength": 500}


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


FORMS = ("form", "json", "multipart", "text", "binary")
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
LOOKING = ("GET", "HEAD", "OPTIONS")  # RFC 9110 §9.2.1: safe
_PAIR = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}
_ARGUMENT = _object(
    {
        "in": {"enum": list(PLACES)},
        "name": _TEXT,
        "required": {"type": "boolean"},
        "schema": {"type": ["object", "boolean"]},
        "style": {"enum": sorted({style for styles in PLACES.values() for style in styles})},
        "explode": {"type": "boolean"},
        "reserved": {"type": "boolean"},  # written as it is, where a query would encode it
        "whole": {"type": "boolean"},  # the body itself, not a field of it
        "type": _TEXT,  # media type of a part of the body
    },
    "in",
    "schema",
)
_READ = _object(
    {"operation": {"type": "string", "pattern": _SLUG}, "arguments": {"type": "object"},
     "pin": {"type": "array", "items": _TEXT, "minItems": 1}},
    "operation",
    "pin",
)  # fmt: skip
_PROBE = _object(
    {"operation": {"type": "string", "pattern": _SLUG}, "arguments": {"type": "object"}, "happened": _TEXT,
     "settle_seconds": {"type": "number", "minimum": 0, "maximum": 3600}},
    "operation",
    "happened",
)  # fmt: skip
# Which other operation takes it back, and what that does not bring back.
_COMPENSATION = _object(
    {"operation": {"type": "string", "pattern": _SLUG}, "arguments": {"type": "object"},
     "hours": {"type": "integer", "minimum": 1, "maximum": 24 * 366}, "loses": _TEXT, "costs": _TEXT},
    "operation",
) | {"type": ["object", "null"]}  # fmt: skip
# How an answer goes on: the argument that asks for a page, and either what it is for the next one (an expression, false
# or null at the end), or its first value and what it counts.
_PAGINATION: dict[str, Any] = {
    **_object(
        {"argument": {"type": "string", "pattern": _SLUG},
         "items": {"type": "string", "pattern": r"^(@|[A-Za-z_]\w{0,99}(\.[A-Za-z_]\w{0,99}){0,9})$"},
         "next": _TEXT, "first": {"type": "integer", "minimum": 0, "maximum": 1},
         "counts": {"enum": ["pages", "items"]}},
        "argument",
        "items",
    ),
    "oneOf": [{"required": ["next"], "not": {"anyOf": [{"required": ["first"]}, {"required": ["counts"]}]}},
              {"required": ["first", "counts"], "not": {"required": ["next"]}}],
}  # fmt: skip
FORMATS = ("text", "lines", "money", "time", "identity", "url", "diff", "table", "list", "bytes", "base64")
# `name` is what the other side calls whom an identity names; what is `critical` is shown first, and large.
_FACT = _object(
    {"label": _TEXT, "shows": {"type": "string"}, "format": {"enum": list(FORMATS)}, "was": {}, "becomes": {},
     "currency": {"type": "string"}, "name": {"type": "string"}, "critical": {"type": "boolean"}},
    "label",
    "becomes",
)  # fmt: skip
_OPERATION = _object(
    {
        "title": _TEXT,
        "effect": {"enum": list(EFFECTS)},
        "categories": {"type": "array", "items": {"enum": list(CATEGORIES)}, "uniqueItems": True},
        "trust": {"enum": list(TRUSTS)},
        "method": {"enum": list(METHODS)},
        "path": {"type": "string", "pattern": "^/"},
        "fixed": {"type": "array", "items": _PAIR},  # of the query, whatever the arguments are
        "body": {
            "anyOf": [
                {"enum": list(FORMS)},
                _object(
                    {
                        "form": {"enum": list(FORMS)},
                        "type": _TEXT,
                        "required": {"type": "boolean"},
                        "fixed": {"type": "array", "items": _PAIR},
                    },  # fields ahead of all others; in a form alone
                    "form",
                ),
            ]
        },
        "arguments": {"type": "object", "propertyNames": {"pattern": _SLUG}, "additionalProperties": _ARGUMENT},
        "idempotency": _object(
            {
                "mode": {"enum": list(MODES)},
                "header": _TEXT,
                "body": _TEXT,
                "evidence": {"type": "string"},
                "retention": {"type": "integer", "minimum": SHORTEST_KEPT, "maximum": LONGEST_KEPT},
            },
            "mode",  # seconds
        ),
        "reads": {"type": "object", "propertyNames": {"pattern": _SLUG}, "additionalProperties": _READ},
        "requires": {"type": "array", "items": _object({"that": _TEXT, "text": _TEXT}, "that", "text")},
        "probe": _PROBE,
        "amount": _object({"minor": {}, "currency": {"type": "string"}}, "minor", "currency"),
        "counterparty": _TEXT,  # an expression: who is at the other end of it, as the other side knows them
        "answer": _object(
            {
                "data": {"type": "array", "items": _TEXT, "uniqueItems": True, "maxItems": 50},
                "untrusted": {"type": "boolean"},
            },
            "data",
            "untrusted",
        ),
        "sentence": _TEXT,
        "facts": {"type": "array", "items": _FACT},
        "compensation": _COMPENSATION,
        "rate_limit": _object(
            {
                "calls": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
                "seconds": {"type": "integer", "minimum": 1, "maximum": 86_400},
            },
            "calls",
            "seconds",
        ),
        "pagination": _PAGINATION,
        "ignores": {
            "type": "array",
            "items": {"type": "string", "pattern": f"^{TOKEN.pattern}$", "maxLength": 100},
            "uniqueItems": True,
            "maxItems": 50,
        },
        "success": _object(
            {"status": {"type": "array", "items": {"type": "integer"}}, "when": _TEXT, "refused": _TEXT}
        ),
    },
    "title",
    "effect",
    "method",
    "path",
)
# What a person says of an operation, whatever a document brings.
REVIEWED = (
    "effect", "categories", "trust", "idempotency", "sentence", "facts", "amount", "counterparty", "answer", "reads",
    "requires", "probe", "compensation", "success", "rate_limit", "pagination", "ignores",
)  # fmt: skip
# Of that, what a page asks for as YAML; for the rest it has fields.
MORE = _object({name: _OPERATION["properties"][name] for name in REVIEWED[4:]})
# Of that, what may also be told by somebody else, for a person to confirm: nobody tells trust.
FACTS: dict[str, Any] = {name: _OPERATION["properties"][name] for name in REVIEWED if name != "trust"}
INTEGRATION_SLUG = "^[a-z][a-z0-9-]{0,63}$"
SCHEMA = _object(
    {
        "integration": {"type": "string", "pattern": INTEGRATION_SLUG},
        "title": _TEXT,
        "credential": {
            "type": "object",
            "properties": {"type": {"enum": list(TYPES)}},
            "required": ["type"],
            "additionalProperties": {"type": ["string", "integer"]},  # the settings of the type
        },
        "operations": {
            "type": "object",
            "propertyNames": {"pattern": _SLUG},
            "additionalProperties": _OPERATION,
            "minProperties": 1,
        },
    },
    "integration",
    "title",
    "operations",
)
