"""What comes of a review that is over: a permit, a refusal or the answer to a doubt, and a moment for each vote."""

from collections.abc import Iterable

from approvals.alike import remember_names
from approvals.doubt import resolve_doubt
from approvals.models import Action, Decision, Review
from approvals.permit import mint_permit
from approvals.settle import settle
from audit.move import move
from console.core.actor import Actor
from console.core.clock import nanoseconds
from console.core.telemetry import new_span_id
from console.core.wake import wake
from console.traces.store import SpanStart, ending, start_spans, starting

DONE = {"approve": "approved", "refuse": "refused", "recuse": "left to others", "change": "changed"}


def carry_on(review: Review, decision: Decision, actor: Actor) -> None:
    """In the transaction of the last vote, which is `decision`."""
    spans = _signature_spans(review)
    if review.kind == "action" and review.state == "approved":
        _permit(review.action, spans, actor)
        return
    start_spans(spans)
    if review.kind == "doubt":
        resolve_doubt(review.action, happened=review.state == "approved", decision=decision, actor=actor)
        return
    refusals = Decision.objects.filter(review=review, verdict="refuse").select_related("reviewer", "on_behalf_of")
    refused = refusals.earliest("decided_at")
    outcome = {"code": "refused", "text": refused.reason, "by": refused.by}
    settle(review.action, "refused", outcome, actor=actor)


def _permit(action: Action, spans: Iterable[SpanStart], actor: Actor) -> None:
    waited = ending(action.trace_id, action.wait_span_id, attributes={"outcome": "approved"})
    permit = mint_permit(action)
    remember_names(action)
    move(action, "permitted", actor=actor, detail={"permit": permit}, also=[waited, *map(starting, spans)])
    wake("approvals.tasks.drive", "actions", action.id)


def _signature_spans(review: Review) -> list[SpanStart]:
    """Points in time under the wait: who signed, and how. Written when the review is over: before, nobody is told."""
    action = review.action
    if not action.trace_id:
        return []
    decisions = review.decisions.select_related("reviewer", "on_behalf_of").order_by("decided_at")
    return [_signature_span(action, one) for one in decisions]


def _signature_span(action: Action, decision: Decision) -> SpanStart:
    at = nanoseconds(decision.decided_at)
    done = DONE[decision.verdict]
    attributes = {"countersign.decision": decision.id, "countersign.signature": decision.level}
    return SpanStart(action.trace_id, new_span_id(), f"{done} by {decision.by}", "human", action.team_id,
                     action.wait_span_id, action.run, decision.review_id, started_ns=at, ended_ns=at, status="ok",
                     attributes=attributes)  # fmt: skip
