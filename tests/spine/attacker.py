"""Somebody with SQL write as one of the product's roles, and a world whose rows they may try."""

import datetime as dt
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg
import pytest

from approvals.models import Action
from audit.leaf import Entry, build
from audit.models import Record
from console.core.actor import Actor
from console.core.clock import now, stamp
from console.core.ids import uuid7
from tests.services import services
from tests.spine.conftest import World
from tests.standins.fault_proxy import FaultProxy

APP, DOOR, TEST = "countersign_app", "countersign_door", "countersign_test"
REFUSED, UNRECORDED = "42501", "23514"  # insufficient_privilege; check_violation
FORGED = secrets.token_bytes(64)  # where an Ed25519 signature should be


class Attacker:
    """Knows every table and writes what a genuine row would hold; has none of the keys."""

    def __init__(self, database: str, role: str = APP) -> None:
        self.database, self.connection = database, services().role(role, database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def run(self, statement: str, *values: Any) -> int:
        return self.connection.execute(statement, values).rowcount

    def alter(self, statement: str, *values: Any) -> None:
        """At least one row must have changed: an attack that hits nothing shows nothing."""
        assert self.run(statement, *values) > 0, statement

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, values).fetchall()

    @contextmanager
    def together(self) -> Iterator[None]:
        with self.connection.transaction():
            yield

    @contextmanager
    def refused(self, sqlstate: str = REFUSED, says: str = "") -> Iterator[None]:
        with pytest.raises(psycopg.Error, match=says or None) as refusal:
            yield
        assert refusal.value.sqlstate == sqlstate, refusal.value

    def record(self, kind: str, subject: str, state: str = "", **detail: object) -> None:
        """A record like those that the console writes, byte for byte of the same form."""
        entry = Entry(kind, subject, Actor("human", "usr_forged", auth="session"), team="", state=state, detail=detail)
        identity = uuid7()
        leaf = build(entry, log="localhost", identity=identity, at=stamp(), writer=("forged", 1), commitments=[])
        self.run("INSERT INTO audit_waiting (id, log, leaf, kind, subject, state, actor_kind, actor) "
                 "VALUES (%s, 'localhost', %s, %s, %s, %s, 'human', 'usr_forged')",
                 identity, leaf, kind, subject, state)  # fmt: skip

    def insert(self, table: str, **values: Any) -> None:
        given = {name: json.dumps(v) if isinstance(v, dict) else v for name, v in values.items()}
        names, places = ", ".join(f'"{name}"' for name in given), ", ".join(["%s"] * len(given))
        self.run(f"INSERT INTO {table} ({names}) VALUES ({places})", *given.values())

    def permit(self, action: Action) -> None:
        """A permit for it, and its move to `permitted` with a record: all that the database itself demands."""
        with self.together():
            self.insert("approvals_permit", id=f"pmt_{secrets.token_hex(13)}", action_id=action.id,
                        action_digest=bytes(action.action_digest or b""), expires_at=now() + dt.timedelta(minutes=5),
                        request_digest=bytes(action.request_digest or b""))  # fmt: skip
            self.alter("UPDATE approvals_action SET state = 'permitted' WHERE id = %s", action.id)
            self.record("approvals:action:permitted", action.id, "permitted")


def owner(database: str) -> psycopg.Connection:
    """The role that owns the tables, as no process of the product ever is."""
    connection = services().superuser(database)
    connection.execute("SET ROLE countersign_owner")
    return connection


def writes(proxy: FaultProxy) -> list[tuple[str, str]]:
    return [(arrival.method, arrival.path) for arrival in proxy.requests if arrival.method != "GET"]


def alarms(subject: str) -> list[str]:
    """What the log says of tampering with this subject."""
    leaves = Record.objects.of(subject).filter(kind="console:alarm:tampered").values_list("leaf", flat=True)
    return [json.loads(bytes(leaf))["detail"]["what"] for leaf in leaves]


def ends_unsent(world: World, proxy: FaultProxy, action: Action) -> Action:
    """Drives everything as far as it goes; nothing was written to the other side. The action as it is then."""
    world.settle()
    assert writes(proxy) == []
    return Action.objects.get(pk=action.pk)
