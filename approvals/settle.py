"""The end of an action, however it ends: state, record, span, and the word to whoever waits for it."""

from collections.abc import Iterable, Mapping
from typing import Any

from approvals.models import Action
from approvals.signals import action_settled
from audit.move import move
from console.core.actor import Actor
from console.core.clock import now
from console.core.compiled import Compiled
from console.core.statements import Statement
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
    also: Iterable[Statement] = (),
    **fields: Any,
) -> None:
    """Inside the caller's transaction, which holds the lock on the action. `fields` are set with the state, `also` is
    written with it."""
    told = {"outcome": outcome["code"]}
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
        also=[ending(action.trace_id, action.wait_span_id, ok=state == "succeeded", attributes=told), *also],
        **fields,
    )
    action_settled.send(sender=Action, action=action)
    announce(action, people=people)


def announce(action: Action, *, people: bool = True) -> None:
    """To its run's page, to the agent that asked, and where `people` had to do with it to the queue."""
    changed(action.team_id, *(["reviews"] if people else []), *([f"run.{action.run}"] if action.run else []))
    if not action.step:
        answered(action.id)
