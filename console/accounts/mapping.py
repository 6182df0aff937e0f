"""What the claims of a provider give: groups there become roles and groups in teams here. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from console.core.actor import Role
from console.core.documents import load

NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}\\Z"}
SCHEMA: Mapping[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["claim", "value", "team", "roles"],
        "properties": {
            "provider": {"type": "string"},
            "claim": {"type": "string", "minLength": 1},
            "value": {"type": "string", "minLength": 1},
            "team": {"type": "string", "minLength": 1},
            "roles": {"type": "array", "items": {"enum": [role.value for role in Role]}},
            "groups": {"type": "array", "items": NAME},
        },
    },
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Whoever has this value in this claim gets these roles and groups in the team, which is named by its slug."""

    claim: str
    value: str
    team: str
    roles: frozenset[str]
    groups: frozenset[str] = frozenset()
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


def parse_mapping(text: str) -> tuple[Rule, ...]:
    """Of YAML; empty text is an empty mapping. Raises Invalid with place and line."""
    if not text.strip():
        return ()
    document: Any = load(text, SCHEMA)
    return tuple(
        Rule(
            **{key: rule[key] for key in ("claim", "value", "team")},
            roles=frozenset(rule["roles"]),
            groups=frozenset(rule.get("groups", ())),
            provider=rule.get("provider", ""),
        )
        for rule in document
    )


def memberships_by(rules: Iterable[Rule], claims: Mapping[str, object]) -> dict[str, Given]:
    """By the team's slug. Several rules for a team add up."""
    given: dict[str, Given] = {}
    for rule in rules:
        if rule.value in values(claims.get(rule.claim)):
            before = given.get(rule.team, Given())
            given[rule.team] = Given(before.roles | rule.roles, before.groups | rule.groups)
    return given


def values(claim: object) -> set[str]:
    """A text or a list of texts, compared letter by letter: what only looks alike is another value."""
    listed = claim if isinstance(claim, list) else [claim]
    return {one for one in listed if isinstance(one, str)}
