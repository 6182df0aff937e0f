"""Which processes are alive, as PostgreSQL knows it: each holds an advisory lock on a connection of its own.

The lock goes with the process, however it dies, so that work held by a dead one is found at once instead of after a
time-out. The connection is outside any pool, because a lock belongs to one session.
"""

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

logger = logging.getLogger(__name__)

CLASS = 0x43534E  # "CSN": the first key of every presence lock
LEADER = 0x43534C  # "CSL": the first key of leader locks
TURN = 0x43534F  # "CSO": the first key of locks by which processes take turns
BEAT, SEQUENCER, PUBLISHER = 1, 2, 3  # the second: what is led

DJANGOS_OWN = {"pool", "server_side_binding"}  # options that libpq does not know

_lock = threading.Lock()
_number: int | None = None


def number() -> int:
    """This process's presence number; the first call takes its lock and keeps it for the life of the process."""
    global _number  # noqa: PLW0603  (one identity per process)
    with _lock:
        if _number is None:
            _number = secrets.randbelow(2**31 - 1) + 1
            held = threading.Event()
            threading.Thread(target=_hold, args=(_number, held), name="presence", daemon=True).start()
            held.wait(10)
        return _number


def alive() -> set[int]:
    """Presence numbers whose processes hold their lock in this database now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [CLASS],
        )
        return {row[0] for row in cursor.fetchall()}


def leads(session: psycopg.Connection, what: int) -> bool:
    """Asked often, and of the session itself, so that a lost connection ends the leadership. The lock counts how often
    it was taken; it is therefore taken only when not held."""
    row = session.execute(
        "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s"
        " AND pid = pg_backend_pid()) OR pg_try_advisory_lock(%s, %s)",
        [LEADER, what, LEADER, what],
    ).fetchone()
    return bool(row and row[0])


@contextmanager
def turn(what: str, *, patience: float) -> Iterator[None]:
    """One process and one thread at a time, in a session of its own: no transaction is open meanwhile, and the turn
    goes with the process however it dies. Raises psycopg.errors.LockNotAvailable after `patience` seconds."""
    with connect() as session:
        session.execute("SELECT set_config('lock_timeout', %s, false)", [f"{int(patience * 1000)}ms"])
        session.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [TURN, what])
        yield


def connect() -> psycopg.Connection:
    """A session of one's own, for locks and LISTEN."""
    given: dict[str, Any] = settings.DATABASES["default"]
    options = {name: value for name, value in given["OPTIONS"].items() if name not in DJANGOS_OWN}
    return psycopg.connect(
        dbname=given["NAME"],
        user=given["USER"],
        password=given["PASSWORD"],
        host=given["HOST"],
        port=given["PORT"] or 5432,
        **options,
        autocommit=True,
        connect_timeout=5,
        application_name=f"presence {settings.PROCESS}",
    )


def _hold(own: int, held: threading.Event) -> None:
    """Take the lock, look every two seconds whether the session still lives, take it again when it does not."""
    pause = threading.Event()
    while True:
        try:
            with connect() as session:
                session.execute("SELECT pg_advisory_lock(%s, %s)", [CLASS, own])
                held.set()
                while not pause.wait(2):
                    session.execute("SELECT 1")
        except psycopg.Error as error:
            logger.warning("presence lost (%s); taking it again", type(error).__name__)
            pause.wait(0.5)
