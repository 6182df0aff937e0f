"""Workflows for programs: what the team can run, and the exact version it would follow."""

from typing import Annotated, Any

from ninja import Query, Router, Schema

from console.core.actor import Role
from console.core.clock import now
from console.core.web import Request
from console.core.wire import Listed, Moment, answers
from console.workflows.access import access_version, visible_workflows
from console.workflows.models import Workflow
from console.workflows.queries import grants_of, listed, versions_of
from integrations.queries import state_of

router = Router(tags=["workflows"])
Number = Annotated[int | None, Query(ge=1, lt=2**31)]


class WorkflowOut(Schema):
    slug: str
    title: str
    versions: int
    published_at: Moment


class VersionOut(Schema):
    number: int
    published_at: Moment
    published_by: str


class GrantOut(Schema):
    """What runs of this workflow may use; names and dates only, never the credential itself."""

    id: str
    integration: str
    operations: list[str]
    credential: str
    until: Moment | None
    in_force: bool


class WorkflowDetail(Schema):
    """`document` is the version read, `source` the YAML as it was given."""

    slug: str
    title: str
    version: VersionOut
    source: str
    document: dict[str, Any]
    versions: list[VersionOut]
    grants: list[GrantOut]


@router.get("/workflows", response=answers(Listed[WorkflowOut]), operation_id="list_workflows")
def list_workflows(request: Request) -> dict[str, object]:
    """All of them: a team has dozens, so `next` is always null."""
    request.actor.require(*Role)
    found = listed(visible_workflows(request.actor))
    return {"items": [_brief(workflow) for workflow in found], "next": None}


@router.get("/workflows/{slug}", response=answers(WorkflowDetail), operation_id="get_workflow")
def get_workflow(request: Request, slug: str, version: Number = None) -> dict[str, object]:
    """The newest version unless a number is given."""
    request.actor.require(*Role)
    found = access_version(request.actor, slug, version)
    workflow = found.workflow
    return {
        "slug": workflow.slug, "title": found.document["title"], "version": found, "source": found.source,
        "document": found.document, "versions": versions_of(workflow), "grants": _grants(request, workflow),
    }  # fmt: skip


def _brief(workflow: Any) -> dict[str, object]:
    return {"slug": workflow.slug, "title": workflow.title, "versions": workflow.count,
            "published_at": workflow.published_at}  # fmt: skip


def _grants(request: Request, workflow: Workflow) -> list[dict[str, object]]:
    return [
        {"id": grant.id, "integration": grant.integration.slug, "operations": grant.operations,
         "credential": grant.credential.name, "until": grant.until, "in_force": state_of(grant, now()) == "in force"}
        for grant in grants_of(workflow, request.actor)
    ]  # fmt: skip
