"""Runs for programs: to watch them from outside. Starting and cancelling stay with people in the browser."""

from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from ninja import Field, Query, Router, Schema

from console.core.actor import Role
from console.core.keyset import newest_first
from console.core.web import Request
from console.core.wire import Listed, Moment, Wanted, answers
from console.runs.access import access_run, visible_runs
from console.runs.models import Run, Step

router = Router(tags=["runs"])


class RunFilter(Wanted):
    state: Literal["running", "succeeded", "failed", "cancelled"] | None = Field(None)
    workflow: str = Field("", max_length=64, description="The workflow's short name")


class RunOut(Schema):
    """`on_behalf_of` is the person who started it, and who therefore cannot sign what it proposes."""

    id: str
    workflow: str
    version: int
    state: str
    on_behalf_of: str
    trace_id: str
    started_at: Moment
    finished_at: Moment | None


class Outcome(Schema):
    """`code` is stable for programs; both are empty after a run in which nothing went wrong."""

    code: str = ""
    text: str = ""
    step: str = ""


class Problem(Schema):
    code: str = ""
    text: str = ""


class StepOut(Schema):
    """Steps of kind `each` have children, one per item; `waiting_for` is review, timer, event or child."""

    id: str
    name: str
    parent: str | None
    index: int
    kind: str
    state: str
    needs: list[str]
    waiting_for: str
    action: str
    error: Problem | None


class RunDetail(RunOut):
    """Without the outputs of its steps: they hold what other systems answered, and belong on the page. `request` is
    what the person wanted who started it, in their own words."""

    request: str
    inputs: dict[str, Any]
    outcome: Outcome | None
    steps: list[StepOut]


@router.get("/runs", response=answers(Listed[RunOut]), operation_id="list_runs")
def list_runs(request: Request, wanted: Annotated[RunFilter, Query()]) -> dict[str, object]:
    request.actor.require(*Role)
    page = newest_first(_matching(request, wanted), by="started_at", after=wanted.after, size=wanted.limit)
    return {"items": [_brief(run) for run in page.items], "next": page.next or None}


@router.get("/runs/{run_id}", response=answers(RunDetail), operation_id="get_run")
def get_run(request: Request, run_id: str) -> dict[str, object]:
    request.actor.require(*Role)
    run = access_run(request.actor, run_id)
    steps = run.steps.defer("output", "item")
    return {
        **_brief(run),
        "request": run.request,
        "inputs": run.inputs,
        "outcome": run.outcome,
        "steps": [_step(step) for step in steps],
    }


def _matching(request: Request, wanted: RunFilter) -> QuerySet[Run]:
    runs = visible_runs(request.actor).select_related("version__workflow").defer("version__source", "version__document")
    if wanted.state:
        runs = runs.filter(state=wanted.state)
    return runs.filter(version__workflow__slug=wanted.workflow) if wanted.workflow else runs


def _brief(run: Run) -> dict[str, object]:
    return {
        "id": run.id, "workflow": run.version.workflow.slug, "version": run.version.number, "state": run.state,
        "on_behalf_of": run.on_behalf_of_id, "trace_id": run.trace_id, "started_at": run.started_at,
        "finished_at": run.finished_at,
    }  # fmt: skip


def _step(step: Step) -> dict[str, object]:
    return {
        "id": step.id, "name": step.name, "parent": step.parent_id, "index": step.index, "kind": step.kind,
        "state": step.state, "needs": step.needs, "waiting_for": step.waiting_for, "action": step.action,
        "error": step.error,
    }  # fmt: skip
