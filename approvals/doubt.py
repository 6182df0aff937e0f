"""Nobody knows whether a call had its effect, and nothing can tell by itself: a person has looked and says."""

from approvals.models import Action, Decision
from approvals.settle import settle
from console.core.actor import Actor
from console.traces.store import ending
from integrations.calls import finishing_call
from integrations.models import Call


def resolve_doubt(action: Action, *, happened: bool, decision: Decision, actor: Actor) -> None:
    """Inside signoff's transaction, which holds the locks on action and review."""
    call = Call.objects.select_for_update().exclude(effect="read").get(action=action.id, throttled=False)
    state = "succeeded" if happened else "failed"
    receipt = {"status": None, "digest": None, "found_by": "person", "decision": decision.id}
    ended, found = finishing_call(call, state, receipt, actor=actor), {"countersign.found_by": "person"}
    spans = [ending(call.trace_id, call.span_id, ok=happened, attributes=found)] if call.trace_id else []
    outcome = {"code": "succeeded" if happened else "did_not_happen", "text": decision.reason, "call": call.id}
    settle(action, state, {**outcome, "body": None}, actor=actor, also=[ended, *spans])
