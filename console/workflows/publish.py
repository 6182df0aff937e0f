"""Publishing a version of a workflow from YAML. Equal content makes no new version."""

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.canonical import digest
from console.workflows.models import Workflow, WorkflowVersion
from console.workflows.spec import parse


@transaction.atomic
def publish_workflow(source: str, *, actor: Actor) -> WorkflowVersion:
    """Raises Invalid with a place; nothing is stored then."""
    actor.require(Role.ADMIN)
    document = parse(source)
    Workflow.objects.get_or_create(team_id=actor.team, slug=document["workflow"], defaults={"title": document["title"]})
    workflow = Workflow.objects.select_for_update().get(team_id=actor.team, slug=document["workflow"])
    latest = workflow.versions.first()
    fresh = digest("countersign/workflow/v1", {"source": source})
    if latest and bytes(latest.digest) == fresh:
        return latest
    Workflow.objects.filter(pk=workflow.pk).update(title=document["title"])
    version = WorkflowVersion.objects.create(
        workflow=workflow, number=latest.number + 1 if latest else 1, source=source, document=document, digest=fresh,
        published_by=actor.id,
    )  # fmt: skip
    record(Kind.WORKFLOW_PUBLISHED, subject=workflow.id, actor=actor,
           detail={"version": version.id, "number": version.number, "digest": fresh.hex()})  # fmt: skip
    return version
