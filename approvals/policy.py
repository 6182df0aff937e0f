"""The policy: ordered rules, first match. Pure; whatever is missing, unknown or wrong ends in a review."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from console.core.canonical import digest
from console.core.documents import load
from console.core.errors import Invalid
from integrations.models import CATEGORIES, EFFECTS

GATED = frozenset({"financial", "legal", "security"})
FALLBACK = {"group": "admins", "count": 1, "signature": "passkey", "expires_minutes": 240}

_SLUG = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"}
_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["policy", "rules"],
    "properties": {
        "policy": _SLUG,
        "rules": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["id", "when", "then"],
                "properties": {
                    "id": _SLUG,
                    "label": {"type": "string"},
                    "when": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "integration": _TEXTS,
                            "operation": _TEXTS,
                            "workflow": _TEXTS,
                            "effect": {"type": "array", "items": {"enum": list(EFFECTS)}, "minItems": 1},
                            "categories": {"type": "array", "items": {"enum": list(CATEGORIES)}, "minItems": 1},
                            "amount": {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["currency"],
                                "properties": {
                                    "currency": {"type": "string", "pattern": "^[a-z]{3}$"},
                                    "at_least": {"type": "integer", "minimum": 0},
                                    "at_most": {"type": "integer", "minimum": 0},
                                },
                            },
                        },
                    },
                    "then": {"enum": ["allow", "deny", "review"]},
                    "review": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["group"],
                        "properties": {
                            "group": _SLUG,
                            "count": {"const": 1},
                            "signature": {"enum": ["passkey", "password"]},
                            "expires_minutes": {"type": "integer", "minimum": 1, "maximum": 43_200},
                        },
                    },
                    "reason": {"type": "string", "maxLength": 500},
                },
                "allOf": [
                    {"if": {"properties": {"then": {"const": "review"}}}, "then": {"required": ["review"]}},
                ],
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Question:
    """What a rule may look at. All of it was decoded by us; nothing an agent wrote is in here."""

    integration: str
    operation: str
    workflow: str
    effect: str
    categories: frozenset[str]
    trust: str
    idempotency: str
    amount_minor: int | None = None
    currency: str = ""
    undecoded: tuple[str, ...] = ()
    here: bool = False  # it is the console itself that does it


@dataclass(frozen=True, slots=True)
class Answer:
    outcome: str  # allow, deny, review
    rule: str
    requirement: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


def parse(text: str) -> dict[str, Any]:
    """The document. Raises Invalid with a place; the last rule must match everything and must not allow."""
    document = load(text, SCHEMA)
    seen: set[str] = set()
    for index, rule in enumerate(document["rules"]):
        if rule["id"] in seen:
            raise Invalid(f"rules.{index}.id: {rule['id']!r} is given twice")
        seen.add(rule["id"])
    last = document["rules"][-1]
    if last["when"] or last["then"] == "allow":
        raise Invalid(f"rules.{len(document['rules']) - 1}: the last rule must match everything and must not allow")
    return document


def policy_digest(document: Mapping[str, Any]) -> bytes:
    return digest("countersign/policy/v1", document)


def decide(document: Mapping[str, Any] | None, question: Question) -> Answer:
    """The first rule that matches, then the invariants above every policy. Never raises: an error is a review."""
    try:
        answer = _first_match(document, question)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        answer = Answer("review", "evaluator-error", FALLBACK, (f"The policy could not be evaluated: {error}.",))
    return _above_policy(answer, question)


def _first_match(document: Mapping[str, Any] | None, question: Question) -> Answer:
    if document is None:
        return Answer("deny", "no-policy", reasons=("No policy is published for this team.",))
    for rule in document["rules"]:
        if _matches(rule["when"], question):
            if rule["then"] not in ("allow", "deny", "review"):
                raise ValueError("the rule has no known outcome")
            requirement = {**FALLBACK, **rule["review"]} if rule["then"] == "review" else {}
            reasons = (rule["reason"],) if rule.get("reason") else ()
            return Answer(rule["then"], rule["id"], requirement, reasons)
    return Answer("review", "no-rule-matched", FALLBACK, ("No rule matched.",))


def _matches(when: Mapping[str, Any], question: Question) -> bool:
    return (
        _one_of(when.get("integration"), question.integration)
        and _one_of(when.get("operation"), question.operation)
        and _one_of(when.get("workflow"), question.workflow)
        and _one_of(when.get("effect"), question.effect)
        and ("categories" not in when or not question.categories.isdisjoint(when["categories"]))
        and _in_range(when.get("amount"), question)
    )


def _one_of(allowed: Sequence[str] | None, value: str) -> bool:
    return allowed is None or value in allowed


def _in_range(limits: Mapping[str, Any] | None, question: Question) -> bool:
    """An unknown amount is an error, hence a review: skipping the rule could let a later, laxer one answer."""
    if limits is None:
        return True
    if question.amount_minor is None:
        raise ValueError("the amount is not known")
    if question.currency != limits["currency"]:
        return False
    return bool(limits.get("at_least", 0) <= question.amount_minor <= limits.get("at_most", question.amount_minor))


def _above_policy(answer: Answer, question: Question) -> Answer:
    """Code, not a default rule: what no policy can allow without a human."""
    if question.here and answer.outcome != "deny":
        return Answer("review", answer.rule, FALLBACK, (*answer.reasons, "The console does it itself: "
                      "somebody else of the group admins signs it."))  # fmt: skip
    if answer.outcome != "allow" or question.effect == "read":
        return answer
    reasons = tuple(_must_see(question))
    return Answer("review", answer.rule, FALLBACK, reasons) if reasons else answer


def _must_see(question: Question) -> list[str]:
    reasons = []
    if question.idempotency in {"none", "unknown"}:
        reasons.append("The other side cannot tell a repeat from a new request, so every write needs a person.")
    if question.trust not in {"reviewed", "proven"}:
        reasons.append("The description of this operation has not been reviewed by a person.")
    for category in sorted(question.categories & GATED):
        reasons.append(f"It is {category}, and no signed mandate covers it.")
    return reasons
