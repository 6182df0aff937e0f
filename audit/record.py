"""Writing the log: always in the caller's transaction, so that a change and its record are one."""

import functools
import itertools
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections

from audit.leaf import Commitment, Entry, build
from audit.trees import log_name
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.clock import stamp
from console.core.ids import uuid7
from console.core.statements import Statement

# One writer per process; its numbers are handed out before COMMIT, so a rolled-back transaction leaves a gap.
_WRITER = secrets.token_hex(8)
_SEQUENCE = itertools.count(1)

_APPEND = """
{before}INSERT INTO audit_waiting (id, log, leaf, kind, subject, state, actor_kind, actor, team, run, trace)
SELECT %s, %s, %b, %s, %s, %s, %s, %s, %s, %s, %s {source}
"""
_DISCLOSED = """disclosed AS (
    INSERT INTO audit_disclosure (record_id, path, salt, value)
    SELECT given.id, given.path, decode(given.salt, 'hex'), given.value
    FROM {changed}jsonb_to_recordset(%s::jsonb) AS given(id uuid, path text, salt text, value jsonb)
)"""


class Change(NamedTuple):
    """Of one row: to be one statement with its record. `failure` is raised when it changes no row, and then there is no
    record either."""

    statement: Statement
    failure: Exception


def record(
    kind: Kind,
    *,
    subject: str,
    actor: Actor,
    team: str | None = None,
    state: str = "",
    run: str = "",
    trace: str = "",
    span: str = "",
    on_behalf_of: str = "",
    outcome: str = "",
    decision: Mapping[str, object] | None = None,
    detail: Mapping[str, object] | None = None,
    personal: Mapping[str, object] | None = None,
    change: Change | None = None,
    also: Iterable[Statement] = (),
) -> str:
    """Append one record. `personal` values are committed to in the leaf and stored beside it, erasable. Returns the
    record's UUID.

    A `change` is made in the same statement, and what is `also` to be done: other rows, whose number does not matter.
    """
    entry = Entry(
        kind=kind, subject=subject, actor=actor, team=actor.team if team is None else team, state=state, run=run,
        trace=trace, span=span, on_behalf_of=on_behalf_of, outcome=outcome, decision=decision or {},
        detail=detail or {}, personal=personal or {},
    )  # fmt: skip
    return append(entry, change, also)


def append(entry: Entry, change: Change | None = None, also: Iterable[Statement] = ()) -> str:
    """`record` of what is an Entry already."""
    identity = uuid7()
    commitments = [Commitment(path, value) for path, value in entry.personal.items()] if entry.personal else []
    log = log_name()
    leaf = build(
        entry, log=log, identity=identity, at=stamp(), writer=(_WRITER, next(_SEQUENCE)), commitments=commitments
    )
    statements = [change.statement, *also] if change else []
    values: list[Any] = []
    for statement in statements:
        values += statement.values
    if commitments:  # most records have none, and PostgreSQL would look all the same
        given = [{"id": identity, "path": c.path, "salt": c.salt.hex(), "value": c.value} for c in commitments]
        values.append(json.dumps(given))
    values += [identity, log, leaf, str(entry.kind), entry.subject, entry.state, entry.actor.kind, entry.actor.id,
               entry.team, entry.run, entry.trace]  # fmt: skip
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_text(tuple([one.sql for one in statements]), bool(commitments)), values)
        if change and cursor.rowcount != 1:
            raise change.failure
    return identity


@functools.lru_cache(1024)
def _text(statements: tuple[str, ...], personal: bool) -> str:
    """The first of the statements is the change, if there is any."""
    parts = [f"changed AS ({sql} RETURNING 1)" if not number else f"also_{number} AS ({sql})"
             for number, sql in enumerate(statements)]  # fmt: skip
    if personal:
        parts.append(_DISCLOSED.format(changed="changed, " if statements else ""))
    before = f"WITH {', '.join(parts)} " if parts else ""
    return _APPEND.format(before=before, source="FROM changed" if statements else "")
