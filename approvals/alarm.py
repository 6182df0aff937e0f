"""What happens when a row does not match what was signed: nothing is sent, and an alarm is in the log."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, cast

from django.db import transaction

from approvals.authority import Loaded, Stale
from approvals.models import Action, Review
from approvals.settle import lock_action, settle
from audit.move import move
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import Conflict, Tampered

P = ParamSpec("P")
# What an action becomes when it must not go on, by where it is.
_END = {"proposed": "refused", "held": "stale", "permitted": "stale"}


def guarded(act: Callable[Concatenate[Loaded, P], Action]) -> Callable[Concatenate[Loaded, P], Action]:
    """Turn Tampered and Stale, raised while the door works on an action, into its end; a lost race into silence."""

    @functools.wraps(act)
    def run(loaded: Loaded, *args: P.args, **kwargs: P.kwargs) -> Action:
        action_id, actor = loaded.action.id, kwargs["actor"]
        assert isinstance(actor, Actor)
        try:
            return act(loaded, *args, **kwargs)
        except Conflict:
            return Action.objects.get(pk=action_id)
        except Stale as stale:
            return stop(action_id, {"code": stale.code, "text": stale.text}, actor=actor)
        except Tampered as tampering:
            return raise_alarm(action_id, str(tampering), actor=actor)

    return cast(Callable[Concatenate[Loaded, P], Action], run)


@transaction.atomic
def raise_alarm(action_id: str, text: str, *, actor: Actor) -> Action:
    """The alarm names what differs; the agent is told only that the action was stopped."""
    action = lock_action(action_id)
    record(Kind.ALARM_TAMPERED, subject=action.id, actor=actor, detail={"what": text[:500]}, **action.audit_context())
    _end(action, {"code": "tampered", "text": "Stopped: what is stored does not match what was signed."}, actor)
    return action


@transaction.atomic
def stop(action_id: str, outcome: dict[str, str], *, actor: Actor) -> Action:
    action = lock_action(action_id)
    _end(action, outcome, actor)
    return action


def _end(action: Action, outcome: dict[str, str], actor: Actor) -> None:
    target = _END.get(action.state)
    if target is None:
        return
    for review in Review.objects.select_for_update().filter(action=action, state="open"):
        move(review, "withdrawn", actor=actor, closed_at=now())
    settle(action, target, dict(outcome), actor=actor)
