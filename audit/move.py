"""The only way rows with a state begin or change: the change and its record in one."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models import Field
from django.db.models.expressions import DatabaseDefault

from audit.record import Change, record
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.errors import Conflict
from console.core.statements import Statement
from console.core.states import Transitions, check


class Stateful(Protocol):
    """What a row brings: its records' kind without the verb, its moves, and what its records tell."""

    KIND: ClassVar[str]
    TRANSITIONS: ClassVar[Transitions]
    pk: Any
    state: Any

    def audit_context(self) -> Mapping[str, str]:
        """`team`, and where known `run`, `trace`, `span`, `on_behalf_of`."""
        ...


def begin(row: Any, *, actor: Actor, detail: Mapping[str, object] | None = None,
          personal: Mapping[str, object] | None = None, also: Iterable[Statement] = ()) -> None:  # fmt: skip
    """Insert the row in the state it carries and record it."""
    check(row.TRANSITIONS, "initial", row.state)
    _record(row, actor, detail, personal, {}, "", inserting(row), also)


def move(
    row: Any,
    to: str,
    *,
    actor: Actor,
    detail: Mapping[str, object] | None = None,
    personal: Mapping[str, object] | None = None,
    decision: Mapping[str, object] | None = None,
    result: str = "",
    also: Iterable[Statement] = (),
    **fields: object,
) -> None:
    """From the state the caller saw to `to`, setting `fields` too; `result` is the record's outcome in one word,
    `also` what else is written in the same statement.
    Raises Conflict when the row has moved meanwhile."""
    check(row.TRANSITIONS, row.state, to)
    values = {"state": to, **fields}
    change = _updating(row, values)
    for name, value in values.items():
        setattr(row, name, value)
    _record(row, actor, detail, personal, decision or {}, result, change, also)


def inserting(row: models.Model) -> Change:
    """The INSERT of a row that brings its own primary key, for `record`. No signals are sent."""
    given = {field: field.pre_save(row, add=True) for field in row._meta.local_concrete_fields}
    columns, places, values = _columns({f: v for f, v in given.items() if not isinstance(v, DatabaseDefault)})
    row._state.adding, row._state.db = False, connection.alias
    table = connection.ops.quote_name(row._meta.db_table)
    names, marks = ", ".join(columns), ", ".join(places)
    text = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608  (our own columns)
    return Change(Statement(text, values), Conflict(f"{row._meta.verbose_name} {row.pk} was not stored."))


def _updating(row: Any, values: Mapping[str, object]) -> Change:
    """The UPDATE of a row that still has the state which the caller saw."""
    named = row._meta.get_field
    columns, places, prepared = _columns({named(name): value for name, value in values.items()})
    (key, state), (one, same), known = _columns({row._meta.pk: row.pk, named("state"): row.state})
    sets = ", ".join(f"{column} = {place}" for column, place in zip(columns, places, strict=True))
    table = connection.ops.quote_name(row._meta.db_table)
    text = f"UPDATE {table} SET {sets} WHERE {key} = {one} AND {state} = {same}"  # noqa: S608  (our own columns)
    noun = row.KIND.rpartition(":")[2]
    return Change(Statement(text, [*prepared, *known]), Conflict(f"The {noun} {row.pk} is no longer {row.state}."))


def _columns(given: "Mapping[Field[Any, Any], Any]") -> tuple[list[str], list[str], list[Any]]:
    """Names, placeholders and values as the database takes them. Written out, because Django's compilers take longer
    to make the statement than PostgreSQL to execute it, and somebody who has just signed waits."""
    database = connections[DEFAULT_DB_ALIAS]  # `connection` looks this up anew at each use
    return (
        [database.ops.quote_name(str(field.column)) for field in given],
        [field.get_placeholder(value, None, database) if hasattr(field, "get_placeholder") else "%s"
         for field, value in given.items()],
        [field.get_db_prep_save(value, database) for field, value in given.items()],
    )  # fmt: skip


def _record(
    row: Any,
    actor: Actor,
    detail: Mapping[str, object] | None,
    personal: Mapping[str, object] | None,
    decision: Mapping[str, object],
    result: str,
    change: Change,
    also: Iterable[Statement],
) -> None:
    record(
        Kind(f"{row.KIND}:{row.state}"),
        subject=row.pk,
        state=row.state,
        actor=actor,
        outcome=result,
        decision=decision,
        detail=detail,
        personal=personal,
        change=change,
        also=also,
        **row.audit_context(),
    )
