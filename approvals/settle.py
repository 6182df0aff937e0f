"""The end of an action, however it ends: state, record, span, and the word to whoever waits for it."""

from collections.abc import Mapping
from typing import Any

from approvals.models import Action
from approvals.signals import action_settled
from audit.move import move
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


def settle(
    action: Action,
    state: str,
    outcome: dict[str, Any],
    *,
    actor: Actor,
    decision: Mapping[str, object] | None = None,
    detail: Mapping[str, object] | None = None,
    **fields: Any,
) -> None:
    """Inside the caller's transaction, which holds the lock on the action. `fields` are set with the state."""
    told = {"outcome": outcome["code"]}
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
        also=[ending(action.trace_id, action.wait_span_id, ok=state == "succeeded", attributes=told)],
        **fields,
    )
    action_settled.send(sender=Action, action=action)
    announce(action)


def announce(action: Action) -> None:
    changed(action.team_id, "reviews", *([f"run.{action.run}"] if action.run else []))
    if not action.step:
        answered(action.id)
