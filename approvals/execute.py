"""Executing a permitted action: verify, re-read, commit the intent, send once, keep the receipt. The door alone."""

import contextlib
import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import OperationalError, connection, transaction

from approvals.alarm import guarded
from approvals.authority import KNOWN_FOR, Loaded, Stale, verify_decisions, verify_proposal
from approvals.derive import check_derived
from approvals.digests import action_digest
from approvals.facts import Facts, decode
from approvals.halted import HALTED
from approvals.lease import LeaseEnded, check_not_stopped
from approvals.models import Action, Review
from approvals.pace import Throttled, is_paced, keep_pace, keep_read_pace, next_try, throttled
from approvals.permit import consume_permit, consuming, minting
from approvals.reading import (
    Unreadable,
    check_preconditions,
    exchange,
    exchange_read,
    fetch_token,
    open_secret,
)
from approvals.repeat import FRESH
from approvals.ruling import rule
from approvals.settle import lock_action, settle, settling
from approvals.spending import beyond_sent, counting, is_counted
from audit.move import move
from audit.record import Change, record
from audit.standing import why_risky_actions_wait
from audit.vocabulary import Kind
from console.core import presence
from console.core.actor import Actor
from console.core.clock import iso, now
from console.core.errors import Conflict, Invalid, Tampered
from console.core.statements import Statement
from console.core.telemetry import new_span_id, traceparent
from console.traces.store import SpanStart, ending, starting
from integrations.calls import doubt_call, finishing_call, receipt_detail, resend_call, starting_call
from integrations.exchange import refused, succeeded
from integrations.models import Call
from integrations.outbound import Answer, NotSent, Unknown
from integrations.render import Rendered, render

REQUEST_TIMEOUT = 408


@dataclass(frozen=True, slots=True)
class Result:
    """How one exchange ended: succeeded, failed (certainly without effect), throttled (the same, and it wants to be
    asked again, after `later` seconds if it said so) or in_doubt."""

    state: str
    receipt: dict[str, Any]
    abandoned: bool = False  # in doubt because its door seems dead, and not because that door says so
    later: float | None = None


@guarded
def execute(loaded: Loaded, *, actor: Actor) -> Action:
    """A permitted action, to the end of its call. It stays permitted while it would be too early for the other side, a
    risky one also while nobody outside has seen the log for too long: the sweep brings it here again."""
    if loaded.is_gated and why_risky_actions_wait():
        return loaded.action
    if loaded.operation.effect == "read":
        verify_authority(loaded)
        return _perform_read(loaded, actor)
    rendered = verify_everything(loaded)
    call = begin_call(loaded, rendered, actor=actor)
    return finish(loaded, call, perform(loaded, call, rendered), actor=actor)


def verify_everything(loaded: Loaded) -> Rendered:
    """Its authority, and what is shown by reads. These may take minutes: the policy is asked again after them."""
    began = time.monotonic()
    rendered = verify_authority(loaded)
    fetch_token(loaded)
    check_still_true(loaded)
    if time.monotonic() - began > KNOWN_FOR:
        verify_authority(loaded)
    return rendered


def verify_authority(loaded: Loaded) -> Rendered:
    """Everything that the send rests on, from stored bytes. The request as it would be rendered now."""
    action = loaded.action
    if loaded.halted:
        raise Stale("halted", HALTED)
    verify_proposal(loaded)
    base_url = action.operation.integration.base_url
    rendered = render(loaded.operation, action.arguments, base_url=base_url, key=action.key)
    digest = action_digest(action, rendered.digest)
    if rendered.digest != bytes(action.request_digest or b"") or digest != bytes(action.action_digest or b""):
        raise Tampered("The request differs from the one that was agreed.")
    _, answer = rule(loaded)
    verify_decisions(loaded, answer, digest)
    return rendered


def check_still_true(loaded: Loaded) -> None:
    try:
        answers = check_preconditions(loaded)
        check_derived(loaded)
        _check_shown(loaded.action, decode(loaded.described, loaded.action.arguments, answers, loaded.action.key))
    except (Unreadable, Invalid) as error:
        raise Stale("precondition_unreadable", str(error)) from None


def _check_shown(action: Action, facts: Facts) -> None:
    """The columns that people were shown, and the amount that the policy was asked about, are decoded once more:
    a row is not authority, and SQL could have made a large payment look like a small one."""
    shown = (action.sentence, action.facts, action.amount_minor, action.currency, action.counterparty)
    if shown != (facts.sentence, facts.lines, facts.amount_minor, facts.currency, facts.counterparty):
        raise Stale("facts_changed", "What was shown to whoever decided is not what it would do now.")


def begin_call(loaded: Loaded, rendered: Rendered, *, actor: Actor) -> Call:
    """The intent: permit consumed, call `sending`, action `executing`, committed before the first byte. In one
    statement where nothing has to be counted first and the permit is there, as it is after a signature. Raises
    TooEarly, Stale and Conflict."""
    action, permit = loaded.action, loaded.permit
    if permit and not is_paced(loaded.operation) and not is_counted(action):
        with contextlib.suppress(Conflict):  # which of them it was shows below
            return _start(loaded, rendered, permit, actor, also=[consuming(action, permit)])
    with transaction.atomic(savepoint=False):
        keep_pace(loaded.operation, action.operation_id)
        _check_limits(action)
        return _start(loaded, rendered, consume_permit(action), actor)


@transaction.atomic(savepoint=False)
def begin_again(loaded: Loaded, call: Call, *, actor: Actor) -> Call:
    """The same for a call that is in doubt, which has waited long enough."""
    action = loaded.action
    move(action, "executing", actor=actor, detail={"call": call.id, "from": action.state})  # or another door has
    _check_unasked(action)
    check_not_stopped(call)
    resend_call(call, door=presence.number(), permit=consume_permit(action), actor=actor)
    return call


def begin_allowed(
    loaded: Loaded,
    rendered: Rendered,
    *,
    actor: Actor,
    decision: Mapping[str, object],
    detail: Mapping[str, object],
    also: Sequence[Statement],
    **fields: Any,
) -> Call:
    """The same, in one with the ruling, of what nobody is asked about: what was read and verified to rule on it is what
    it rests on. Its permit is stored as used."""
    permit, minted = minting(loaded.action, consumed=True)
    with counting(loaded.action):
        _check_limits(loaded.action)
        detail = {**detail, "permit": permit}
        return _start(loaded, rendered, permit, actor, decision=decision, detail=detail, also=[*also, minted], **fields)


def _check_limits(action: Action) -> None:
    if beyond := beyond_sent(action):
        raise Stale("beyond_grant", beyond)


def _start(
    loaded: Loaded,
    rendered: Rendered,
    permit: str,
    actor: Actor,
    *,
    decision: Mapping[str, object] | None = None,
    detail: Mapping[str, object] | None = None,
    also: Sequence[Statement | Change] = (),
    **fields: Any,
) -> Call:
    action, call = loaded.action, _new_call(loaded, rendered)
    started = starting_call(call, permit=permit, actor=actor)
    detail = {**(detail or {}), "call": call.id, "from": action.state}
    move(action, "executing", actor=actor, decision=decision, detail=detail,
         also=[*also, started, *_spans(loaded, call, rendered)], **fields)  # fmt: skip
    return call


def _check_unasked(action: Action) -> None:
    """Whoever is asked whether it happened must find it as it was when they looked."""
    if Review.objects.filter(action=action, state="open").exists():
        raise Conflict("A person has been asked whether it happened.")


def _new_call(loaded: Loaded, rendered: Rendered) -> Call:
    action = loaded.action
    return Call(
        team_id=action.team_id,
        operation_id=action.operation_id,
        action=action.id,
        effect=loaded.operation.effect,
        request_digest=rendered.digest,
        key=action.key,
        door=presence.number(),
        sent_at=now(),
        run=action.run,
        trace_id=action.trace_id,
        span_id=new_span_id(),
        credential_id=loaded.credential.pk,
        grant=loaded.action.grant_id or "",
        step=action.step,
    )


def _spans(loaded: Loaded, call: Call, rendered: Rendered) -> list[Statement]:
    action = loaded.action
    if not action.trace_id:
        return []
    attributes = {
        "http.request.method": rendered.method,
        "server.address": rendered.host,
        "url.template": rendered.template,
        "countersign.action": action.id,
        "countersign.call": call.id,
    }
    name = f"{rendered.method} {rendered.template}"
    span = SpanStart(
        action.trace_id, call.span_id, name, "api", action.team_id, action.parent_span_id, action.run, call.id,
        attributes=attributes,
    )  # fmt: skip
    return [starting(span)]


def perform(loaded: Loaded, call: Call, rendered: Rendered) -> Result:
    """The send itself. No transaction is open here."""
    result = _send(loaded, call, rendered)
    if result.state in ("failed", "throttled") and call.attempt > 1:
        # It is certain of this attempt alone. The one before may have been what the other side now refuses to repeat.
        text = result.receipt.get("error") or f"It answered {result.receipt.get('status')} to a repetition."
        return Result("in_doubt", {**result.receipt, "error": text})
    return result


def _send(loaded: Loaded, call: Call, rendered: Rendered) -> Result:
    """What the transport refuses to write was not sent, for certain."""
    header = loaded.operation.document.get("idempotency", {}).get("header")
    headers = {header: call.key} if header else {}
    if call.trace_id:
        headers["traceparent"] = traceparent(call.trace_id, call.span_id)
    try:
        secret = open_secret(loaded)
        if now() - call.sent_at > FRESH:
            raise NotSent("The door was held up for too long between its intent and the sending.")
        answer = exchange(loaded, secret, rendered, expected=bytes(call.request_digest), headers=headers, fresh=True)
    except Tampered as error:
        return Result("failed", {"error": str(error), "code": "tampered"})
    except LeaseEnded as error:
        return Result("failed", {"error": str(error), "code": "lease_ended"})
    except NotSent as error:
        return Result("failed", {"error": str(error), "code": "not_sent"})
    except Unknown as error:
        return Result("in_doubt", {"error": str(error), "code": "unknown"})
    return judge(loaded, answer)


def judge(loaded: Loaded, answer: Answer) -> Result:
    """A refusal (4xx) is certain to have done nothing; a server error says nothing either way, nor does 408, which
    proxies also answer about a request that they have passed on. A tool's own word that it failed is believed."""
    try:
        done = succeeded(loaded.operation, answer)
    except Invalid as error:
        return Result("in_doubt", {**answer.receipt(), "code": "unknown", "error": error.text})
    if done:
        return Result("succeeded", answer.receipt())
    if throttled(answer, reads=loaded.operation.effect == "read"):
        return Result("throttled", {**answer.receipt(), "code": "rejected"}, later=answer.later)
    if refused(loaded.operation, answer):
        text = "The tool answered that it failed." if answer.refused else "It answered that it did not do it."
        return Result("failed", {**answer.receipt(), "code": "rejected", "error": text})
    if 400 <= answer.status < 500 and answer.status != REQUEST_TIMEOUT:
        return Result("failed", {**answer.receipt(), "code": "rejected"})
    return Result("in_doubt", {**answer.receipt(), "code": "unknown", "error": f"It answered {answer.status}."})


def finish(loaded: Loaded, call: Call, result: Result, *, actor: Actor) -> Action:
    """The receipt, in one transaction with the end of call and action, and on a new session of the database where its
    own has ended while the other side took its time. What is answered after the call was sent again is kept for
    whoever may be asked. Raises Conflict then."""
    try:
        try:
            return _finish(loaded, call, result, actor)
        except OperationalError:
            connection.close()
            return _finish(loaded, call, result, actor)
    except Conflict:
        if result.receipt.get("status") is not None:
            detail = {"attempt": call.attempt, **receipt_detail(result.receipt)}
            record(Kind.CALL_ANSWERED_LATE, subject=call.pk, actor=actor, detail=detail, **call.audit_context())
        raise


def _finish(loaded: Loaded, call: Call, result: Result, actor: Actor) -> Action:
    plain = result.state in ("succeeded", "failed") and result.receipt.get("code") != "tampered"
    if plain and loaded.action.state == "executing":
        with contextlib.suppress(Conflict):  # somebody took over meanwhile
            return _end(loaded.action, call, result, actor)
    with transaction.atomic():
        action = lock_action(loaded.action.pk)
        if result.receipt.get("code") == "tampered":
            what = str(result.receipt["error"])[:300]
            record(Kind.ALARM_TAMPERED, subject=action.id, actor=actor, detail={"what": what}, **action.audit_context())
        if result.state == "in_doubt":
            doubt_call(call, str(result.receipt.get("error", "")), given_up=not result.abandoned, actor=actor)
            move(action, "in_doubt", actor=actor, detail={"call": call.id})
            return action
        if result.state == "throttled":
            if action.state == "executing" and (until := next_try(action.put_off, result.later)):
                return _put_off(action, call, result, until, actor)
            result = replace(result, state="failed")
        if action.state == "in_doubt":  # found by a probe: whoever was asked meanwhile need not look any more
            for review in Review.objects.select_for_update().filter(action=action, state="open"):
                move(review, "withdrawn", actor=actor, closed_at=now())
        return _end(action, call, result, actor)


def _end(action: Action, call: Call, result: Result, actor: Actor) -> Action:
    """Both in one statement: an agent waits for it."""
    ended = finishing_call(call, result.state, result.receipt, actor=actor)
    with settling(action):
        settle(action, result.state, outcome(call, result), actor=actor, also=[ended, *_end_of_span(call, result)])
    return action


def _put_off(action: Action, call: Call, result: Result, until: dt.datetime, actor: Actor) -> Action:
    """This call is over; another one, for which everything is verified anew, may follow."""
    ended = finishing_call(call, "failed", result.receipt, actor=actor, throttled=True)
    detail = {"call": call.id, "not_before": iso(until)}
    move(action, "permitted", actor=actor, detail=detail, also=[ended, *_end_of_span(call, result)],
         not_before=until, put_off=action.put_off + 1)  # fmt: skip
    return action


def _end_of_span(call: Call, result: Result) -> list[Statement]:
    if not call.trace_id:
        return []
    status = {"http.response.status_code": result.receipt.get("status")}
    return [ending(call.trace_id, call.span_id, ok=result.state == "succeeded", attributes=status)]


def outcome(call: Call, result: Result) -> dict[str, Any]:
    """What the step or agent is answered."""
    if result.state == "succeeded":
        return {"code": "succeeded", "call": call.id, **_public(result.receipt)}
    text = result.receipt.get("error") or f"The other side answered {result.receipt.get('status')}."
    return {"code": result.receipt.get("code", "failed"), "text": text, "call": call.id, **_public(result.receipt)}


def _public(receipt: dict[str, Any]) -> dict[str, Any]:
    detail = receipt_detail(receipt)
    told = {"status": detail["status"], "receipt_digest": detail["receipt_digest"], "body": receipt.get("body")}
    return {**told, "content_type": receipt.get("content_type", "")}


def _perform_read(loaded: Loaded, actor: Actor) -> Action:
    """A read that people signed for. An allowed one was made when it was prepared."""
    result = read_once(loaded)
    with transaction.atomic():
        locked = lock_action(loaded.action.pk)
        if locked.state == "permitted":
            move(locked, "executing", actor=actor)
            settle(locked, *read_outcome(result), actor=actor)
        return locked


def read_once(loaded: Loaded) -> Result:
    """Raises Throttled or TooEarly."""
    action = loaded.action
    keep_read_pace(loaded.operation, action.operation_id)
    base_url = action.operation.integration.base_url
    try:
        answer = exchange_read(loaded, render(loaded.operation, action.arguments, base_url=base_url, key=action.key))
    except (NotSent, Unknown) as error:
        return Result("failed", {"error": str(error), "code": "unreachable"})
    result = judge(loaded, answer)
    if result.state == "throttled":
        raise Throttled(result.later)
    return result


def read_outcome(result: Result) -> tuple[str, dict[str, Any]]:
    """State and outcome of the action. A read that did not succeed has failed; nothing is in doubt about it."""
    if result.state == "succeeded":
        return "succeeded", {"code": "succeeded", **_public(result.receipt)}
    text = result.receipt.get("error") or f"The other side answered {result.receipt.get('status')}."
    return "failed", {"code": result.receipt.get("code", "failed"), "text": text, **_public(result.receipt)}
