"""SQL on its way from the room that writes it to the one that sends it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection


class Statement(NamedTuple):
    """One INSERT, UPDATE or DELETE without RETURNING, with a value for each `%s`."""

    sql: str
    values: Sequence[Any]


def run(statement: Statement) -> int:
    """How many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, statement.values)
        changed: int = cursor.rowcount
    return changed
