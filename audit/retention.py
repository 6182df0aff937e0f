"""How long records are kept, and how a month of them ends: recorded, as a whole, with its hashes left in the tree.

Tables are dropped by their owner, so this is the migrator's work and no page can do it.
"""

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction

from audit import trees
from audit.holds import placed, touching
from audit.models import Hold, Record, Tree
from audit.proof import read_leaf
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import Conflict

# What outlives its month, because the present rests on it. The database function `audit_kept_kinds` has the same list.
KEPT = (
    Kind.PASSKEY_ENROLLED, Kind.PASSKEY_REVOKED, Kind.USER_CREATED, Kind.DISCLOSURE_ERASED, Kind.HOLD_PLACED,
    Kind.HOLD_RELEASED, Kind.KEY_ADDED, Kind.KEY_RETIRED, Kind.LOG_OPENED, Kind.LOG_RESTORED, Kind.RETENTION_PRUNED,
    Kind.RETENTION_SET,
)  # fmt: skip

PATIENCE = "5s"  # for which sequencer and readers wait at most behind a month that somebody reads
ONE_AT_A_TIME = 0x435352  # "CSR": the key of the lock that a drop holds

_MONTHS = """
SELECT to_date(right(relname, 6), 'YYYYMM') FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'audit_record'::regclass AND relname ~ '^audit_record_[0-9]{6}$' ORDER BY 1
"""
_PLACES = """
SELECT leaf.tree_id, count(*), min(leaf.idx), max(leaf.idx), count(*) FILTER (WHERE record.kind = ANY (%s))
FROM audit_log AS record LEFT JOIN audit_leaf AS leaf ON leaf.record_id = record.id
WHERE record.at >= %s AND record.at < %s GROUP BY leaf.tree_id ORDER BY leaf.tree_id
"""


@dataclass(frozen=True, slots=True)
class Month:
    first: dt.date
    kept_until: dt.date
    held_by: list[Hold]

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"

    @property
    def last(self) -> dt.date:
        """The first day that is no longer in it."""
        return later(self.first, 1)

    def over(self, today: dt.date) -> bool:
        return self.kept_until <= today


class _Place(NamedTuple):
    """Of a month in one tree."""

    tree: int
    records: int
    first: int
    last: int
    kept: int


@dataclass(frozen=True, slots=True)
class Dropped:
    records: int
    kept: int


def later(first: dt.date, months: int) -> dt.date:
    """The first day of the month that comes so many months after."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return dt.date(year, month + 1, 1)


def listing() -> list[Month]:
    """Every month that has begun and was not dropped, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_MONTHS)
        firsts = [first for (first,) in cursor.fetchall()]
    holds, today = placed(), now().date()
    return [_month(first, holds) for first in firsts if first <= today]


def _month(first: dt.date, holds: list[Hold]) -> Month:
    return Month(first, later(first, 1 + settings.RETENTION_MONTHS), touching(holds, first, later(first, 1)))


def count_records(month: Month) -> int:
    return Record.objects.filter(at__gte=midnight(month.first), at__lt=midnight(month.last)).count()


def tell_policy(actor: Actor) -> None:
    """A record when the months to keep are others than last time."""
    told = Record.objects.filter(kind=Kind.RETENTION_SET).order_by("-at").values_list("leaf", flat=True).first()
    leaf = read_leaf(bytes(told)) if told else None
    before = leaf["detail"].get("months", 0) if leaf else 0
    if before != settings.RETENTION_MONTHS:
        record(Kind.RETENTION_SET, subject="log", actor=actor, team="",
               detail={"months": settings.RETENTION_MONTHS, "before": before})  # fmt: skip


def drop_month(month: Month, *, actor: Actor) -> Dropped:
    """Raises Conflict, and then nothing has changed. Its record stands in the same transaction."""
    try:
        with transaction.atomic():
            return _drop(month, actor)
    except OperationalError as fault:
        if isinstance(fault.__cause__, psycopg.errors.LockNotAvailable):
            raise Conflict(f"{month} is being read: by a backup, an export or fsck. Try again later.") from fault
        raise
    except DatabaseError as fault:
        if isinstance(fault.__cause__, psycopg.errors.CheckViolation):
            raise Conflict(f"{month} was not dropped: {fault.__cause__.diag.message_primary}.") from fault
        raise


def _drop(month: Month, actor: Actor) -> Dropped:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        if not cursor.fetchone()[0]:
            raise Conflict("Another retention is at work.")
        # From here on nobody places a hold; one that is being placed is waited for.
        cursor.execute("LOCK TABLE audit_hold IN SHARE MODE")
        detail, dropped = _check(month)
        record(Kind.RETENTION_PRUNED, subject=str(month), actor=actor, team="", detail=detail)
        cursor.execute("SELECT audit_drop_month(%s)", [month.first])
    return dropped


def _check(month: Month) -> tuple[dict[str, object], Dropped]:
    """Under the locks: what the record has to tell, unless something speaks against it."""
    if month.first not in {one.first for one in listing()}:
        raise Conflict(f"There is no month {month} to drop: it was dropped already.")
    if held := touching(placed(), month.first, month.last):
        raise Conflict(f"{month} is held by {', '.join(hold.id for hold in held)}.")
    if not month.over(now().date()):
        raise Conflict(f"{month} is kept until {month.kept_until}.")
    places = _places(month)
    told = [_told(place) for place in places]
    kept = sum(place.kept for place in places)
    count = sum(place.records for place in places) - kept
    detail = {"records": count, "kept": kept, "months": settings.RETENTION_MONTHS, "trees": told}
    return detail, Dropped(count, kept)


def _places(month: Month) -> list[_Place]:
    """Raises Conflict when some records have none yet."""
    with connection.cursor() as cursor:
        cursor.execute(_PLACES, [list(KEPT), midnight(month.first), midnight(month.last)])
        rows = cursor.fetchall()
    waiting = sum(count for tree, count, *_ in rows if tree is None)
    if waiting:
        raise Conflict(f"{waiting:,} records of {month} wait for their place in the tree.")
    return [_Place._make(row) for row in rows]


def _told(place: _Place) -> dict[str, object]:
    """Where the month stands in a tree, and what was signed of that tree when the month went."""
    tree = Tree.objects.get(pk=place.tree)
    if tree.problem:
        raise Conflict(f"Nothing is dropped while the tree is not signed. {tree.problem}")
    newest = trees.newest_checkpoint(tree)
    if newest is None or (newest.size <= place.last and tree.closed_at is None):
        raise Conflict(f"{tree} is not signed as far as leaf {place.last:,}.")
    return {"origin": tree.origin, "begin": place.first, "end": place.last + 1, "records": place.records,
            "size": newest.size, "root": bytes(newest.root).hex()}  # fmt: skip


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
