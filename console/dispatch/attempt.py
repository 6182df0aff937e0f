"""One try at a claimed step: run its executor with no transaction open, then write the outcome under the token."""

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from approvals.models import Action
from approvals.propose import Proposal, propose
from audit.move import begin, move
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import Refusal
from console.core.expressions import fill
from console.core.wake import wake
from console.dispatch.events import caught_by, find_webhook, listen, take_turn_at
from console.executors.base import Awaited, Done, Failed, Listen, Outcome, Parked, Proposed, Request, Settled, Sleep
from console.executors.registry import EXECUTORS
from console.runs.lifecycle import finish_step, lock_run
from console.runs.models import Attempt, Run, Step
from console.runs.request import request_of
from console.traces.live import changed

logger = logging.getLogger(__name__)
MOST_ITEMS = 1_000


class LeaseLost(Exception):
    """Somebody else has the step now; what this try found out is discarded."""


@dataclass(frozen=True, slots=True)
class Expand:
    """An `each` step's items."""

    items: list[Any]


def attempt_step(step: Step, *, actor: Actor) -> None:
    """Never raises for what the step does: every outcome is written, or the lease was lost and nothing is."""
    outcome = _run(step, actor)
    try:
        with transaction.atomic():
            _write(step, outcome, actor)
    except LeaseLost:
        logger.warning("step %s: the lease was lost, its outcome is discarded", step.id)


def _run(step: Step, actor: Actor) -> Outcome | Expand:
    try:
        if step.kind == "each":
            return _items(step)
        spec = step.run.version.document["steps"][step.name]
        kind = step.kind if step.kind in EXECUTORS else ""
        return EXECUTORS[kind](Request(spec, scope_of(step)), StepContext(step, actor))
    except Refusal as refusal:
        return Failed(refusal.code, refusal.text)
    except Exception as error:  # whatever an executor raises is the step's failure, not the worker's
        logger.exception("step %s failed", step.id)
        return Failed("crashed", f"{type(error).__name__}: {error}"[:500])


def _has_heard(run: Run) -> bool:
    """Whether it has taken an event."""
    listens = any("event" in spec for spec in run.version.document["steps"].values())
    return listens and Step.objects.filter(run=run, kind="event", state="succeeded").exists()


def _items(step: Step) -> Outcome | Expand:
    items = fill(step.run.version.document["steps"][step.name]["for_each"], scope_of(step))
    if not isinstance(items, list):
        return Failed("not_a_list", "`for_each` did not give a list.")
    if len(items) > MOST_ITEMS:
        return Failed("too_many_items", f"`for_each` gave {len(items):,} items; the most is {MOST_ITEMS:,}.")
    return Expand(items)


def scope_of(step: Step) -> dict[str, Any]:
    """What expressions may read: the run's inputs, outputs of finished steps, and the item of an `each` step."""
    outputs = Step.objects.filter(run=step.run_id, parent=None, state="succeeded").values_list("name", "output")
    return {"inputs": step.run.inputs, "steps": dict(outputs), "item": step.item}


class StepContext:
    """The way out of an executor: proposals in the name of the step's workflow, for the person behind the run."""

    def __init__(self, step: Step, actor: Actor) -> None:
        self._step, self._actor = step, actor

    def act(self, proposed: Proposed) -> Settled | None:
        step, run = self._step, self._step.run
        action = propose(
            Proposal(
                team=run.team_id,
                operation=proposed.operation,
                arguments=proposed.arguments,
                grantee=run.version.workflow.grantee,
                makers=[run.on_behalf_of_id],
                run=run.id,
                step=step.id,
                says=proposed.says,
                request=request_of(run),
                heard=_has_heard(run),
                evidence=proposed.evidence,
                trace_id=run.trace_id,
                parent_span_id=step.span_id,
            ),
            actor=self._actor,
        )
        step.action = action.id
        return Settled(action.state, action.outcome or {}) if action.settled else None

    def due_at(self) -> dt.datetime | None:
        return self._step.due_at

    def webhook(self, name: str) -> str:
        return find_webhook(self._step.run.team_id, name)

    def caught(self) -> dict[str, Any] | None:
        return caught_by(self._step)


def _write(step: Step, outcome: Outcome | Expand, actor: Actor) -> None:
    """Lock order: the turn at a webhook, run, step, action."""
    if isinstance(outcome, Listen):
        take_turn_at(outcome.awaited.webhook)
    run = lock_run(step.run_id)
    held = Step.objects.select_for_update().get(pk=step.pk)
    if held.fence != step.fence or held.state != "running":
        raise LeaseLost
    held.run, held.action = run, step.action
    match outcome:
        case Done(output):
            finish_step(held, run, output=output, actor=actor)
        case Failed(code, text):
            finish_step(held, run, error={"code": code, "text": text}, actor=actor)
        case Parked():
            _park(held, actor)
        case Sleep(until):
            move(held, "waiting", actor=actor, waiting_for="timer", due_at=until, lease_owner=None)
        case Listen(awaited, until):
            _listen(held, awaited, until, actor)
        case Expand(items):
            _expand(held, items, actor)
    Attempt.objects.filter(step=step, fence=step.fence).update(
        finished_at=now(), outcome=type(outcome).__name__.lower()
    )


def _park(step: Step, actor: Actor) -> None:
    """Under the action's lock: if it has settled meanwhile the step goes on at once, else its settling will find it."""
    action = Action.objects.select_for_update().get(pk=step.action)
    if action.settled:
        move(step, "ready", actor=actor, action=step.action, ready_at=now(), lease_owner=None)
        wake("console.dispatch.tasks.work", "steps")
    else:
        move(step, "waiting", actor=actor, action=step.action, waiting_for="review", lease_owner=None)
    changed(step.run.team_id, f"run.{step.run_id}")


def _listen(step: Step, awaited: Awaited, until: dt.datetime, actor: Actor) -> None:
    """At once, where what it waits for has come already."""
    found = listen(step, step.run, awaited).delivery_id
    if found:
        detail = {"delivery": found}
        move(step, "ready", actor=actor, detail=detail, due_at=until, ready_at=now(), lease_owner=None)
        wake("console.dispatch.tasks.work", "steps")
    else:
        move(step, "waiting", actor=actor, waiting_for="event", due_at=until, lease_owner=None)
    changed(step.run.team_id, f"run.{step.run_id}")


def _expand(step: Step, items: list[Any], actor: Actor) -> None:
    if not items:
        finish_step(step, step.run, output=[], actor=actor)
        return
    kind = next(kind for kind in EXECUTORS if kind in step.run.version.document["steps"][step.name])
    for index, item in enumerate(items):
        child = Step(run=step.run, parent=step, name=step.name, index=index, position=step.position, kind=kind,
                     state="ready", ready_at=now(), item=item)  # fmt: skip
        begin(child, actor=actor)
    move(step, "waiting", actor=actor, waiting_for="child", lease_owner=None)
    wake("console.dispatch.tasks.work", "steps")
