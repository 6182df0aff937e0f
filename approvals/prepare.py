"""The door's first work on an action: read its preconditions, decode facts, digest, and ask the policy."""

import datetime as dt
from typing import Any

from django.db import transaction

from approvals.alarm import guarded
from approvals.authority import Loaded, load, rule, verify_proposal
from approvals.digests import action_digest, evidence_digest, render_digest
from approvals.facts import Facts, decode
from approvals.models import Action, PolicyVersion, Review, Ruling, Slot
from approvals.permit import mint_permit
from approvals.policy import Answer
from approvals.reading import Unreadable, missed_requirement, pinned, read_preconditions
from approvals.settle import announce, settle
from audit.move import begin, move
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import Invalid
from console.core.telemetry import new_span_id
from console.traces.store import SpanStart, start_spans
from integrations.render import render


@guarded
def prepare(action_id: str, *, actor: Actor) -> Action:
    """From proposed to held, permitted or refused. Somebody else's move meanwhile ends it quietly."""
    loaded = load(action_id)
    if loaded.action.state != "proposed":
        return loaded.action
    verify_proposal(loaded)
    try:
        facts = _decode(loaded)
    except (Unreadable, Invalid) as error:
        return _refuse(loaded.action, "unprepared", str(error), actor)
    version, answer = rule(loaded, facts.amount_minor, facts.currency)
    with transaction.atomic():
        action = Action.objects.select_for_update().get(pk=action_id)
        if action.state == "proposed":
            _rule(action, loaded.action, version, answer, actor)
        return action


def _decode(loaded: Loaded) -> Facts:
    """Fills in the loaded action what the digests cover; nothing is stored yet."""
    action = loaded.action
    answers = read_preconditions(loaded)
    if missed := missed_requirement(loaded, answers):
        raise Invalid(missed)
    action.reads = pinned(loaded.operation, answers)
    base_url = action.operation.integration.base_url
    rendered = render(loaded.operation, action.arguments, base_url=base_url, key=action.key)
    action.request_digest = rendered.digest
    action.action_digest = action_digest(action, rendered.digest)
    facts = decode(loaded.operation, action.arguments, answers, action.key)
    action.sentence, action.facts = facts.sentence, facts.lines
    action.amount_minor, action.currency = facts.amount_minor, facts.currency
    return facts


def _refuse(action: Action, code: str, text: str, actor: Actor) -> Action:
    with transaction.atomic():
        locked = Action.objects.select_for_update().get(pk=action.pk)
        if locked.state == "proposed":
            settle(locked, "failed", {"code": code, "text": text}, actor=actor)
        return locked


def _rule(action: Action, prepared: Action, version: PolicyVersion | None, answer: Answer,
          actor: Actor) -> None:  # fmt: skip
    Ruling.objects.create(action=action, version=version, rule=answer.rule, outcome=answer.outcome,
                          requirement=dict(answer.requirement), reasons=list(answer.reasons))  # fmt: skip
    fields: dict[str, Any] = {
        name: getattr(prepared, name)
        for name in ("reads", "sentence", "facts", "amount_minor", "currency", "request_digest", "action_digest")
    }
    decision = {
        "effect": answer.outcome,
        "policy_version": version.id if version else "",
        "policy_digest": bytes(version.digest).hex() if version else "",
        "rule": answer.rule,
    }
    digests = {name: fields[name].hex() for name in ("request_digest", "action_digest")}
    if answer.outcome == "review":
        _hold(action, fields, version, answer, decision, digests, actor)
    elif answer.outcome == "deny":
        Action.objects.filter(pk=action.pk).update(**fields)
        action.refresh_from_db()
        text = " ".join(answer.reasons) or f"The policy's rule {answer.rule} denies it."
        settle(action, "refused", {"code": "denied", "rule": answer.rule, "text": text}, actor=actor)
    else:
        move(action, "permitted", actor=actor, decision=decision, detail=digests, **fields)
        if prepared.operation.effect != "read":
            mint_permit(action, actor=actor)


def _hold(action: Action, fields: dict[str, Any], version: PolicyVersion | None, answer: Answer,
          decision: dict[str, Any], digests: dict[str, str], actor: Actor) -> None:  # fmt: skip
    requirement = answer.requirement
    span = new_span_id()
    move(action, "held", actor=actor, decision=decision, detail=digests, wait_span_id=span, **fields)
    open_review(action, "action", requirement, bytes(version.digest) if version else b"", actor)
    text = f"waiting for {requirement['count']} of {requirement['group']}"
    waiting = SpanStart(
        action.trace_id, span, text, "human", action.team_id, action.parent_span_id, action.run, action.id
    )
    start_spans([waiting] if action.trace_id else [])


def open_review(action: Action, kind: str, requirement: Any, policy: bytes, actor: Actor) -> Review:
    """The queue item and whose signature it needs."""
    review = Review(
        team_id=action.team_id,
        action=action,
        kind=kind,
        policy_digest=policy,
        evidence_digest=evidence_digest(action),
        render_digest=render_digest(action),
        expires_at=now() + dt.timedelta(minutes=int(requirement["expires_minutes"])),
    )
    slot = Slot(
        review=review, group=requirement["group"], count=requirement["count"], signature=requirement["signature"]
    )
    detail = {"of": action.id, "kind": kind, "group": slot.group, "count": slot.count, "signature": slot.signature}
    begin(review, actor=actor, detail=detail)
    slot.save(force_insert=True)
    announce(action)
    return review
