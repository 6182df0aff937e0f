"""Writers that move rows: through the product, and in other ways. `python -m benchmarks.audit_writers SOCKET WRITERS`.

`audited` is the product. `unaudited` is the same act without a record, on a table without guards: the same check of the
move, the same statement, the same transaction. `django` is how a Django program writes it. `chain` has a hash chain for
a log.
"""

import functools
import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import django
from django.db import connection, transaction

from benchmarks.crowd import Act, Prepare, pause, serve

OTHER = {"running": "waiting", "waiting": "running"}
CHAIN_LOCK = 7_001

_HEAD = "SELECT hash FROM bench_chain ORDER BY number DESC LIMIT 1"
_LINK = """
INSERT INTO bench_chain (id, leaf, previous, hash, kind, subject, state, actor_kind, actor, team, run, trace)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def acts() -> dict[str, Prepare]:
    """Call it when Django is set up."""
    from audit.leaf import Entry, build  # noqa: PLC0415 - they need Django
    from audit.move import move, updating  # noqa: PLC0415
    from audit.vocabulary import Kind  # noqa: PLC0415
    from benchmarks.audit_rows import Guarded, Plain, Row, rows_of  # noqa: PLC0415
    from console.core.actor import system  # noqa: PLC0415
    from console.core.clock import stamp  # noqa: PLC0415
    from console.core.errors import Conflict  # noqa: PLC0415
    from console.core.ids import uuid7  # noqa: PLC0415
    from console.core.states import check  # noqa: PLC0415

    actor = system("worker")

    def audited(row: Row, work: float) -> None:
        with transaction.atomic():
            move(row, OTHER[row.state], actor=actor)
            pause(work)

    def unaudited(row: Row, work: float) -> None:
        with transaction.atomic():
            change(row)
            pause(work)

    def by_django(row: Row, work: float) -> None:
        with transaction.atomic():
            if not Plain._default_manager.filter(pk=row.pk, state=row.state).update(state=OTHER[row.state]):
                raise Conflict(f"{row.pk} has moved")
            pause(work)
        row.state = OTHER[row.state]

    def chain(row: Row, work: float) -> None:
        with transaction.atomic():
            change(row)
            link(row)
            pause(work)

    def change(row: Row) -> None:
        to = OTHER[row.state]
        check(row.TRANSITIONS, row.state, to)
        statement, failure = updating(row, {"state": to})
        with connection.cursor() as cursor:
            cursor.execute(*statement)
            if cursor.rowcount != 1:
                raise failure
        row.state = to

    def link(row: Row) -> None:
        of, identity = row.audit_context(), uuid7()
        entry = Entry(kind=Kind(f"{row.KIND}:{row.state}"), subject=row.pk, actor=actor, state=row.state,
                      team=of["team"], run=of["run"], trace=of["trace"], span=of["span"])  # fmt: skip
        leaf = build(entry, log="benchmark", identity=identity, at=stamp(), writer=("0" * 16, 1), commitments=[])
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])
            cursor.execute(_HEAD)
            previous = bytes((cursor.fetchone() or (b"",))[0])
            digest = hashlib.sha256(previous + leaf).digest()
            cursor.execute(_LINK, [identity, leaf, previous, digest, str(entry.kind), row.pk, row.state, actor.kind,
                                   actor.id, entry.team, entry.run, entry.trace])  # fmt: skip

    rows = functools.cache(rows_of)  # acts in turn see what the others did

    def over(model: type[Row], act: Callable[[Row, float], None]) -> Prepare:
        return lambda writer: turning(rows(model, writer), act)

    return {"audited": over(Guarded, audited), "unaudited": over(Plain, unaudited), "django": over(Plain, by_django),
            "chain": over(Plain, chain)}  # fmt: skip


def turning(rows: Sequence[Any], act: Callable[[Any, float], None]) -> Act:
    """One row after the other, again and again."""
    at = 0

    def do(work: float) -> None:
        nonlocal at
        at = (at + 1) % len(rows)
        act(rows[at], work)

    return do


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    django.setup()
    serve(sys.argv[1], int(sys.argv[2]), acts())
