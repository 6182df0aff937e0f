"""Looking at the log leaves a trace in the log: reads of guarded pages, and attempts without the role for them."""

from django.db import connection, transaction

from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.canonical import profile

MAX_FILTER = 500

# The detail stands in the leaf as canonical bytes, so equal reads have equal bytes; the index on subject finds them.
_KNOWN = """
SELECT EXISTS (
    SELECT 1 FROM audit_log
    WHERE subject = %s AND at > now() - interval '5 minutes'
      AND kind = %s AND actor = %s AND team = %s AND position(%s IN leaf) > 0
)
"""


def record_read(*, actor: Actor, page: str, subject: str, filter: str = "") -> None:
    """Once per person, page, subject, filter and five minutes. Two requests at the same instant may both be told."""
    _once(Kind.PAGE_READ, actor, page, subject, filter)


def record_refusal(*, actor: Actor, page: str) -> None:
    """Coalesced like reads, whichever rows were asked for: guessing addresses does not fill the log."""
    _once(Kind.ACCESS_REFUSED, actor, page, actor.team, "")


def require_role(actor: Actor, *roles: Role, page: str) -> None:
    """`actor.require` for guarded pages: who is turned away is in the log."""
    if not actor.has(*roles):
        record_refusal(actor=actor, page=page)
    actor.require(*roles)


@transaction.atomic
def _once(kind: Kind, actor: Actor, page: str, subject: str, filter: str) -> None:
    detail = {"page": page, "filter": filter[:MAX_FILTER]}
    with connection.cursor() as cursor:
        part = b'"detail":' + profile(detail)
        cursor.execute(_KNOWN, [subject, kind, actor.id, actor.team, part])
        known = cursor.fetchone()[0]
    if not known:
        record(kind, subject=subject, actor=actor, detail=detail)
