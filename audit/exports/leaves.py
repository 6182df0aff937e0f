"""Leaves of a range, as the database hands them out fastest: many in one value, already joined by newlines."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection

from audit import trees
from audit.exports.scope import Scope
from audit.models import Tree
from audit.proof import read_leaf
from audit.vocabulary import Kind

AT_ONCE = 1_000  # leaves; few enough that sorting and joining them stays in small memory

# Ids are ordered by time and so are leaves, so that the records of a few thousand leaves lie side by side: a range of
# the primary key, which is far faster than looking each of them up.
_RANGE = """
WITH place AS MATERIALIZED (
    SELECT idx, record_id, at, leaf_hash FROM audit_leaf
    WHERE tree_id = %(tree)s AND idx >= %(begin)s AND idx < %(end)s
), bounds AS MATERIALIZED (
    SELECT min(record_id::text)::uuid AS first, max(record_id::text)::uuid AS last, min(at) AS since, max(at) AS until
    FROM place
)
"""
_FOUND = """
FROM place JOIN audit_record AS record ON record.id = place.record_id AND record.at = place.at
WHERE record.id BETWEEN (SELECT first FROM bounds) AND (SELECT last FROM bounds)
  AND record.at BETWEEN (SELECT since FROM bounds) AND (SELECT until FROM bounds) AND """
_BLOCK = """
SELECT string_agg(record.leaf, '\\x0a'::bytea ORDER BY place.idx),
    string_agg(place.idx::text, E'\\n' ORDER BY place.idx), count(*),
    array_agg(place.idx ORDER BY place.idx) FILTER (WHERE record.kind = %(decided)s),
    array_agg(record.subject ORDER BY place.idx) FILTER (WHERE record.kind = %(decided)s),
    (SELECT first FROM bounds), (SELECT last FROM bounds)
"""
_ROWS = "SELECT place.idx, record.leaf, place.leaf_hash"
_DISCLOSED = """
SELECT place.idx, opened.path, opened.salt, opened.value::text
FROM audit_disclosure AS opened
    JOIN audit_leaf AS place ON place.record_id = opened.record_id AND place.tree_id = %(tree)s
    JOIN audit_record AS record ON record.id = place.record_id AND record.at = place.at
WHERE opened.record_id BETWEEN %(first)s AND %(last)s AND place.idx >= %(begin)s AND place.idx < %(end)s AND """


class Block(NamedTuple):
    """Leaves and their indexes, each followed by a newline; and which of them are decisions, by index."""

    leaves: bytes
    indexes: bytes
    records: int
    decisions: dict[int, str]
    first: uuid.UUID  # no record of the block has a smaller id
    last: uuid.UUID


class Row(NamedTuple):
    idx: int
    leaf: bytes
    hash: bytes


# Of bytes that are not in the form of a record: no export stops at them, and fsck says that they are none.
_NO_RECORD: Mapping[str, Any] = {
    "action": "", "actor": {"auth": "", "id": "", "on_behalf_of": "", "type": ""}, "c": {}, "decision": {},
    "detail": {}, "id": "", "object": "", "outcome": "", "run": "", "state": "", "team": "",
    "trace": {"span_id": "", "trace_id": ""}, "ts": "1970-01-01T00:00:00+00:00", "writer": {},
}  # fmt: skip


def told(row: Row) -> Mapping[str, Any]:
    """What the leaf says."""
    return read_leaf(row.leaf) or _NO_RECORD


class Disclosed(NamedTuple):
    idx: int
    path: str
    salt: bytes
    value: str  # as JSON


@dataclass(frozen=True, slots=True)
class Leaves:
    tree: Tree
    scope: Scope

    def blocks(self, begin: int, end: int) -> Iterator[Block]:
        for values in self._parts(begin, end):
            leaves, indexes, count, places, subjects, first, last = self._ask(_BLOCK, values)[0]
            if count:
                decisions = dict(zip(places or (), subjects or (), strict=True))
                yield Block(leaves + b"\n", indexes.encode() + b"\n", count, decisions, first, last)

    def rows(self, begin: int, end: int) -> Iterator[list[Row]]:
        for values in self._parts(begin, end):
            yield list(map(Row._make, self._ask(_ROWS, values, " ORDER BY place.idx")))

    def disclosed(self, begin: int, end: int, first: uuid.UUID, last: uuid.UUID) -> list[Disclosed]:
        """Of the leaves of a range, whose records have ids between these two."""
        sql = f"{_DISCLOSED}{self.scope.condition} ORDER BY place.idx, opened.path"
        values = {**self._values(begin, end), "first": first, "last": last}
        return list(map(Disclosed._make, fetch(sql, values)))

    def hashes(self, begin: int, end: int) -> Iterator[bytes]:
        for start in range(begin, end, 100_000):
            yield trees.hashes_between(self.tree, start, min(start + 100_000, end))

    def _parts(self, begin: int, end: int) -> Iterator[Mapping[str, object]]:
        for start in range(begin, end, AT_ONCE):
            yield self._values(start, min(start + AT_ONCE, end))

    def _values(self, begin: int, end: int) -> Mapping[str, object]:
        return {"tree": self.tree.pk, "begin": begin, "end": end, "decided": Kind.DECISION_MADE.value,
                **self.scope.values}  # fmt: skip

    def _ask(self, what: str, values: Mapping[str, object], order: str = "") -> list[tuple[Any, ...]]:
        return fetch(f"{_RANGE}{what}{_FOUND}{self.scope.condition}{order}", values)


def fetch(sql: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """Past Django's cursor, which would have the bytes spelled out as text."""
    connection.ensure_connection()
    assert connection.connection is not None
    with connection.connection.cursor(binary=True) as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()  # type: ignore[no-any-return]


def plan_plainly() -> None:
    """For this transaction: short questions, for which starting helpers or compiling costs more than it gains."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        cursor.execute("SET LOCAL jit = off")
