"""Limits for a grant, and rules for a policy, from what was seen. Pure: an admin decides, nothing is given."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from approvals.authority import question
from approvals.policies.decide import decide
from approvals.policies.document import parse
from console.agents.models import Agent
from integrations.models import Operation

FEW = 5  # different values of a text that make a list
OFTEN = 3  # times as many calls as there are different values
REVIEW = {"slots": [{"group": "admins"}], "signature": "passkey", "expires_minutes": 240}
LAST = {"id": "everything-else", "when": {}, "then": "review", "review": REVIEW}
UNDECIDED = ("no-policy", "no-rule-matched")
Ruled = tuple[Operation, int | None, str]  # with the amount and its currency


def propose_limits(seen: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Of each argument that every call had: numbers within what was seen, a text one of few. {} where nothing can be
    said."""
    names = [name for name in (seen[0] if seen else ()) if all("value" in values.get(name, ()) for values in seen)]
    limits = {name: limit for name in names if (limit := _limit(name, [values[name]["value"] for values in seen]))}
    return {"arguments": limits} if limits else {}


def _limit(name: str, values: Sequence[Any]) -> dict[str, Any]:
    different = {json.dumps(value): value for value in values}
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numbers and len(different) > 1 and not name.endswith("id"):
        return {"at_least": min(values), "at_most": max(values)}
    if len(different) > FEW or len(values) < OFTEN * len(different):
        return {}
    told = [different[key] for key in sorted(different)]
    return {"equals": told[0]} if len(told) == 1 else {"one_of": told}


def propose_policy(
    document: Mapping[str, Any] | None, agent: Agent, seen: Iterable[Ruled]
) -> tuple[dict[str, Any], str]:
    """The policy in force, with rules for what only its last rule decides now: reads are allowed, what changes
    something is for people. And its YAML; "" where nothing is missing."""
    rules = list(document["rules"]) if document else [LAST]
    asked = {
        (operation.pk, amount, currency): (operation, question(operation, agent.grantee, amount, currency))
        for operation, amount, currency in seen
    }
    open_to = [operation for operation, one in asked.values()
               if decide(document, one).rule in (*UNDECIDED, rules[-1]["id"])]  # fmt: skip
    reads = sorted({_name(one) for one in open_to if one.effect == "read"})
    writes = sorted({_name(one) for one in open_to if one.effect != "read"})
    added = []
    if reads:
        added.append(_rule(agent, "reads", reads, rules) | {"then": "allow"})
    if writes and rules[-1]["then"] != "review":
        added.append(_rule(agent, "writes", writes, rules) | {"then": "review", "review": REVIEW})
    made = {**(document or {"policy": "observed"}), "rules": [*rules[:-1], *added, rules[-1]]}
    text = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=110)
    return parse(text), text if added else ""


def _rule(agent: Agent, kind: str, operations: list[str], rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    taken, name = {rule["id"] for rule in rules}, f"seen-{agent.slug[:40]}-{kind}"
    numbers = (f"{name}-{number}" for number in range(2, len(rules) + 3))
    identity = name if name not in taken else next(one for one in numbers if one not in taken)
    when = {"agent": [agent.slug], "operation": operations}
    return {"id": identity, "label": f"Seen while {agent.grantee} was observed", "when": when}


def _name(operation: Operation) -> str:
    return f"{operation.integration.slug}.{operation.slug}"
