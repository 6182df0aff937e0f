"""What a step's end leads to: its parent's end, the next steps, the run's end. Under the lock on the run."""

from typing import Any

from approvals.reverse import undo_run
from audit.move import move
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.canonical import digest
from console.core.clock import now
from console.core.wake import wake
from console.runs.graph import follow
from console.runs.models import Run, Step
from console.traces.live import changed
from console.traces.store import end_span


def lock_run(run_id: str) -> Run:
    """First in the lock order: whoever finishes a step takes it, so that ends of two steps are seen one by one."""
    return Run.objects.select_for_update(of=("self",)).select_related("version").get(pk=run_id)


def finish_step(step: Step, run: Run, *, output: Any = None, error: dict[str, str] | None = None, actor: Actor) -> None:
    """Succeeded with its output, or failed with {code, text}; then everything that follows from it."""
    step.run = run
    state = "failed" if error else "succeeded"
    detail = {"code": error["code"]} if error else {"output_digest": _output_digest(output)}
    personal = {"text": error["text"]} if error else None
    move(step, state, actor=actor, detail=detail, personal=personal, output=output, error=error, lease_owner=None,
         waiting_for="", due_at=None)  # fmt: skip
    if step.span_id:
        end_span(run.trace_id, step.span_id, ok=error is None, attributes={"error": error["code"]} if error else None)
    if step.parent_id:
        _finish_parent(step.parent_id, run, actor)
    else:
        advance(run, actor=actor)
    changed(run.team_id, f"run.{run.id}")


def _output_digest(output: Any) -> str:
    try:
        return digest("countersign/output/v1", output).hex()
    except ValueError:
        return ""  # numbers beyond what canonical JSON can carry; the output is stored all the same


def _finish_parent(parent_id: str, run: Run, actor: Actor) -> None:
    """An `each` step ends with its last child: succeeded with all outputs, or failed with what failed first."""
    parent = Step.objects.select_for_update().get(pk=parent_id)
    children = list(parent.children.order_by("index"))
    if parent.state in Step.FINAL or any(child.state not in Step.FINAL for child in children):
        return
    failed = [child for child in children if child.state != "succeeded"]
    if failed:
        first = failed[0].error or {"code": "cancelled", "text": "It was cancelled."}
        text = f"{len(failed)} of {len(children)} did not succeed. First: {first['text']}"
        finish_step(parent, run, error={"code": first["code"], "text": text}, actor=actor)
    else:
        finish_step(parent, run, output=[child.output for child in children], actor=actor)


def advance(run: Run, *, actor: Actor) -> None:
    """Make ready what can begin, cancel what never can, end the run when nothing is left."""
    steps = {step.name: step for step in run.steps.filter(parent=None)}
    following = follow({s.name: s.state for s in steps.values()}, {s.name: s.needs for s in steps.values()})
    for name in following.cancel:
        steps[name].run = run
        move(steps[name], "cancelled", actor=actor)
    for name in following.ready:
        make_ready(steps[name], run, actor=actor)
    if following.end and run.state == "running":
        _end_run(run, following.end, steps, actor)


def make_ready(step: Step, run: Run, *, actor: Actor) -> None:
    step.run = run
    move(step, "ready", actor=actor, ready_at=now(), lease_owner=None, waiting_for="", due_at=None)
    wake("console.dispatch.tasks.work", "steps")


def _end_run(run: Run, state: str, steps: dict[str, Step], actor: Actor) -> None:
    failed = next((step for step in steps.values() if step.state == "failed" and step.error), None)
    error = failed.error if failed else None
    outcome: dict[str, Any] = (
        {"code": error["code"], "text": error["text"], "step": failed.name} if failed and error else {"code": state}
    )
    if state == "failed" and run.version.document.get("on_failure") == "undo":
        outcome["undone"] = _undo(run, outcome, actor)
    move(run, state, actor=actor, result=str(outcome["code"]), outcome=outcome, finished_at=now())
    end_span(run.trace_id, run.span_id, ok=state == "succeeded")
    changed(run.team_id, "runs", f"run.{run.id}")


def _undo(run: Run, outcome: dict[str, Any], actor: Actor) -> dict[str, int]:
    says = f"The run failed{' at ' + outcome['step'] if 'step' in outcome else ''}. {outcome.get('text', '')}".strip()
    asked, left = undo_run(run.pk, says=says, maker=run.on_behalf_of_id, actor=actor)
    return {"asked": asked, "left": left}


def cancel_run(run: Run, *, actor: Actor) -> None:
    """Steps that have not begun are cancelled; those at work are told by their lost lease. Called under lock_run."""
    for step in Step.objects.select_for_update().filter(run=run).exclude(state__in=Step.FINAL).order_by("id"):
        step.run = run
        move(step, "cancelled", actor=actor, lease_owner=None, waiting_for="", due_at=None)
        if step.span_id:
            end_span(run.trace_id, step.span_id, ok=False, attributes={"error": "cancelled"})
    move(run, "cancelled", actor=actor, outcome={"code": "cancelled", "text": f"Cancelled by {actor.name}."},
         finished_at=now())  # fmt: skip
    end_span(run.trace_id, run.span_id, ok=False)
    changed(run.team_id, "runs", f"run.{run.id}")


def note_attempt_lost(step: Step, *, actor: Actor) -> None:
    record(Kind.ATTEMPT_LOST, subject=step.id, actor=actor, detail={"fence": step.fence}, **step.audit_context())
