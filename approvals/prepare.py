"""The door's first work on an action: read its preconditions, decode facts, digest, and ask the policy."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from approvals.alarm import guarded
from approvals.ask import ask_people
from approvals.authority import KNOWN_FOR, Loaded, Stale, rule, verify_proposal
from approvals.digests import action_digest
from approvals.execute import Result, begin_allowed, finish, perform, read_once, read_outcome
from approvals.facts import decode
from approvals.models import Action, PolicyVersion, Ruling
from approvals.pace import TooEarly, keep_pace
from approvals.permit import minting
from approvals.policies.decide import FALLBACK, Answer
from approvals.reading import Unreadable, fetch_token, missed_requirement, pinned, read_preconditions
from approvals.settle import lock_action, settle, settling
from audit.move import inserting, move
from console.core.actor import Actor
from console.core.errors import Conflict, Invalid
from console.core.statements import Statement
from console.core.telemetry import new_span_id
from console.core.turns import take_turn
from console.traces.store import SpanStart, start_spans
from integrations.models import Call
from integrations.render import Rendered, render

COLUMNS = ("reads", "sentence", "facts", "amount_minor", "currency", "counterparty", "request_digest", "action_digest")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the door has found out about a proposal; `read` is the answer of a read that could be made at once."""

    fields: dict[str, Any]
    version: PolicyVersion | None
    answer: Answer
    rendered: Rendered
    read: Result | None = None

    @property
    def decision(self) -> dict[str, object]:
        return {
            "effect": self.answer.outcome,
            "policy_version": self.version.id if self.version else "",
            "policy_digest": bytes(self.version.digest).hex() if self.version else "",
            "rule": self.answer.rule,
        }

    @property
    def digests(self) -> dict[str, object]:
        return {name: self.fields[name].hex() for name in ("request_digest", "action_digest")}


@guarded
def prepare(loaded: Loaded, *, actor: Actor) -> Action:
    """From proposed to held or refused, or to its end if it is allowed. No lock is taken: whoever moves it first wins,
    and the other one ends quietly."""
    if loaded.halted or not _its_turn(loaded.action):
        return loaded.action  # the sweep brings it here again
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
    """Two that count towards one total are ruled one after the other. Raises Conflict where the answer is another one
    by then: the sweep brings it here again. What was read already stays read."""
    document = prepared.version.document if prepared.version and prepared.read is None else {}
    if not document.get("totals"):
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
    """What is undone in an order is read, shown and signed one after the other. Raises Stale when the one before it was
    not undone."""
    if action.after_id is None:
        return True
    earlier = Action.objects.only("state").get(pk=action.after_id)
    if earlier.settled and earlier.state != "succeeded":
        raise Stale("earlier_undo", "What was done after it was not undone, so this waits for nothing any more.")
    return earlier.settled


def _prepare(loaded: Loaded) -> Prepared:
    """A read that may be made is made here and now: no permit, no ledger row, one record beside the proposal's."""
    rendered = _render(loaded)
    _decode(loaded, rendered)
    fields = {name: getattr(loaded.action, name) for name in COLUMNS}
    version, answer = rule(loaded)
    at_once = answer.outcome == "allow" and loaded.operation.effect == "read"
    return Prepared(fields, version, answer, rendered, read_once(loaded) if at_once else None)


def _render(loaded: Loaded) -> Rendered:
    action = loaded.action
    return render(loaded.operation, action.arguments, base_url=action.operation.integration.base_url, key=action.key)


def _decode(loaded: Loaded, rendered: Rendered) -> None:
    """Fills in the loaded action what the digests cover; nothing is stored yet."""
    action = loaded.action
    answers = read_preconditions(loaded)
    if missed := missed_requirement(loaded, answers):
        raise Invalid(missed)
    action.reads = pinned(loaded.operation, answers)
    action.request_digest = rendered.digest
    action.action_digest = action_digest(action, rendered.digest)
    facts = decode(loaded.described, action.arguments, answers, action.key)
    action.sentence, action.facts = facts.sentence, facts.lines
    action.amount_minor, action.currency, action.counterparty = facts.amount_minor, facts.currency, facts.counterparty


def _fail(action: Action, code: str, text: str, actor: Actor) -> Action:
    with transaction.atomic():
        locked = lock_action(action.pk)
        if locked.state == "proposed":
            settle(locked, "failed", {"code": code, "text": text}, actor=actor)
        return locked


def _rule(loaded: Loaded, prepared: Prepared, actor: Actor) -> Call | None:
    """The call that is to be made now, begun: of a write that is allowed without anybody being asked."""
    action, answer = loaded.action, prepared.answer
    if answer.outcome == "review":
        with transaction.atomic():
            _hold(action, prepared, actor)
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
    ruling = Ruling(
        action=action,
        version=prepared.version,
        rule=answer.rule,
        outcome=answer.outcome,
        requirement=answer.requirement.document if answer.requirement else {},
        reasons=list(answer.reasons),
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
