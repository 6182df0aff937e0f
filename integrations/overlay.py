"""Facts that a vendor's document lacks (would a repeat do it twice? is it about money?), from a file beside it. Pure.

They are as little confirmed as the document: a person reviews the operation, and sees them filled in.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from console.core.documents import load
from console.core.errors import Invalid
from integrations.description import Description, check_said
from integrations.description_schema import FACTS, INTEGRATION_SLUG, METHODS
from integrations.openapi.operations import Imported
from integrations.webhooks.schemes import SCHEMES, check_settings

_EVIDENCE = {"type": "string", "pattern": r"^https://[^\s/]+\S*", "maxLength": 1_000}
_IDEMPOTENCY = {
    **FACTS["idempotency"],
    "properties": {**FACTS["idempotency"]["properties"], "evidence": _EVIDENCE},
    "required": ["mode", "evidence"],
}
# Few stars, so that no path takes long to match.
_GLOB = {"type": "string", "pattern": r"^/[^*]*(\*{1,2}[^*]+){0,5}(\*{1,2})?$", "maxLength": 500}


def _facts(*required: str, **selects: Any) -> dict[str, Any]:
    known = {**selects, **FACTS, "idempotency": _IDEMPOTENCY}
    return {"type": "object", "properties": known, "required": list(required), "minProperties": len(required) + 1,
            "additionalProperties": False}  # fmt: skip


_RULE = _facts(
    "methods",
    "paths",
    methods={"type": "array", "items": {"enum": list(METHODS)}, "minItems": 1, "uniqueItems": True},
    paths={"type": "array", "items": _GLOB, "minItems": 1, "maxItems": 200},
)
SCHEMA = {
    "type": "object",
    "properties": {
        "overlay": {"type": "string", "pattern": INTEGRATION_SLUG},
        "title": {"type": "string", "minLength": 1, "maxLength": 200},
        "operations": {"type": "object", "additionalProperties": _facts()},
        "rules": {"type": "array", "items": _RULE, "maxItems": 200},
        "webhooks": {
            "type": "object",
            "properties": {"evidence": _EVIDENCE, "scheme": {"enum": list(SCHEMES)}},
            "required": ["evidence", "scheme"],
            "additionalProperties": {"type": ["string", "integer"]},
        },
    },
    "required": ["overlay", "title"],
    "additionalProperties": False,
}
Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    place: str
    methods: frozenset[str]
    paths: Mapping[str, re.Pattern[str]]  # as they are written
    facts: Facts

    def matches(self, key: str) -> bool:
        method, _, path = key.partition(" ")
        return method in self.methods and any(glob.fullmatch(path) for glob in self.paths.values())


@dataclass(frozen=True, slots=True)
class Overlay:
    """`operations` by `METHOD /path` as the document writes it, or by operationId."""

    slug: str
    title: str
    operations: Mapping[str, Facts]
    rules: tuple[Rule, ...]
    webhooks: tuple[str, Mapping[str, str]] | None  # how its deliveries are checked: scheme and settings


class Layer(NamedTuple):
    """What one place of the overlay says of one operation."""

    place: str
    slug: str
    facts: Facts


def read_overlay(text: str) -> Overlay:
    """From YAML. Raises Invalid with a place."""
    document = load(text, SCHEMA)
    operations, rules = document.get("operations", {}), document.get("rules", [])
    webhooks = _webhooks(document["webhooks"]) if "webhooks" in document else None
    if not operations and not rules and not webhooks:
        raise Invalid("The overlay has neither operations nor rules.")
    return Overlay(document["overlay"], document["title"], operations,
                   tuple(_rule(f"rules.{index}", one) for index, one in enumerate(rules)), webhooks)  # fmt: skip


def _webhooks(told: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    settings = {name: value for name, value in told.items() if name not in ("evidence", "scheme")}
    try:
        return told["scheme"], check_settings(told["scheme"], settings)
    except Invalid as problem:
        raise Invalid(f"webhooks.{problem.text}") from None


def _rule(place: str, one: Mapping[str, Any]) -> Rule:
    facts = {name: value for name, value in one.items() if name not in ("methods", "paths")}
    return Rule(place, frozenset(one["methods"]), {path: _glob(path) for path in one["paths"]}, facts)


def _glob(path: str) -> re.Pattern[str]:
    """`*` is anything within one part of the path, `**` anything at all."""
    written = re.escape(path).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.compile(written, re.DOTALL)


def lay_over(overlay: Overlay, imported: Imported) -> dict[str, dict[str, Any]]:
    """The facts by slug of the operation. Whatever finds no operation, or does not fit the one that it finds, is told
    in the report and left out: nothing in an overlay fails an import."""
    own = {layer.slug: layer for layer in _entries(overlay, imported)}
    layers = [_beneath(layer, own.get(layer.slug)) for layer in _ruled(overlay, imported)]
    made: dict[str, dict[str, Any]] = {}
    for layer in _fitting([one for one in [*layers, *own.values()] if one.facts], imported):
        made.setdefault(layer.slug, {}).update(layer.facts)
    return made


def _entries(overlay: Overlay, imported: Imported) -> Iterator[Layer]:
    by_key = {key: slug for slug, key in imported.keys.items()}
    by_identity = {identity: slug for slug, identity in imported.identities.items() if identity}
    shared = Counter(imported.identities.values())
    found: dict[str, str] = {}  # names, by the slug of what they name
    for name, facts in overlay.operations.items():
        slug = by_key.get(name) or by_identity.get(name)
        if slug is None:
            imported.report.not_apply(name, "is not in the document, or not among what can be called")
        elif name not in by_key and shared[name] > 1:
            imported.report.not_apply(name, "is the operationId of several operations; write METHOD /path instead")
        elif slug in found:
            imported.report.not_apply(name, f"is the same operation as {found[slug]}")
        else:
            found[slug] = name
            yield Layer(name, slug, facts)


def _ruled(overlay: Overlay, imported: Imported) -> Iterator[Layer]:
    """Of each operation, the first rule that matches."""
    used = set()
    for slug, key in imported.keys.items():
        if rule := next((one for one in overlay.rules if one.matches(key)), None):
            used.add(rule.place)
            yield Layer(rule.place, slug, rule.facts)
    paths = {method: [key.partition(" ")[2] for key in imported.keys.values() if key.startswith(f"{method} ")]
             for method in METHODS}  # fmt: skip
    for rule in overlay.rules:
        within = [path for method in rule.methods for path in paths[method]]
        lost = [written for written, glob in rule.paths.items() if not any(map(glob.fullmatch, within))]
        for written in lost:
            imported.report.not_apply(f"{rule.place}.paths", f"nothing of the document matches {written}")
        if rule.place not in used and len(lost) < len(rule.paths):
            imported.report.not_apply(rule.place, "an earlier rule matches whatever this one does")


def _beneath(layer: Layer, above: Layer | None) -> Layer:
    """Without the fields that an entry of the operation's own says."""
    said = above.facts if above else {}
    return layer._replace(facts={name: value for name, value in layer.facts.items() if name not in said})


def _fitting(layers: list[Layer], imported: Imported) -> list[Layer]:
    """Again until nothing more falls out: what was left out may have made another operation the read that a probe
    relies on."""
    while True:
        told = {one.slug: one.facts["effect"] for one in layers if "effect" in one.facts}
        effects = {slug: told.get(slug, document["effect"]) for slug, document in imported.operations.items()}
        kept = []
        for layer in layers:
            try:
                _check(layer, imported.operations[layer.slug], effects)
                kept.append(layer)
            except Invalid as problem:
                imported.report.not_apply(f"{layer.place} → {imported.keys[layer.slug]}", problem.text)
        if len(kept) == len(layers):
            return kept
        layers = kept


def _check(layer: Layer, document: Mapping[str, Any], effects: Mapping[str, str]) -> None:
    described = Description(layer.slug, {**document, **layer.facts})
    check_said(described, effects)
    carries = layer.facts.get("idempotency", {}).get("body", "").partition("[")[0]
    fields = {argument["name"] for argument in described.arguments.values() if argument["in"] == "body"}
    if carries and carries not in fields:
        raise Invalid(f"operations.{layer.slug}.idempotency.body: the body has no field {carries!r:.80}")
