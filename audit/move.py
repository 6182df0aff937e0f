"""The only way rows with a state begin or change: the change and its record in one."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, cast

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models import Field
from django.db.models.expressions import DatabaseDefault

from audit.leaf import Entry
from audit.record import Act, Change, append
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.errors import Conflict
from console.core.statements import Statement
from console.core.states import Transitions, check


class Stateful(Protocol):
    """What a row brings: its records' kind without the verb, its moves, and what its records tell. `FENCE`, where there
    is one, is a column that has to be as the caller saw it too."""

    KIND: ClassVar[str]
    TRANSITIONS: ClassVar[Transitions]
    pk: Any
    state: Any

    def audit_context(self) -> Mapping[str, str]:
        """`team`, and where known `run`, `trace`, `span`, `on_behalf_of`."""
        ...


Also = Iterable[Statement | Change | Act]


def begin(row: Any, *, actor: Actor, detail: Mapping[str, object] | None = None,
          personal: Mapping[str, object] | None = None, also: Also = ()) -> None:  # fmt: skip
    """Insert the row in the state it carries and record it."""
    _do(beginning(row, actor=actor, detail=detail, personal=personal), also)


def beginning(row: Any, *, actor: Actor, detail: Mapping[str, object] | None = None,
              personal: Mapping[str, object] | None = None) -> Act:  # fmt: skip
    """The same, to be done `also` with another move."""
    check(row.TRANSITIONS, "initial", row.state)
    entry = _entry(row, row.state, actor, detail, personal)
    return Act(entry, inserting(row), row, {})


def move(
    row: Any,
    to: str,
    *,
    actor: Actor,
    detail: Mapping[str, object] | None = None,
    personal: Mapping[str, object] | None = None,
    decision: Mapping[str, object] | None = None,
    result: str = "",
    also: Also = (),
    **fields: object,
) -> None:
    """From the state the caller saw to `to`, setting `fields` too; `result` is the record's outcome in one word,
    `also` what else is written in the same statement.
    Raises Conflict when the row has moved meanwhile; `row` is then as it was."""
    act = moving(row, to, actor=actor, detail=detail, personal=personal, decision=decision, result=result, **fields)
    _do(act, also)


def moving(
    row: Any,
    to: str,
    *,
    actor: Actor,
    detail: Mapping[str, object] | None = None,
    personal: Mapping[str, object] | None = None,
    decision: Mapping[str, object] | None = None,
    result: str = "",
    **fields: object,
) -> Act:
    """The same, to be done `also` with another move."""
    check(row.TRANSITIONS, row.state, to)
    values = {"state": to, **fields}
    entry = _entry(row, to, actor, detail, personal, decision or {}, result)
    return Act(entry, updating(row, values), row, values)


def _do(act: Act, also: Also) -> None:
    also = list(also)
    append(act.entry, act.change, also)
    for done in (act, *(one for one in also if isinstance(one, Act))):
        for name, value in done.values.items():
            setattr(done.row, name, value)


def inserting(row: models.Model) -> Change:
    """The INSERT of a row that brings its own primary key, for `record`. No signals are sent."""
    given = {field.attname: field.pre_save(row, add=True) for field in row._meta.local_concrete_fields}
    given = {name: value for name, value in given.items() if not isinstance(value, DatabaseDefault)}
    row._state.adding, row._state.db = False, connection.alias
    statement = _statement(_insert(type(row), tuple(given)), given.values())
    return Change(statement, Conflict(f"{row._meta.verbose_name} {row.pk} was not stored."))


def updating(row: Any, values: Mapping[str, object]) -> Change:
    """The UPDATE of a row that still has the state which the caller saw, for `record`."""
    model: type[models.Model] = type(row)
    fence = {row.FENCE: getattr(row, row.FENCE)} if hasattr(row, "FENCE") else {}
    seen = {"state": row.state, **fence}
    statement = _statement(_update(model, tuple(values), tuple(seen)), (*values.values(), row.pk, *seen.values()))
    noun = row.KIND.rpartition(":")[2]
    told = ", ".join([row.state, *(f"{name} {value}" for name, value in fence.items())])
    return Change(statement, Conflict(f"The {noun} {row.pk} is no longer {told}."))


class _Text(NamedTuple):
    sql: str
    fields: "Sequence[Field[Any, Any]]"  # one for each placeholder


# Written out, and once per process, because Django's compilers take longer to make the statement than PostgreSQL to
# execute it, and somebody who has just signed waits.


@functools.cache
def _insert(model: type[models.Model], names: tuple[str, ...]) -> _Text:
    fields = _fields(model, names)
    columns, marks = ", ".join(map(_column, fields)), ", ".join(map(_mark, fields))
    return _Text(f"INSERT INTO {_table(model)} ({columns}) VALUES ({marks})", fields)  # noqa: S608  (our own columns)


@functools.cache
def _update(model: type[models.Model], names: tuple[str, ...], seen: tuple[str, ...]) -> _Text:
    """Sets these, of the row that has the key and what was seen, which are given last."""
    fields = _fields(model, (*names, model._meta.pk.name, *seen))
    terms = [f"{_column(field)} = {_mark(field)}" for field in fields]
    sets, where = ", ".join(terms[: len(names)]), " AND ".join(terms[len(names) :])
    return _Text(f"UPDATE {_table(model)} SET {sets} WHERE {where}", fields)  # noqa: S608


def _statement(text: _Text, values: Iterable[object]) -> Statement:
    database = connections[DEFAULT_DB_ALIAS]  # `connection` looks this up anew at each use
    prepared = [field.get_db_prep_save(value, database) for field, value in zip(text.fields, values, strict=True)]
    return Statement(text.sql, prepared)


def _fields(model: type[models.Model], names: Iterable[str]) -> "list[Field[Any, Any]]":
    return [cast("Field[Any, Any]", model._meta.get_field(name)) for name in names]


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _column(field: "Field[Any, Any]") -> str:
    return connection.ops.quote_name(str(field.column))


def _mark(field: "Field[Any, Any]") -> str:
    return field.get_placeholder(None, None, connection) if hasattr(field, "get_placeholder") else "%s"


def _entry(
    row: Any,
    state: str,
    actor: Actor,
    detail: Mapping[str, object] | None,
    personal: Mapping[str, object] | None,
    decision: Mapping[str, object] | None = None,
    result: str = "",
) -> Entry:
    return Entry(
        kind=Kind(f"{row.KIND}:{state}"), subject=row.pk, actor=actor, state=state, outcome=result,
        decision=decision or {}, detail=detail or {}, personal=personal or {}, **row.audit_context(),
    )  # fmt: skip
