"""Reads for the workflow pages: the list, and a version drawn as the plan that a run of it would follow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform

from console.accounts.models import User
from console.core.actor import Actor
from console.core.clock import now
from console.workflows.models import Workflow, WorkflowVersion
from console.workflows.spec import kind_of, needs, order
from integrations.access import visible_grants
from integrations.models import Grant, Operation
from integrations.queries import state_of


@dataclass(frozen=True, slots=True)
class Planned:
    """A step as the plan shows it. `problem` says why a run would be refused here; "" when nothing is known against."""

    name: str
    kind: str
    step: Mapping[str, Any]
    needs: list[str]
    operation: Operation | None
    problem: str

    @property
    def call(self) -> str:
        return str(self.step.get("call", ""))

    @property
    def each(self) -> str:
        return str(self.step.get("for_each", "")).removeprefix("${{").removesuffix("}}").strip()


def listed(workflows: QuerySet[Workflow]) -> QuerySet[Workflow]:
    """One query, however many there are."""
    newest = WorkflowVersion.objects.filter(workflow=OuterRef("pk")).order_by("-number")
    return workflows.annotate(
        count=Count("versions"),
        published_at=Subquery(newest.values("published_at")[:1]),
        description=Subquery(newest.annotate(text=KeyTextTransform("description", "document")).values("text")[:1]),
    )


def versions_of(workflow: Workflow) -> list[WorkflowVersion]:
    return list(workflow.versions.defer("source", "document", "digest"))


def names_of(versions: Iterable[WorkflowVersion]) -> dict[str, str]:
    """Who published, by id. People who left the team stay named: they answer for what they published."""
    people = User.objects.filter(pk__in={version.published_by for version in versions})
    return dict(people.values_list("pk", "name"))


def grants_of(workflow: Workflow, actor: Actor) -> list[Grant]:
    return list(visible_grants(actor).filter(grantee=workflow.grantee).order_by("integration__title", "id"))


def plan(version: WorkflowVersion, grants: Iterable[Grant]) -> list[Planned]:
    """In the order of execution, with each call's operation as it is described now."""
    steps = version.document["steps"]
    operations = _operations(version.workflow.team_id, steps)
    allowed = _allowed(grants)
    return [_planned(name, steps[name], operations, allowed) for name in order(steps)]


def _planned(name: str, step: Mapping[str, Any], operations: Mapping[str, Operation], allowed: set[str]) -> Planned:
    call = step.get("call", "")
    operation = operations.get(call)
    return Planned(name, kind_of(step), step, sorted(needs(step)), operation, _problem(call, operation, allowed))


def _problem(call: str, operation: Operation | None, allowed: set[str]) -> str:
    if not call or call in allowed:
        return ""
    return "is not granted to this workflow" if operation else "is not connected in this team"


def _allowed(grants: Iterable[Grant]) -> set[str]:
    at = now()
    return {f"{g.integration.slug}.{slug}" for g in grants if state_of(g, at) == "in force" for slug in g.operations}


def _operations(team: str, steps: Mapping[str, Any]) -> dict[str, Operation]:
    calls = {step["call"] for step in steps.values() if "call" in step}
    pairs = [call.split(".") for call in calls]
    found = Operation.objects.select_related("integration").filter(
        integration__team=team,
        integration__slug__in={integration for integration, _ in pairs},
        slug__in={operation for _, operation in pairs},
    )
    return {str(operation): operation for operation in found}
