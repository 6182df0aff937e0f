"""Changing what an action would do, by somebody who was asked to sign it: a counter-proposal.

It is decided anew then: prepared, ruled on and signed by others. No vote for the version before counts for it, because
each is bound to the bytes that it was given for, and whoever changed it is one of its makers from then on.
"""

from collections.abc import Mapping
from typing import Any

from approvals.models import Action, Decision, Review, Revision
from approvals.propose import check_carried
from approvals.settle import announce
from audit.move import inserting, move
from console.core.actor import Actor
from console.core.attest import attest, verify
from console.core.canonical import digest, jcs
from console.core.clock import now
from console.core.errors import Conflict, Invalid, Tampered
from console.core.wake import wake
from console.traces.store import ending
from integrations.described import complete
from integrations.here import is_here
from integrations.limits import check_limits
from integrations.permission import is_agents_own

MOST_CHANGES = 5


def why_unchangeable(review: Review) -> str:
    """ "" where what it is about can be changed."""
    action = review.action
    if review.kind != "action":
        return "What was sent cannot be changed any more."
    if is_here(action.operation.integration) or is_agents_own(action.operation.integration) or action.reverses_id:
        return "This is done as it was asked for, or not at all. Refuse it, and say what should be different."
    if len(action.editors) >= MOST_CHANGES:
        return f"It was changed {MOST_CHANGES} times already. Refuse it, and say what should be different."
    return ""


def check_change(review: Review, arguments: Mapping[str, Any]) -> None:
    """Raises Invalid for what the operation does not take or the grant does not cover, and where nothing differs;
    Conflict where it is not changed at all."""
    action = review.action
    if why_not := why_unchangeable(review):
        raise Conflict(why_not, code="cannot_change")
    check_carried(arguments)
    if jcs(dict(arguments)) == jcs(action.arguments):
        raise Invalid("Nothing of it differs yet.", code="nothing_changed")
    complete(action.operation).check_arguments(arguments)
    limits = action.grant.limits if action.grant else {}
    if beyond := check_limits(limits, action.operation.description.get("arguments", {}), arguments):
        raise Invalid(f"That would go beyond its grant. {beyond}", code="invalid_arguments")


def change(review: Review, decision: Decision, arguments: Mapping[str, Any], *, actor: Actor) -> None:
    """Under the locks of the sign-off that made the decision. The door takes it up as if it had just been proposed."""
    action = review.action
    revision = Revision(action=action, number=action.revision + 1, arguments=dict(arguments), editor_id=actor.id,
                        decision=decision)  # fmt: skip
    revision.attestation = attest("revision", revision.attested())
    move(review, "superseded", actor=actor, closed_at=now())
    waited = ending(action.trace_id, action.wait_span_id, attributes={"outcome": "changed"})
    told = {"revision": revision.number, "decision": decision.id,
            "arguments_digest": digest("countersign/arguments/v1", revision.arguments).hex()}  # fmt: skip
    move(action, "proposed", actor=actor, detail=told, arguments=revision.arguments, original=action.asked_for,
         editors=[*action.editors, actor.id], wait_span_id="", deferred_until=None,
         also=[inserting(revision).statement, *([waited] if action.wait_span_id else [])])  # fmt: skip
    announce(action)
    wake("approvals.tasks.drive", "actions", action.id)


def last_revision(action: Action) -> Revision | None:
    """As it was signed for by whoever changed it; None of what nobody changed. Raises Tampered where the rows tell of
    other changes than were made."""
    if not action.editors:
        return None
    revisions = list(action.revisions.order_by("number"))
    for revision in revisions:
        verify("revision", revision.attested(), revision.attestation)
    told = [(revision.number, revision.editor_id) for revision in revisions]
    if told != list(enumerate(action.editors, 2)):
        raise Tampered("Who changed the action is not who is said to have changed it.")
    return revisions[-1]
