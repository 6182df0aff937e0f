"""Queries on the way from a signature to the send, whose SQL is made once per process.

Django makes the SQL of a queryset anew at each use. For rows as wide as ours that takes longer than PostgreSQL needs
to answer, and nobody else's waiting time is as dear as that of an act which a person has just signed.
"""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable
from django.db.models.sql.compiler import SQLCompiler
from django.db.transaction import TransactionManagementError

M = TypeVar("M", bound=Model)
Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """`parameters` holds placeholders where values belong."""

    compiler: SQLCompiler
    sql: str
    parameters: Sequence[object]
    converters: dict[int, tuple[list[Any], Any]]


class Compiled(Generic[M]):
    """`build` is given one placeholder for each value (a list of them for a list), and must pass each to a lookup of
    a text column. Rows come back as Django makes them, related and annotated ones too."""

    def __init__(self, build: Callable[..., QuerySet[M]]) -> None:
        self._build = build
        self._made: dict[Shape, _Made] = {}

    def __call__(self, *values: str | Sequence[str]) -> list[M]:
        shape = tuple(None if isinstance(value, str) else len(value) for value in values)
        made = self._made.get(shape) or self._made.setdefault(shape, self._make(shape))
        given = [one for value in values for one in ([value] if isinstance(value, str) else value)]
        bound = tuple(given[one.place] if isinstance(one, _Placeholder) else one for one in made.parameters)
        return list(ModelIterable(cast(QuerySet[M], _Source(made, bound))))

    def _make(self, shape: Shape) -> _Made:
        places = itertools.count()
        values = [_one(places) if length is None else [_one(places) for _ in range(length)] for length in shape]
        compiler = self._build(*values).query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        found = {one.place for one in parameters if isinstance(one, _Placeholder)}
        if found != set(range(next(places))):
            raise TypeError("A lookup of this query changes its value, so the SQL cannot be made before.")
        converters = compiler.get_converters([selected[0] for selected in compiler.select[: compiler.col_count]])
        return _Made(compiler, sql, parameters, converters)


class _Placeholder(str):
    """Comes out of the compiler as it went in, unless a lookup changes its values."""

    place: int


def _one(places: Iterator[int]) -> _Placeholder:
    place = next(places)
    made = _Placeholder(f"value {place}")
    made.place = place
    return made


class _Source:
    """What `ModelIterable` asks of a queryset: a compiler, here one whose SQL is there already."""

    db = DEFAULT_DB_ALIAS
    _known_related_objects: ClassVar[dict[object, object]] = {}

    def __init__(self, made: _Made, bound: tuple[object, ...]) -> None:
        self.query, self._made, self._bound = self, made, bound

    def get_compiler(self, using: str) -> SQLCompiler:
        compiler = copy.copy(self._made.compiler)
        compiler.connection = connections[using]
        if compiler.query.select_for_update and not compiler.connection.in_atomic_block:
            raise TransactionManagementError("Rows are locked in a transaction only.")
        compiler.as_sql = lambda: (self._made.sql, self._bound)  # type: ignore[method-assign, assignment, misc]
        compiler.get_converters = lambda expressions: self._made.converters  # type: ignore[method-assign]
        return compiler
