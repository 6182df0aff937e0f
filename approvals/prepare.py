"""The door's first work on an action: read its preconditions, decode facts, digest, and ask the policy."""

import contextlib
import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from approvals.alarm import guarded
from approvals.ask import ask_people
from approvals.authority import KNOWN_FOR, Loaded, Stale, verify_proposal
from approvals.context import context_digest
from approvals.derive import Derived, derive
from approvals.execute import Result, begin_allowed, finish, perform, read_once, read_outcome
from approvals.models import Action, PolicyVersion, Ruling
from approvals.pace import TooEarly, keep_pace
from approvals.permit import minting
from approvals.policies.decide import FALLBACK, Answer
from approvals.reading import Unreadable, fetch_token
from approvals.ruling import rule
from approvals.settle import announce, lock_action, settle, settling
from audit.move import inserting, move
from console.core.actor import Actor
from console.core.clock import iso, now
from console.core.errors import Conflict, Invalid
from console.core.statements import Statement
from console.core.telemetry import new_span_id
from console.core.turns import take_turn
from console.traces.store import SpanStart, start_spans
from integrations.models import Call
from integrations.render import Rendered

COLUMNS = ("reads", "sentence", "facts", "amount_minor", "currency", "counterparty", "context", "request_digest",
           "action_digest")  # fmt: skip
CHANGED = ("arguments", "original")  # beside these, where it was changed
LOOK_AGAIN = dt.timedelta(seconds=15)  # at what is deferred


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the door has found out about a proposal; `read` is the answer of a read that could be made at once."""

    fields: dict[str, Any]
    derived: Derived
    context_digest: str = ""
    revision: int = 1
    read: Result | None = None

    @property
    def version(self) -> PolicyVersion | None:
        return self.derived.version

    @property
    def answer(self) -> Answer:
        return self.derived.answer

    @property
    def rendered(self) -> Rendered:
        return self.derived.rendered

    @property
    def changed_by(self) -> list[str]:
        return [change.rule for change in self.derived.changes]

    @property
    def decision(self) -> dict[str, object]:
        return {
            "effect": self.answer.outcome,
            "policy_version": self.version.id if self.version else "",
            "policy_digest": bytes(self.version.digest).hex() if self.version else "",
            "rule": self.answer.rule,
            **({"mandate": self.answer.mandate} if self.answer.mandate else {}),
            **({"changed_by": self.changed_by} if self.changed_by else {}),
        }

    @property
    def digests(self) -> dict[str, object]:
        context = {"context_digest": self.context_digest} if self.context_digest else {}
        revision = {"revision": self.revision} if self.revision > 1 else {}
        return {name: self.fields[name].hex() for name in ("request_digest", "action_digest")} | context | revision


@guarded
def prepare(loaded: Loaded, *, actor: Actor) -> Action:
    """From proposed or deferred to held or refused, or to its end if it is allowed. No lock is taken: whoever moves it
    first wins, and the other one ends quietly."""
    if loaded.halted or not _its_turn(loaded.action):
        return loaded.action  # the sweep brings it here again
    _check_due(loaded.action)
    verify_proposal(loaded)
    try:
        prepared = _prepare(loaded)
    except (Unreadable, Invalid) as error:
        return _fail(loaded.action, "unprepared", str(error), actor)
    if prepared.answer.outcome == "allow" and prepared.read is None:
        _fetch_token(loaded, prepared)
    with _in_turn(loaded, prepared):
        call = _rule(loaded, prepared, actor)
    if call is None:
        return loaded.action
    return finish(loaded, call, perform(loaded, call, prepared.rendered), actor=actor)


@contextlib.contextmanager
def _in_turn(loaded: Loaded, prepared: Prepared) -> Iterator[None]:
    """Two that count towards one total, or are covered by one mandate, are ruled one after the other. Raises Conflict
    where the answer is another one by then: the sweep brings it here again. What was read already stays read."""
    document = prepared.version.document if prepared.version and prepared.read is None else {}
    if not document.get("totals") and not prepared.answer.mandate:
        yield
        return
    with transaction.atomic():
        take_turn(f"totals of {loaded.action.team_id}")
        _check_answer(loaded, prepared)
        yield


def _check_answer(loaded: Loaded, prepared: Prepared) -> None:
    _, answer = rule(loaded)
    if answer != prepared.answer:
        raise Conflict("The policy says something else of it meanwhile.")


def _fetch_token(loaded: Loaded, prepared: Prepared) -> None:
    """It may take a minute. Raises Conflict where the policy says something else by then: the sweep brings it here
    again."""
    began = time.monotonic()
    fetch_token(loaded)
    if time.monotonic() - began > KNOWN_FOR:
        _check_answer(loaded, prepared)


def _its_turn(action: Action) -> bool:
    """What comes after something else is read, shown and signed after it. Raises Stale when that was not done."""
    if action.after_id is None:
        return True
    earlier = Action.objects.only("state").get(pk=action.after_id)
    if earlier.settled and earlier.state != "succeeded":
        if action.reverses_id:
            raise Stale("earlier_undo", "What was done after it was not undone, so this waits for nothing any more.")
        raise Stale("earlier_action", f"It was to come after {earlier.pk}, which was not done.")
    return earlier.settled


def _check_due(action: Action) -> None:
    """Raises Stale where what the policy deferred it for was not there in time."""
    if action.deferred_until and action.deferred_until <= now():
        ruling = action.rulings.filter(outcome="defer").first()
        missing = f" Missing was: {ruling.reasons[0]}" if ruling else ""
        raise Stale("deferred_too_long", f"The policy deferred it, and the time for that is over.{missing}")


def _prepare(loaded: Loaded) -> Prepared:
    """A read that may be made is made here and now: no permit, no ledger row, one record beside the proposal's."""
    was_changed = loaded.action.original is not None
    derived = derive(loaded)
    columns = (*COLUMNS, *CHANGED) if derived.changes or was_changed else COLUMNS
    fields = {name: getattr(loaded.action, name) for name in columns}
    if derived.answer.mandate:
        fields["mandate_id"] = derived.answer.mandate
    at_once = derived.answer.outcome == "allow" and loaded.operation.effect == "read"
    told, action = context_digest(loaded.action), loaded.action
    return Prepared(fields, derived, told, action.revision, read_once(loaded) if at_once else None)


def _fail(action: Action, code: str, text: str, actor: Actor) -> Action:
    with transaction.atomic():
        locked = lock_action(action.pk)
        if locked.state in ("proposed", "deferred"):
            settle(locked, "failed", {"code": code, "text": text}, actor=actor)
        return locked


def _rule(loaded: Loaded, prepared: Prepared, actor: Actor) -> Call | None:
    """The call that is to be made now, begun: of a write that is allowed without anybody being asked."""
    action, answer = loaded.action, prepared.answer
    if answer.outcome == "review":
        with transaction.atomic():
            _hold(action, prepared, actor)
    elif answer.outcome == "defer":
        _defer(action, prepared, actor)
    elif answer.outcome != "allow":
        text = " ".join(answer.reasons) or f"The policy's rule {answer.rule} denies it."
        _settle(action, prepared, "refused", {"code": "denied", "rule": answer.rule, "text": text}, actor)
    elif prepared.read is not None:
        _settle(action, prepared, *read_outcome(prepared.read), actor)
    elif loaded.is_gated or not _in_time(loaded):
        _permit(action, prepared, actor)
    else:
        also = [_ruled(action, prepared)]
        return begin_allowed(loaded, prepared.rendered, actor=actor, decision=prepared.decision,
                             detail=prepared.digests, also=also, **prepared.fields)  # fmt: skip
    return None


def _permit(action: Action, prepared: Prepared, actor: Actor) -> None:
    permit, minted = minting(action)
    detail = {**prepared.digests, "permit": permit}
    move(action, "permitted", actor=actor, decision=prepared.decision, detail=detail,
         also=[_ruled(action, prepared), minted], **prepared.fields)  # fmt: skip


def _defer(action: Action, prepared: Prepared, actor: Actor) -> None:
    """Looked at again and again until what is missing is there, or the first time that was given is over."""
    again, deferral = now() + LOOK_AGAIN, prepared.answer.deferral
    if action.state == "deferred":
        Action.objects.filter(pk=action.pk, state="deferred").update(not_before=again)
        return
    assert deferral
    until = now() + deferral.given
    detail = {**prepared.digests, "until": iso(until), "missing": deferral.missing}
    move(action, "deferred", actor=actor, decision=prepared.decision, detail=detail, not_before=again,
         deferred_until=until, also=[_ruled(action, prepared)], **prepared.fields)  # fmt: skip
    announce(action, people=False)


def _in_time(loaded: Loaded) -> bool:
    """What comes too early stays permitted."""
    try:
        keep_pace(loaded.operation, loaded.action.operation_id)
    except TooEarly:
        return False
    return True


def _ruled(action: Action, prepared: Prepared) -> Statement:
    """The ruling, stored with the move that it leads to."""
    answer = prepared.answer
    missing = (answer.deferral.missing,) if answer.deferral else ()
    ruling = Ruling(
        action=action,
        version=prepared.version,
        rule=answer.rule,
        changed_by=prepared.changed_by,
        outcome=answer.outcome,
        requirement=answer.requirement.document if answer.requirement else {},
        reasons=[*missing, *answer.reasons],
    )
    return inserting(ruling).statement


def _settle(action: Action, prepared: Prepared, state: str, outcome: dict[str, Any], actor: Actor) -> None:
    with settling(action):
        settle(action, state, outcome, actor=actor, decision=prepared.decision, detail=prepared.digests,
               also=[_ruled(action, prepared)], **prepared.fields)  # fmt: skip


def _hold(action: Action, prepared: Prepared, actor: Actor) -> None:
    requirement, version, span = prepared.answer.requirement or FALLBACK, prepared.version, new_span_id()
    move(
        action,
        "held",
        actor=actor,
        decision=prepared.decision,
        detail=prepared.digests,
        wait_span_id=span,
        also=[_ruled(action, prepared)],
        **prepared.fields,
    )
    ask_people(action, "action", requirement, bytes(version.digest) if version else b"", actor)
    text = f"waiting for {requirement}"
    waiting = SpanStart(
        action.trace_id, span, text, "human", action.team_id, action.parent_span_id, action.run, action.id
    )
    start_spans([waiting] if action.trace_id else [])
