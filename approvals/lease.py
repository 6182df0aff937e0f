"""Under what the door opens a credential for an action: a lease, tied to its run and step or to its agent.

A write's lease is the row of its Call, begun in the transaction of the intent: credential, run, step, until when, and
whether it was revoked. A read's is the action itself. Either is asked for again right before the first byte of each
request, with whether its operation is still described as it was, unless that has just been done.
"""

import time

from django.db.models import Exists, OuterRef

from approvals.authority import AMENDED, GRANT_ENDED, KNOWN_FOR, Loaded, Stale
from approvals.halted import HALTED, halted
from approvals.models import Action
from console.core.clock import now
from console.core.compiled import Compiled
from integrations.amend import amended
from integrations.models import Call
from integrations.outbound import NotSent

STOPPED = "The run or the agent that it was for was stopped."

_LIVE = Compiled(
    lambda action: (
        Action.objects.filter(pk=action)
        .select_related("grant__credential")
        .only("state", "grant__revoked_at", "grant__until", "grant__credential__revoked_at")
        .annotate(
            stopped=Exists(Call.objects.filter(action=OuterRef("pk"), revoked_at__isnull=False)),
            amended=amended("operation", "created_at"),
            halted=halted(),
        )
    )
)


class LeaseEnded(NotSent):
    """Nothing more may be opened or sent. Also for what is in doubt there is no way on but a probe, or a person."""


def check_lease(loaded: Loaded, *, settling: bool = False) -> None:
    """Raises LeaseEnded. A probe, which is `settling`, is let through where a run or agent was stopped: it changes
    nothing, and without it nobody would know what they have left behind."""
    if time.monotonic() - loaded.known_at < KNOWN_FOR:
        return
    asked_at = time.monotonic()
    if why := _why_not(loaded.action.pk, settling):
        raise LeaseEnded(why)
    if not settling:
        loaded.known_at = asked_at


def _why_not(action_id: str, settling: bool) -> str:
    action = next(iter(_LIVE(action_id)), None)
    if action is None or action.grant is None or action.settled:
        return "The action has ended."
    if action.grant.revoked_at or (action.grant.until and action.grant.until <= now()):
        return GRANT_ENDED
    if action.grant.credential.revoked_at:
        return GRANT_ENDED
    if action.amended:  # type: ignore[attr-defined]  # annotated
        return AMENDED
    if action.halted and not settling:  # type: ignore[attr-defined]  # annotated
        return HALTED
    return STOPPED if action.stopped and not settling else ""  # type: ignore[attr-defined]  # annotated


def check_not_stopped(call: Call) -> None:
    """Before it is sent again, in the transaction of the new intent: whoever stops it waits, or was first."""
    if Call.objects.select_for_update().only("revoked_at").get(pk=call.pk).revoked_at:
        raise Stale("lease_ended", STOPPED)
