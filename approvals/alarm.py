"""What ends an action that must not go on, such as a row that does not match what was signed: nothing is sent, and an
alarm is in the log. And what puts one off."""

import datetime as dt
import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, cast

from django.db import OperationalError, transaction

from approvals.authority import Loaded, Stale
from approvals.models import Action, Review
from approvals.pace import MOST_WAIT, Throttled, TooEarly, next_try
from approvals.settle import lock_action, settle
from audit.move import move
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import Conflict, Tampered

P = ParamSpec("P")
# What an action becomes when it must not go on, by where it is.
_END = {"proposed": "refused", "deferred": "refused", "held": "stale", "permitted": "stale"}
_UNREAD = {
    "proposed": "failed",
    "deferred": "failed",
    "permitted": "stale",
}  # the same, when it was put off too often
THROTTLED = {"code": "throttled", "text": "The other side goes on taking no requests for now."}
BROKEN = {
    "code": "broken",
    "text": "The console cannot do this: each try ended in an error of its own, which its log tells.",
}


def guarded(act: Callable[Concatenate[Loaded, P], Action]) -> Callable[Concatenate[Loaded, P], Action]:
    """Turn Tampered and Stale, raised while the door works on an action, into its end; a lost race into silence. What
    comes too early is tried again later, and so is what fails in a way that nobody foresaw."""

    @functools.wraps(act)
    def run(loaded: Loaded, *args: P.args, **kwargs: P.kwargs) -> Action:
        action_id, actor = loaded.action.id, kwargs["actor"]
        assert isinstance(actor, Actor)
        if loaded.action.not_before and now() < loaded.action.not_before:
            return loaded.action
        try:
            return act(loaded, *args, **kwargs)
        except (Conflict, TooEarly):
            return Action.objects.get(pk=action_id)
        except Throttled as throttled:
            return _put_off(action_id, throttled.wait, THROTTLED, actor=actor)
        except Stale as stale:
            return stop(action_id, {"code": stale.code, "text": stale.text}, actor=actor)
        except Tampered as tampering:
            return raise_alarm(action_id, str(tampering), actor=actor)
        except Exception as error:
            if not _is_away(error):
                _put_off(action_id, None, BROKEN, actor=actor)
            raise

    return cast(Callable[Concatenate[Loaded, P], Action], run)


def _is_away(error: Exception) -> bool:
    """The database, which says nothing of this action: by SQLSTATE no connection, shut down, out of room, or asked to
    try again. Where there is none, the connection was lost."""
    state = getattr(error.__cause__, "sqlstate", None) or ""
    return isinstance(error, OperationalError) and (not state or state.startswith(("08", "57P", "53", "40")))


@transaction.atomic
def _put_off(action_id: str, wait: float | None, outcome: dict[str, str], *, actor: Actor) -> Action:
    """It is looked at again later, and ends so when that has helped nothing. What is in doubt goes on being looked at
    for as long as it takes."""
    action = lock_action(action_id)
    until, end = next_try(action.put_off, wait), _UNREAD.get(action.state)
    if until is None and end:
        _end(action, end, outcome, actor)
        return action
    action.put_off, action.not_before = action.put_off + 1, until or now() + dt.timedelta(seconds=wait or MOST_WAIT)
    action.save(update_fields=["put_off", "not_before"])
    return action


@transaction.atomic
def raise_alarm(action_id: str, text: str, *, actor: Actor) -> Action:
    """The alarm names what differs; the agent is told only that the action was stopped."""
    action = lock_action(action_id)
    record(Kind.ALARM_TAMPERED, subject=action.id, actor=actor, detail={"what": text[:500]}, **action.audit_context())
    text = "Stopped: what is stored does not match what was signed."
    _end(action, _END.get(action.state), {"code": "tampered", "text": text}, actor)
    return action


@transaction.atomic
def stop(action_id: str, outcome: dict[str, str], *, actor: Actor) -> Action:
    action = lock_action(action_id)
    _end(action, _END.get(action.state), outcome, actor)
    return action


def _end(action: Action, target: str | None, outcome: dict[str, str], actor: Actor) -> None:
    if target is None:
        return
    for review in Review.objects.select_for_update().filter(action=action, state="open"):
        move(review, "withdrawn", actor=actor, closed_at=now())
    settle(action, target, dict(outcome), actor=actor)
