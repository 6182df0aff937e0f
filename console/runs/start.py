"""Starting a run: all its steps are planned at once, so that the page shows what is to come."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from audit.move import begin
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.telemetry import new_span_id, new_trace_id
from console.core.wake import wake
from console.runs.models import Run, Step
from console.runs.request import keep_request, request_digest
from console.traces.live import changed
from console.traces.store import SpanStart, start_spans
from console.workflows.inputs import read_inputs
from console.workflows.models import WorkflowVersion
from console.workflows.spec import kind_of, needs, order


@transaction.atomic
def start_run(version: WorkflowVersion, *, inputs: Mapping[str, Any], actor: Actor, request: str = "") -> Run:
    """For the person who starts it, who therefore cannot sign what it proposes. `request` is what they want, in words
    of theirs. Raises Invalid for wrong inputs."""
    actor.require(Role.OPERATOR, Role.ADMIN)
    run = Run(
        team_id=actor.team,
        version=version,
        inputs=read_inputs(version.document, inputs),
        on_behalf_of_id=actor.id,
        trace_id=new_trace_id(),
        span_id=new_span_id(),
    )
    keep_request(run, request)
    begin(run, actor=actor, detail={"workflow": version.workflow.slug, "version": version.number,
                                    **request_digest(run)})  # fmt: skip
    start_spans([SpanStart(run.trace_id, run.span_id, version.workflow.slug, "process", run.team_id, run=run.id,
                           subject=run.id)])  # fmt: skip
    _plan_steps(run, version, actor)
    wake("console.dispatch.tasks.work", "steps")
    changed(run.team_id, "runs")
    return run


def _plan_steps(run: Run, version: WorkflowVersion, actor: Actor) -> None:
    steps = version.document["steps"]
    for position, name in enumerate(order(steps)):
        wanted = sorted(needs(steps[name]))
        kind = "each" if "for_each" in steps[name] else kind_of(steps[name])
        ready = {} if wanted else {"state": "ready", "ready_at": now()}
        begin(Step(run=run, name=name, position=position, kind=kind, needs=wanted, **ready), actor=actor)
