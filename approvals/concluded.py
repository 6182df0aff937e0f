"""What comes of a review that is over: a permit, a refusal or the answer to a doubt, and a moment for each vote."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from approvals.alike import remembering
from approvals.doubt import resolve_doubt
from approvals.models import Action, Decision, Review
from approvals.permit import minting
from approvals.settle import settle
from audit.move import move, moving
from audit.record import Act, Change
from console.core.actor import Actor
from console.core.clock import nanoseconds, now
from console.core.statements import Statement
from console.core.telemetry import new_span_id
from console.core.wake import wake
from console.traces.store import SpanStart, ending, start_spans, starting

DONE = {"approve": "approved", "refuse": "refused", "recuse": "left to others", "change": "changed"}


@dataclass(frozen=True, slots=True)
class Vote:
    """The one that ends a review, not stored yet: that is done by `written`, with all that comes of it. `others` says
    whether there are earlier ones."""

    decision: Decision
    written: Sequence[Statement | Change | Act]
    by: str
    others: bool


def carry_on(review: Review, ended: str, vote: Vote, actor: Actor) -> None:
    """In a transaction."""
    if review.kind == "action" and ended == "approved":
        closed = moving(review, ended, actor=actor, closed_at=now())
        _permit(review.action, [*vote.written, closed, *map(starting, _signatures(review, vote))], actor)
        return
    spans = _signatures(review, vote)
    move(review, ended, actor=actor, also=vote.written, closed_at=now())
    start_spans(spans)
    if review.kind == "doubt":
        resolve_doubt(review.action, happened=ended == "approved", decision=vote.decision, actor=actor)
        return
    refusals = Decision.objects.filter(review=review, verdict="refuse").select_related("reviewer", "on_behalf_of")
    refused = refusals.earliest("decided_at")
    outcome = {"code": "refused", "text": refused.reason, "by": refused.by}
    settle(review.action, "refused", outcome, actor=actor)


def _permit(action: Action, also: Sequence[Statement | Change | Act], actor: Actor) -> None:
    waited = ending(action.trace_id, action.wait_span_id, attributes={"outcome": "approved"})
    permit, minted = minting(action)
    also = [*also, minted, waited, *remembering(action)]
    move(action, "permitted", actor=actor, detail={"permit": permit}, also=also)
    wake("approvals.tasks.drive", "actions", action.id)


def _signatures(review: Review, vote: Vote) -> list[SpanStart]:
    """Points in time under the wait: who signed, and how. Written when the review is over: before, nobody is told."""
    if not review.action.trace_id:
        return []
    earlier = review.decisions.select_related("reviewer", "on_behalf_of").order_by("decided_at") if vote.others else ()
    return [
        *(_signature(review.action, one, one.by, one.decided_at) for one in earlier),
        _signature(review.action, vote.decision, vote.by, now()),
    ]


def _signature(action: Action, decision: Decision, by: str, moment: dt.datetime) -> SpanStart:
    at = nanoseconds(moment)
    done = DONE[decision.verdict]
    attributes = {"countersign.decision": decision.id, "countersign.signature": decision.level}
    return SpanStart(action.trace_id, new_span_id(), f"{done} by {by}", "human", action.team_id,
                     action.wait_span_id, action.run, decision.review_id, started_ns=at, ended_ns=at, status="ok",
                     attributes=attributes)  # fmt: skip
