"""The end of an action, however it ends: state, record, span, and the word to whoever waits for it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import transaction

from approvals.models import Action
from approvals.signals import action_settled
from audit.move import Also, move
from console.core.actor import Actor
from console.core.clock import now
from console.core.compiled import Compiled
from console.traces.live import answered, changed
from console.traces.store import ending

# What the log keeps of an outcome: never bodies, never free text that a person wrote.
_LOGGED = ("code", "rule", "status", "receipt_digest", "call")


_LOCKED = Compiled(lambda action: Action.objects.filter(pk=action).select_for_update())


def lock_action(action: str) -> Action:
    """Inside a transaction: whoever moves an action holds this lock, before any other."""
    [locked] = _LOCKED(action)
    return locked


def settling(action: Action) -> AbstractContextManager[object]:
    """What `settle` needs around it: one statement is a transaction by itself, and for a step there is a second."""
    return transaction.atomic() if action.step else nullcontext()


def settle(
    action: Action,
    state: str,
    outcome: dict[str, Any],
    *,
    actor: Actor,
    decision: Mapping[str, object] | None = None,
    detail: Mapping[str, object] | None = None,
    also: Also = (),
    **fields: Any,
) -> None:
    """Inside the caller's transaction, or `settling`. `fields` are set with the state, `also` is written with it.
    Raises Conflict when the action has moved meanwhile."""
    told = {"outcome": outcome["code"]}
    ended = ending(action.trace_id, action.wait_span_id, ok=state == "succeeded", attributes=told)
    waited = [ended] if action.wait_span_id else []
    people = bool(action.wait_span_id or action.reverses_id) or action.state in ("held", "in_doubt")
    move(
        action,
        state,
        actor=actor,
        result=outcome["code"],
        decision=decision,
        detail={**(detail or {}), **{name: outcome[name] for name in _LOGGED if outcome.get(name) is not None}},
        personal={"text": outcome["text"]} if outcome.get("text") else None,
        outcome=outcome,
        settled_at=now(),
        also=[*waited, *also],
        **fields,
    )
    action_settled.send(sender=Action, action=action)
    announce(action, people=people)


def announce(action: Action, *, people: bool = True) -> None:
    """To the agent that waits for it, to its run's page, and where `people` had to do with it to the queue."""
    if not action.step and action.state in Action.RESTING:
        answered(action.id)
    changed(action.team_id, *(["reviews"] if people else []), *([f"run.{action.run}"] if action.run else []))
