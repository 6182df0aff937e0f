"""What may be written in a policy: the JSON Schema of its YAML."""

from collections.abc import Mapping
from typing import Any

from approvals.policies.slots import SEPARATIONS, SIGNATURES, STATES
from integrations.description_schema import MODES
from integrations.environment import ENVIRONMENT
from integrations.models import CATEGORIES, EFFECTS, TRUSTS

OUTCOMES = ("allow", "deny", "modify", "review", "defer")
KEYS = ("agent", "workflow", "integration", "operation", "counterparty", "run")  # what a total is counted by
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_TOTALS = 3  # each ruling asks for all of them
LONGEST_CONDITION = 500  # characters


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _some(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1, "maxItems": 500, "uniqueItems": True}


SLUG = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"}
_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}
_TEXTS = _some({"type": "string", "minLength": 1, "maxLength": 200})
_SAID = {"type": "string", "minLength": 1, "maxLength": 500}
_CURRENCY = {"type": "string", "pattern": "^[a-z]{3}$"}
_CLOCK = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
_COUNT = {"type": "integer", "minimum": 1, "maximum": 20}
_NUMBER = {"type": "integer", "minimum": 0}
_OF_100 = {**_NUMBER, "maximum": 100}
_MINUTES = {"type": "integer", "minimum": 1, "maximum": 43_200}


def _range(**more: Mapping[str, Any]) -> dict[str, Any]:
    return _object({**more, "at_least": _NUMBER, "at_most": _NUMBER})


WHEN = _object(
    {
        "integration": _TEXTS,
        "operation": _TEXTS,
        "workflow": _TEXTS,
        "agent": _TEXTS,
        "effect": _some({"enum": list(EFFECTS)}),
        "categories": _some({"enum": list(CATEGORIES)}),
        "trust": _some({"enum": list(TRUSTS)}),
        "idempotency": _some({"enum": list(MODES)}),
        "amount": {**_range(currency=_CURRENCY), "required": ["currency"]},
        "total": {"type": "object", "propertyNames": _NAME, "minProperties": 1, "additionalProperties": _range()},
        "counterparty": _TEXTS,
        "environment": _some(ENVIRONMENT),
        "on_behalf_of": _TEXTS,
        "new_counterparty": {"type": "boolean"},
        "time": {**_object({"days": _some({"enum": list(DAYS)}), "from": _CLOCK, "until": _CLOCK}), "minProperties": 1,
                 "dependentRequired": {"from": ["until"], "until": ["from"]}},
        "data": _TEXTS,
        "untrusted": {"type": "boolean"},
        "prior_actions": _range(),
        "prior_operations": _TEXTS,
        "distance": _object({"at_least": _OF_100, "at_most": _OF_100}),
        "condition": {"type": "string", "minLength": 1, "maxLength": LONGEST_CONDITION},
    }
)  # fmt: skip
# Sums of amounts in a currency, or counts of actions, over the last hours: of what is not certainly without effect.
TOTAL = {
    **_object(
        {
            "sum": _CURRENCY,
            "count": {"const": "actions"},
            "by": _some({"enum": list(KEYS)}),
            "hours": {"type": "integer", "minimum": 1, "maximum": 24 * 31},
            "of": _object({name: WHEN["properties"][name] for name in ("integration", "operation", "effect")}),
        },
        "hours",
    ),
    "oneOf": [{"required": ["sum"]}, {"required": ["count"]}],
}
_AAGUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
_GROUP = {"group": SLUG, "count": _COUNT}
SLOT = _object(
    {
        **_GROUP,
        "or": {"type": "array", "items": _object(_GROUP, "group"), "minItems": 1, "maxItems": 3},
        "refusals": _COUNT,
        "blind": {"type": "boolean"},
        "signature": {"enum": list(SIGNATURES)},
        "separation": _some({"enum": list(SEPARATIONS)}),
        "where": {"type": "string", "minLength": 1, "maxLength": LONGEST_CONDITION},
        "authenticators": _some(_AAGUID),
        "proofed": {"type": "boolean"},
    },
    "group",
)
REVIEW = _object(
    {
        "slots": {"type": "array", "items": SLOT, "minItems": 1, "maxItems": 5},
        "signature": {"enum": list(SIGNATURES)},
        "expires_minutes": _MINUTES,
        "escalation": {
            "type": "array",
            "items": _object({"after_minutes": _MINUTES, "group": SLUG}, "after_minutes", "group"),
            "minItems": 1,
            "maxItems": 5,
        },
        "evidence": _TEXTS,
        "states": _some({"enum": list(STATES)}),
    },
    "slots",
)
_ARGUMENT = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}
MODIFY = {
    **_object(
        {
            "cap": {"type": "object", "propertyNames": _ARGUMENT, "additionalProperties": {"type": "number"},
                    "minProperties": 1},
            "drop": _some(_ARGUMENT),
            "set": {"type": "object", "propertyNames": _ARGUMENT, "minProperties": 1},
        }
    ),
    "minProperties": 1,
}  # fmt: skip
DEFER = _object({"missing": _SAID, "minutes": {"type": "integer", "minimum": 1, "maximum": 1_440}}, "missing")
_WITH = {"review": REVIEW, "modify": MODIFY, "defer": DEFER}  # what an outcome of this name needs, and no other has
_RULE = {
    **_object(
        {"id": SLUG, "label": _SAID, "when": WHEN, "then": {"enum": list(OUTCOMES)}, "reason": _SAID, **_WITH},
        "id",
        "when",
        "then",
    ),
    "allOf": [
        {"if": {"properties": {"then": {"const": name}}}, "then": {"required": [name]},
         "else": {"properties": {name: False}}}
        for name in _WITH
    ],
}  # fmt: skip
SCHEMA = _object(
    {
        "policy": SLUG,
        "zone": {"type": "string", "maxLength": 60},  # IANA, of the times in it
        "totals": {"type": "object", "propertyNames": _NAME, "additionalProperties": TOTAL, "minProperties": 1,
                   "maxProperties": MOST_TOTALS},
        "never": {"type": "array", "items": _object({"id": SLUG, "label": _SAID, "when": WHEN}, "id", "when"),
                  "minItems": 1, "maxItems": 50},
        "rules": {"type": "array", "items": _RULE, "minItems": 1, "maxItems": 2_000},
    },
    "policy",
    "rules",
)  # fmt: skip
