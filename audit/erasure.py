"""Erasing personal values: the commitment stays in the leaf and every proof valid; a record says who did it and why."""

import uuid
from collections.abc import Iterator, Sequence

import psycopg
from django.db import DatabaseError, connection, transaction

from audit.access import access_record
from audit.holds import placed
from audit.models import Disclosure, Hold, Record
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.errors import Conflict, Forbidden, Invalid

MAX_BASIS = 2_000

# By the index on subjects, and through the whole log for what the person did.
_OF_PERSON = """
SELECT record.id, array_agg(disclosed.path ORDER BY disclosed.path)
FROM audit_log AS record JOIN audit_disclosure AS disclosed ON disclosed.record_id = record.id
WHERE (record.subject = %s OR record.actor = %s) AND record.kind <> %s
GROUP BY record.id, record.at ORDER BY record.at, record.id
"""


def erase(actor: Actor, record_id: uuid.UUID, paths: Sequence[str], basis: str) -> None:
    """`basis` is why it may or must be erased, such as a number of a request under GDPR Art. 17."""
    if not actor.interactive:
        raise Forbidden("Only a person in a browser session erases.", code="not_interactive")
    actor.require(Role.ADMIN)
    _erase(access_record(actor, record_id), paths, basis, actor)


def of_person(user_id: str) -> Iterator[tuple[uuid.UUID, list[str]]]:
    """Records of what the person did and of what was done about them, with the personal values that are left. Why
    somebody else's values were erased is not the person's."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_PERSON, [user_id, user_id, Kind.DISCLOSURE_ERASED])
        yield from cursor.fetchall()


def erase_as_operator(record_id: uuid.UUID, paths: Sequence[str], basis: str, *, actor: Actor) -> None:
    """For a command on the host, in whichever team."""
    _erase(Record.objects.get(pk=record_id), paths, basis, actor)


def _erase(row: Record, paths: Sequence[str], basis: str, actor: Actor) -> None:
    basis = basis.strip()
    if not basis:
        raise Invalid("Say on which basis, for example “GDPR Art. 17, request 12”.", code="basis_needed")
    if len(basis) > MAX_BASIS:
        raise Invalid(f"Keep the basis under {MAX_BASIS:,} characters.")
    wanted = sorted(set(paths))
    if not wanted:
        raise Invalid("Choose what is to be erased.", code="nothing_chosen")
    if held := holding(row):
        raise Conflict(f"A hold keeps it: {', '.join(hold.id for hold in held)}.", code="held")
    try:
        _delete(row, wanted, basis, actor)
    except DatabaseError as fault:
        if isinstance(fault.__cause__, psycopg.errors.CheckViolation):
            raise Conflict(f"Nothing was erased: {fault.__cause__.diag.message_primary}.") from fault
        raise


@transaction.atomic
def _delete(row: Record, paths: list[str], basis: str, actor: Actor) -> None:
    record(Kind.DISCLOSURE_ERASED, subject=str(row.pk), actor=actor, team=row.team, run=row.run,
           detail={"paths": paths}, personal={"basis": basis})  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_erase(%s, %s)", [row.pk, paths])
        if cursor.fetchone()[0] != len(paths):
            raise Conflict("Some of it was erased already. Open the record again.")


def holding(row: Record) -> list[Hold]:
    day = row.at.date()
    return [hold for hold in placed() if hold.since <= day and (hold.until is None or hold.until >= day)]


def erasable(row: Record) -> list[Disclosure]:
    return list(Disclosure.objects.filter(record_id=row.pk).order_by("path"))
