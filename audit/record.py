"""Writing the log: always in the caller's transaction, so that a change and its record are one."""

import functools
import itertools
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, DataError, connections
from psycopg.errors import InvalidTextRepresentation

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

_APPEND = """INSERT INTO audit_waiting (id, log, leaf, kind, subject, state, actor_kind, actor, team, run, trace)
SELECT %s, %s, %b, %s, %s, %s, %s, %s, %s, %s, %s {source}"""
# The whole statement fails, instead of doing the rest of it, where this change found no row; PostgreSQL's message then
# says which it was.
_ONE = "SELECT CASE count(*) WHEN 1 THEN 1 ELSE (count(*) || ' of {changed}')::int END AS one FROM {changed}"
_CHANGED = f"FROM ({_ONE}) AS found WHERE one = 1"
_FAILED = re.compile(r"\b\d+ of (changed_\d+)\b")
_DISCLOSED = """disclosed AS (
    INSERT INTO audit_disclosure (record_id, path, salt, value)
    SELECT given.id, given.path, decode(given.salt, 'hex'), given.value
    FROM {changed}jsonb_to_recordset(%s::jsonb) AS given(id uuid, path text, salt text, value jsonb)
)"""


class Change(NamedTuple):
    """Of one row: to be one statement with its record, or with another's. `failure` is raised when it changes no row,
    and then there is no record either."""

    statement: Statement
    failure: Exception


class Act(NamedTuple):
    """A change and what its record says, to be made with another one: both or neither. `values` are what the row in
    memory has afterwards."""

    entry: Entry
    change: Change
    row: Any
    values: Mapping[str, object]


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
    also: Iterable[Statement | Change | Act] = (),
) -> str:
    """Append one record. `personal` values are committed to in the leaf and stored beside it, erasable. Returns the
    record's UUID.

    A `change` is made in the same statement, and with it what is `also` to be done: other rows, whose number does not
    matter, further changes, and acts, whose records come before this one. Outside a transaction the statement is one.
    """
    entry = Entry(
        kind=kind, subject=subject, actor=actor, team=actor.team if team is None else team, state=state, run=run,
        trace=trace, span=span, on_behalf_of=on_behalf_of, outcome=outcome, decision=decision or {},
        detail=detail or {}, personal=personal or {},
    )  # fmt: skip
    return append(entry, change, also)


def append(entry: Entry, change: Change | None = None, also: Iterable[Statement | Change | Act] = ()) -> str:
    """`record` of what is an Entry already."""
    also = list(also)
    acts = [one for one in also if isinstance(one, Act)]
    changes = [change, *(one for one in also if isinstance(one, Change))] if change else []
    plain = [one for one in also if isinstance(one, Statement)] if change else []
    statements = [*(one.statement for one in changes), *plain]
    told, given = list[Any](), list[dict[str, object]]()
    for act in acts:
        told += [*act.change.statement.values, *_row(act.entry, given)]
    row = _row(entry, given)
    values = [value for statement in statements for value in statement.values]
    if given:  # most records have none, and PostgreSQL would look all the same
        values.append(json.dumps(given))
    connection = connections[DEFAULT_DB_ALIAS]
    whole = bool(acts) or len(changes) > 1 or (bool(plain) and not connection.in_atomic_block)
    text = _text(tuple([one.sql for one in statements]), len(changes),
                 tuple([act.change.statement.sql for act in acts]), bool(given), whole)  # fmt: skip
    with connection.cursor() as cursor:
        try:
            cursor.execute(text, [*values, *told, *row])
        except DataError as error:
            if failed := _failed(error, changes, acts):
                raise failed from None
            raise
        if change and cursor.rowcount != 1:
            raise change.failure
    return str(row[0])


def _failed(error: DataError, changes: Sequence[Change], acts: Sequence[Act]) -> Exception | None:
    cause = error.__cause__
    found = _FAILED.search(str(cause)) if isinstance(cause, InvalidTextRepresentation) else None
    named = {f"changed_{number}": one for number, one in enumerate([*changes, *(act.change for act in acts)])}
    return named[found[1]].failure if found and found[1] in named else None


def _row(entry: Entry, given: list[dict[str, object]]) -> list[Any]:
    """The record's columns, the id first. To `given` comes what it commits to."""
    identity = uuid7()
    commitments = [Commitment(path, value) for path, value in entry.personal.items()] if entry.personal else []
    log = log_name()
    leaf = build(
        entry, log=log, identity=identity, at=stamp(), writer=(_WRITER, next(_SEQUENCE)), commitments=commitments
    )
    given += [{"id": identity, "path": c.path, "salt": c.salt.hex(), "value": c.value} for c in commitments]
    return [identity, log, leaf, str(entry.kind), entry.subject, entry.state, entry.actor.kind, entry.actor.id,
            entry.team, entry.run, entry.trace]  # fmt: skip


@functools.lru_cache(1024)
def _text(statements: tuple[str, ...], changes: int, acts: tuple[str, ...], personal: bool, whole: bool) -> str:
    """So many of the statements, the first ones, are changes. `whole`: nothing of it is done where a change finds no
    row. These are made before the acts, and each of these before the next, as it asks for that: PostgreSQL does the
    parts of a statement as it likes."""
    parts = [f"changed_{number} AS ({sql} RETURNING 1)" if number < changes else f"also_{number} AS ({sql})"
             for number, sql in enumerate(statements)]  # fmt: skip
    if personal:
        parts.append(_DISCLOSED.format(changed="changed_0, " if changes else ""))
    found = "".join(f" AND ({_ONE.format(changed=f'changed_{number}')}) = 1" for number in range(1, changes))
    before = f" AND ({_ONE.format(changed='changed_0')}) = 1{found}" if acts else found
    for number, sql in enumerate(acts, changes):
        source = _CHANGED.format(changed=f"changed_{number}") + before
        told = f"told_{number} AS ({_APPEND.format(source=source)} RETURNING 1)"
        parts += [f"changed_{number} AS ({sql} RETURNING 1)", told]
        before = f" AND EXISTS (SELECT FROM told_{number})"
    source = (_CHANGED.format(changed="changed_0") if whole else "FROM changed_0") + before if changes else ""
    return (f"WITH {', '.join(parts)} " if parts else "") + _APPEND.format(source=source)
