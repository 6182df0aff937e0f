"""Taking a ready step: one worker gets it, with a token that every later write of its must still carry."""

from django.db import transaction

from audit.move import move
from console.core.actor import Actor
from console.core.telemetry import new_span_id
from console.runs.models import Attempt, Run, Step
from console.traces.live import changed
from console.traces.store import SpanStart, start_spans


@transaction.atomic
def claim_step(worker: int, *, actor: Actor) -> Step | None:
    """The oldest ready step that nobody else is taking, now running under this worker's next token."""
    step = (
        Step.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("run__version__workflow", "parent")
        .filter(state="ready")
        .order_by("ready_at")
        .first()
    )
    if step is None:
        return None
    first = not step.span_id
    fence, span = step.fence + 1, step.span_id or new_span_id()
    move(step, "running", actor=actor, detail={"fence": fence}, fence=fence, lease_owner=worker, span_id=span)
    Attempt.objects.create(step=step, fence=fence, worker=worker)
    if first:
        _start_span(step, step.run)
    changed(step.run.team_id, f"run.{step.run_id}")
    return step


def _start_span(step: Step, run: Run) -> None:
    parent = step.parent.span_id if step.parent else run.span_id
    surface = "api" if step.kind == "call" else "process"
    start_spans([SpanStart(run.trace_id, step.span_id, step.label, surface, run.team_id, parent, run.id, step.id)])
