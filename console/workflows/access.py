"""Loading workflows on behalf of an actor."""

from django.db.models import QuerySet

from console.core.actor import Actor
from console.core.errors import NotFound
from console.workflows.models import Workflow, WorkflowVersion


def visible_workflows(actor: Actor) -> QuerySet[Workflow]:
    """Every member of the team may read what is run in its name."""
    return Workflow.objects.filter(team=actor.team) if actor.roles else Workflow.objects.none()


def access_workflow(actor: Actor, slug: str) -> Workflow:
    workflow = visible_workflows(actor).filter(slug=slug).first()
    if workflow is None:
        raise NotFound(f"Your team has no workflow {slug!r}.")
    return workflow


def access_version(actor: Actor, slug: str, number: int | None = None) -> WorkflowVersion:
    """The newest one unless a number is given."""
    versions = WorkflowVersion.objects.select_related("workflow").filter(workflow=access_workflow(actor, slug))
    version = (versions.filter(number=number) if number else versions).first()
    if version is None:
        raise NotFound(f"{slug} has no such version.")
    return version


def is_workflow(team: str, slug: str) -> bool:
    return Workflow.objects.filter(team=team, slug=slug).exists()
