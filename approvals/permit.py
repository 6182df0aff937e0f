"""Permits: minted when a ruling allows or the quorum has signed, consumed in the transaction that begins the send."""

import datetime as dt

from django.db import connection

from approvals.authority import Stale
from approvals.models import Action, Permit
from audit.move import inserting
from audit.record import record
from console.core.actor import Actor
from console.core.clock import now

LIFETIME = dt.timedelta(minutes=5)

_CONSUME = """
UPDATE approvals_permit SET consumed_at = clock_timestamp(), consumed_txid = pg_current_xact_id()::text
WHERE action_id = %s AND action_digest = %s AND request_digest = %s AND consumed_at IS NULL AND expires_at > now()
RETURNING id
"""


def mint_permit(action: Action, *, actor: Actor) -> None:
    permit = Permit(action=action, action_digest=action.action_digest, request_digest=action.request_digest,
                    expires_at=now() + LIFETIME)  # fmt: skip
    record("permit.minted", subject=permit.id, actor=actor, detail={"of": action.id}, change=inserting(permit),
           **action.audit_context())  # fmt: skip


def consume_permit(action: Action, *, actor: Actor) -> None:
    """The caller has verified everything just now and holds the lock on the action, so a lapsed or used permit is
    replaced without asking people again. Raises Stale when the permit is for another digest."""
    if _consumed(action):
        return
    lapsed = Permit.objects.filter(action=action, consumed_at__isnull=True, expires_at__lte=now())
    if not lapsed.update(expires_at=now() + LIFETIME):
        if Permit.objects.filter(action=action, consumed_at__isnull=True).exists():
            raise Stale("permit_mismatch", "The permit is for another request.")
        mint_permit(action, actor=actor)
    if not _consumed(action):
        raise Stale("permit_mismatch", "The permit is for another request.")


def _consumed(action: Action) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_CONSUME, [action.id, bytes(action.action_digest or b""), bytes(action.request_digest or b"")])
        return cursor.fetchone() is not None
