"""Revoking leases: of what is being sent, or is in doubt. The door takes them, in the row of the Call."""

from django.db.models import QuerySet

from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.clock import now
from integrations.models import Call

OPEN = ("sending", "in_doubt")
SHOWN = 50


def leases_of_run(run: str) -> list[Call]:
    """Those that are live, or were revoked before anybody knew how the call ended."""
    calls = Call.objects.filter(run=run, state__in=OPEN).select_related("operation", "credential").order_by("sent_at")
    only = ("state", "sent_at", "revoked_at", "action", "operation__title", "operation__slug", "credential__name")
    return list(calls.only(*only)[:SHOWN])


def revoke_leases(calls: QuerySet[Call], why: str, *, actor: Actor) -> int:
    """Inside the caller's transaction. What has left goes on to its receipt; what has not left, or would be sent again,
    stays here."""
    live = calls.select_for_update().filter(state__in=OPEN, revoked_at=None).order_by("pk")
    found = list(live.only("team", "run", "trace_id", "span_id", "credential", "step"))
    Call.objects.filter(pk__in=[one.pk for one in found]).update(revoked_at=now())
    for call in found:
        detail = {"credential": call.credential_id, "step": call.step, "why": why}
        record(Kind.LEASE_REVOKED, subject=call.pk, actor=actor, detail=detail, **call.audit_context())
    return len(found)
