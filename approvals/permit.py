"""Permits: minted when a ruling allows or the quorum has signed, consumed in the transaction that begins the send."""

import datetime as dt

from approvals.authority import Stale
from approvals.models import Action, Permit, permit_id
from audit.record import Change
from console.core.clock import now
from console.core.errors import Conflict
from console.core.statements import Statement, run

LIFETIME = dt.timedelta(minutes=5)

_MINT = """
INSERT INTO approvals_permit (id, action_id, action_digest, request_digest, expires_at) VALUES (%s, %s, %s, %s, %s)
"""
_MINT_AND_CONSUME = """
INSERT INTO approvals_permit (id, action_id, action_digest, request_digest, expires_at, consumed_at, consumed_txid)
VALUES (%s, %s, %s, %s, %s, clock_timestamp(), pg_current_xact_id()::text)
"""
_CONSUME = """
UPDATE approvals_permit SET consumed_at = clock_timestamp(), consumed_txid = pg_current_xact_id()::text
WHERE id = %s AND action_id = %s AND action_digest = %s AND request_digest = %s
AND consumed_at IS NULL AND expires_at > now()
"""


def minting(action: Action, *, consumed: bool = False) -> tuple[str, Statement]:
    """The new permit's id, for the record of the move that it comes with, and its row: with `consumed`, of one that is
    used by the transaction that mints it."""
    permit = permit_id()
    values = [permit, action.id, *_digests(action), now() + LIFETIME]
    return permit, Statement(_MINT_AND_CONSUME if consumed else _MINT, values)


def mint_permit(action: Action) -> str:
    permit, statement = minting(action)
    run(statement)
    return permit


def consume_permit(action: Action) -> str:
    """Its id. The caller has verified everything just now and holds the lock on the action, so a lapsed or used permit
    is replaced without asking people again. Raises Stale when the permit is for another digest."""
    unused = Permit.objects.filter(action=action, consumed_at__isnull=True)
    unused.filter(expires_at__lte=now()).update(expires_at=now() + LIFETIME)
    permit = unused.values_list("pk", flat=True).first() or mint_permit(action)
    if run(consuming(action, permit).statement) != 1:
        raise Stale("permit_mismatch", "The permit is for another request.")
    return permit


def consuming(action: Action, permit: str) -> Change:
    """Of a permit that waits to be used, as it is read with the action: by the statement that begins the send."""
    statement = Statement(_CONSUME, [permit, action.id, *_digests(action)])
    return Change(statement, Conflict(f"The permit {permit} is used, is over, or is for another request."))


def _digests(action: Action) -> tuple[bytes, bytes]:
    return bytes(action.action_digest or b""), bytes(action.request_digest or b"")
