"""What an agent is granted, as tools: a name, words, and one JSON Schema of all arguments."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from console.agents.models import Agent
from console.core.clock import now
from integrations.amend import quarantined
from integrations.definitions import PLACE, closure
from integrations.described import definitions_of
from integrations.models import Grant, Operation
from integrations.permission import is_agents_own

LONGEST_NAME = 64  # of what clients take as the name of a tool
EFFECTS = {
    "read": "Only looks.",
    "write": "Changes something; it may wait until a person has signed.",
    "destructive": "Ends or removes something; it may wait until a person has signed.",
}


@dataclass(frozen=True, slots=True)
class Tool:
    """`operation` is `integration.operation`, `name` what fits into the name of a tool."""

    operation: str
    name: str
    title: str
    effect: str
    categories: list[str]
    row: Operation

    @property
    def own(self) -> bool:
        """Whether the agent does it itself, once it is permitted."""
        return is_agents_own(self.row.integration)

    @property
    def says(self) -> str:
        return f"{self.title}. {EFFECTS[self.effect]}"

    def schema(self) -> dict[str, Any]:
        """Draft 2020-12; what the arguments reach stands in `$defs`."""
        arguments: Mapping[str, Any] = self.row.description.get("arguments", {})
        definitions = definitions_of(self.row.definitions_id)
        reached = closure([argument["schema"] for argument in arguments.values()], definitions)
        made: dict[str, Any] = {
            "type": "object",
            "properties": {name: _local(argument["schema"]) for name, argument in arguments.items()},
            "required": [name for name, argument in arguments.items() if argument.get("required")],
            "additionalProperties": False,
        }
        return made | ({"$defs": {name: _local(schema) for name, schema in reached.items()}} if reached else {})


def tools_of(agent: Agent) -> list[Tool]:
    """Those that it may use now, by name. Two queries, however many there are."""
    granted = granted_to(agent)
    rows = Operation.objects.filter(
        integration__in={integration for integration, _ in granted}, slug__in={slug for _, slug in granted}
    )
    rows = rows.select_related("integration").exclude(quarantined("pk")).order_by("integration__slug", "slug")
    return [_tool(row) for row in rows if (row.integration_id, row.slug) in granted]


def granted_to(agent: Agent) -> set[tuple[str, str]]:
    """Ids of integrations with the names of operations there, by the grants in force."""
    in_force = Q(until=None) | Q(until__gt=now())
    grants = Grant.objects.filter(in_force, team=agent.team_id, grantee=agent.grantee, revoked_at=None)
    return {(one.integration_id, slug) for one in grants.only("integration", "operations") for slug in one.operations}


def _tool(row: Operation) -> Tool:
    operation = f"{row.integration.slug}.{row.slug}"
    return Tool(operation, tool_name(operation), row.title, row.effect, row.categories, row)


def tool_name(operation: str) -> str:
    """Unique within a team: no integration's name has an underscore, and what is cut off is told by a digest."""
    plain = operation.replace(".", "_")
    if len(plain) <= LONGEST_NAME:
        return plain
    return f"{plain[: LONGEST_NAME - 9]}_{hashlib.sha256(operation.encode()).hexdigest()[:8]}"


def _local(schema: Any) -> Any:
    """References as they are inside one document."""
    if isinstance(schema, Mapping):
        return {
            key: _refer(value) if key in ("$ref", "$dynamicRef") else _local(value) for key, value in schema.items()
        }
    return [_local(inner) for inner in schema] if isinstance(schema, list) else schema


def _refer(reference: Any) -> Any:
    return "#/$defs/" + reference.removeprefix(PLACE) if str(reference).startswith(PLACE) else reference
