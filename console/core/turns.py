"""Transactions that take turns at something which no single row stands for."""

from django.db import connection


def take_turn(what: str) -> None:
    """Inside a transaction, to its end: another one that takes the same turn waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])
