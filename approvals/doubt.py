"""Nobody knows whether a call had its effect, and nothing can tell by itself: a person has looked and says."""

from approvals.models import Action, Decision
from approvals.settle import settle
from console.core.actor import Actor
from console.traces.store import end_span
from integrations.calls import finish_call
from integrations.models import Call


def resolve_doubt(action: Action, *, happened: bool, decision: Decision, actor: Actor) -> None:
    """Inside signoff's transaction, which holds the locks on action and review."""
    call = Call.objects.select_for_update().exclude(effect="read").get(action=action.id, throttled=False)
    state = "succeeded" if happened else "failed"
    receipt = {"status": None, "digest": None, "found_by": "person", "decision": decision.id}
    finish_call(call, state, receipt, actor=actor)
    if call.trace_id:
        end_span(call.trace_id, call.span_id, ok=happened, attributes={"countersign.found_by": "person"})
    code = "succeeded" if happened else "did_not_happen"
    settle(action, state, {"code": code, "text": decision.reason, "call": call.id, "body": None}, actor=actor)
