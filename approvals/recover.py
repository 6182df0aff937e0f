"""Calls whose answer nobody has: ask the other side first, send again only what is certain not to have happened."""

import datetime as dt

from django.db import transaction
from django.db.models import Min

from approvals.alarm import guarded, raise_alarm
from approvals.ask import ask_people
from approvals.authority import Loaded, Stale, verify_proposal
from approvals.execute import Result, begin_again, finish, perform, verify_everything
from approvals.models import Action, Permit, Review
from approvals.pace import Throttled, TooEarly
from approvals.policies.decide import FALLBACK
from approvals.policies.slots import LEVELS, Requirement, SlotSpec, Way, read_requirement
from approvals.reading import Unreadable, probe
from approvals.repeat import PATIENCE, Doubt, next_step, surely_remembered
from approvals.settle import lock_action
from console.core import presence
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import Conflict, Invalid, Tampered
from integrations.models import Call

UNREADABLE_FOR = dt.timedelta(minutes=15)  # a probe, before a person is asked
THROTTLED_FOR = dt.timedelta(hours=2)  # the same, where the other side wants it to come later
FIRST_WAIT = dt.timedelta(seconds=5)  # then about as long again as it was in doubt


@guarded
def recover(loaded: Loaded, *, actor: Actor) -> Action:
    """Executing under a dead door becomes in doubt; in doubt is probed once its settle time is over."""
    call = Call.objects.filter(action=loaded.action.id, throttled=False).exclude(effect="read").first()
    if call is None or Review.objects.filter(action=loaded.action, state="open").exists():
        return loaded.action  # a person has been asked: from then on it is theirs
    if call.state == "sending":
        if loaded.action.state != "executing" or not _abandoned(call):
            return loaded.action
        stopped = Result("in_doubt", {"error": "The door stopped while sending."}, abandoned=True)
        loaded.action = finish(loaded, call, stopped, actor=actor)
    in_doubt = now() - call.sent_at - _settle_time(loaded)
    if in_doubt < dt.timedelta():
        return loaded.action
    try:
        return _resolve_safely(loaded, call, actor)
    except Unreadable:  # nothing is decided on an unreadable probe
        if in_doubt >= UNREADABLE_FOR:
            return _ask(loaded, actor)
        raise Throttled(min(max(in_doubt, FIRST_WAIT), UNREADABLE_FOR - in_doubt).total_seconds()) from None
    except (TooEarly, Throttled):
        if in_doubt >= THROTTLED_FOR:
            return _ask(loaded, actor)
        raise
    except Conflict:
        raise
    except Exception:
        if in_doubt >= UNREADABLE_FOR:
            _ask(loaded, actor)
        raise


def _resolve_safely(loaded: Loaded, call: Call, actor: Actor) -> Action:
    """A call in doubt cannot be stopped any more. What no longer holds therefore ends in a question to a person."""
    try:
        verify_proposal(loaded)
        return _resolve(loaded, call, actor)
    except Stale:
        return _ask(loaded, actor)
    except Tampered as tampering:
        raise_alarm(loaded.action.id, str(tampering), actor=actor)
        return _ask(loaded, actor)


def _abandoned(call: Call) -> bool:
    return call.door not in presence.alive() or now() - call.sent_at > PATIENCE


def _settle_time(loaded: Loaded) -> dt.timedelta:
    return dt.timedelta(seconds=float((loaded.operation.probe or {}).get("settle_seconds", 0)))


def _resolve(loaded: Loaded, call: Call, actor: Actor) -> Action:
    """Probe where there is one; else the same key again where that is safe; else a person looks. What nobody has
    reviewed proves nothing."""
    if loaded.operation.document.get("trust", "imported") == "imported":
        return _ask(loaded, actor)
    if loaded.operation.probe:
        try:
            found = probe(loaded)
        except Invalid:  # what it says cannot be understood, however often it is read
            return _ask(loaded, actor)
        if found is not None:
            receipt = {"status": None, "digest": None, "body": found, "found_by": "probe"}
            return finish(loaded, call, Result("succeeded", receipt), actor=actor)
    match next_step(_doubt(loaded, call)):
        case "repeat":
            return _send_again(loaded, call, actor)
        case "wait":
            return loaded.action  # the sweep looks again
    return _ask(loaded, actor)


def _doubt(loaded: Loaded, call: Call) -> Doubt:
    """Each attempt has consumed a permit."""
    first = Permit.objects.filter(action=loaded.action).aggregate(at=Min("consumed_at"))["at"]
    operation = loaded.operation
    return Doubt(
        mode=operation.mode,
        trust=operation.document.get("trust", "imported"),
        looked=operation.probe is not None,
        attempt=call.attempt,
        since_first=now() - first,
        since_last=now() - call.sent_at,
        abandoned=bool(call.door),
        settle=_settle_time(loaded),
        remembered=surely_remembered(operation.retention),
        stopped=call.revoked_at is not None,
    )


def _send_again(loaded: Loaded, call: Call, actor: Actor) -> Action:
    """Everything is verified as for a first send; a Stale or Tampered rises to whoever asks a person."""
    rendered = verify_everything(loaded)
    call = begin_again(loaded, call, actor=actor)
    return finish(loaded, call, perform(loaded, call, rendered), actor=actor)


@transaction.atomic
def _ask(loaded: Loaded, actor: Actor) -> Action:
    """A review of kind `doubt`: did it happen? Asked of the group that approved it."""
    action = lock_action(loaded.action.pk)
    if action.state == "in_doubt" and not Review.objects.filter(action=action, state="open").exists():
        ask_people(action, "doubt", _whom_to_ask(action), b"", actor)
    return action


def _whom_to_ask(action: Action) -> Requirement:
    """One of those who were to sign it, by the strongest of their signatures. It does not expire into an answer: after
    a year it is only shown as overdue."""
    stored = action.rulings.values_list("requirement", flat=True).first()
    slots = (read_requirement(stored) if stored else FALLBACK).slots
    ways = tuple(Way(group) for group in sorted({group for slot in slots for group in slot.groups}))
    signature = max((slot.signature for slot in slots), key=LEVELS.index)
    return Requirement((SlotSpec(ways, signature=signature),), dt.timedelta(days=365))
