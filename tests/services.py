"""Real PostgreSQL and Valkey for the tests, started before Django reads its settings. Loaded by `-p tests.services`."""

import atexit
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg import sql

from console.home.cluster import SUPERUSER
from console.home.embedded import Postgres, Valkey, provision, start_postgres, start_valkey, watch_schema
from console.home.keys import make_keys
from console.home.processes import ROOT, environment
from examples.standins.launcher import free_port

TEMPLATE = "countersign_template"
ROLE = "countersign_test"  # app, door and sequencer, so that one process can play all parts
MEMORY = Path("/dev/shm")
ENOUGH = 4 * 2**30  # bytes; a container's is often too small for a server
ORIGIN = f"http://localhost:{free_port()}"  # of this process and of the web process that tests start


@dataclass
class Services:
    state: Path
    postgres: Postgres
    valkey: Valkey
    dropped: list[str] = field(default_factory=list)

    def superuser(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.postgres.url(SUPERUSER, database), autocommit=True)

    def role(self, role: str, database: str) -> psycopg.Connection:
        return psycopg.connect(self.postgres.url(role, database), autocommit=True)

    def broker(self, database: int = 0) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.valkey.socket), db=database)

    def clone(self, template: str = TEMPLATE) -> str:
        """A database of one's own, as migrated; tests that commit use it and throw it away."""
        name = f"cs_{secrets.token_hex(6)}"
        with self.superuser() as connection:
            self._drop(connection)
            copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER countersign_owner STRATEGY FILE_COPY")
            _once_it_is_alone(connection, copy.format(sql.Identifier(name), sql.Identifier(template)))
            connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                sql.Identifier(name), sql.Identifier(ROLE)))  # fmt: skip
        return name

    def drop(self, name: str) -> None:
        """With the next clone: by then its last session has ended, for which PostgreSQL waits in tenths of a second."""
        self.dropped.append(name)

    def _drop(self, connection: psycopg.Connection) -> None:
        for name in self.dropped:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        self.dropped.clear()


def _once_it_is_alone(connection: psycopg.Connection, copy: sql.Composed) -> None:
    """PostgreSQL waits five seconds for the template's last session; on a busy machine one takes longer to end."""
    for _ in range(5):
        with contextlib.suppress(psycopg.errors.ObjectInUse):
            connection.execute(copy)
            return
    connection.execute(copy)


running: Services | None = None


def services() -> Services:
    assert running is not None, "tests.services was not loaded; run pytest from the top folder"
    return running


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """A wrapper, because only these come before pytest-django, which imports the settings here."""
    if running is None and not only_hands_out(early_config):
        start()
    return (yield)


def only_hands_out(config: pytest.Config) -> bool:
    """With `-n`, this process runs no test: each of its workers has services of its own."""
    return bool(getattr(config.known_args_namespace, "numprocesses", 0)) and "PYTEST_XDIST_WORKER" not in os.environ


def start() -> None:
    global running  # noqa: PLW0603
    state = Path(tempfile.mkdtemp(prefix="cs-test-", dir=in_memory()))
    atexit.register(shutil.rmtree, state, ignore_errors=True)
    postgres = start_postgres(state, durable=False)
    atexit.register(postgres.stop)
    valkey = start_valkey(state)
    running = Services(state, postgres, valkey)
    atexit.register(lambda: services().valkey.stop())  # the one that runs then: tests kill it and start another
    make_keys(state)
    provision(postgres, TEMPLATE)
    _add_role(running)
    _migrate(running)
    watch_schema(postgres, TEMPLATE)
    database = running.clone()
    os.environ.update(_environment(running, database))


def in_memory() -> Path | None:
    """A place in memory, where there is room: most of what these tests cost on a disk is copies of databases."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH
    return MEMORY if roomy else None


def _add_role(running: Services) -> None:
    from console.home.embedded import role_password

    password = role_password(running.postgres.passwords, ROLE)
    with running.superuser() as connection:
        made = "CREATE ROLE {} LOGIN PASSWORD {} IN ROLE countersign_app, countersign_door, countersign_sequencer"
        connection.execute(sql.SQL(made).format(sql.Identifier(ROLE), sql.Literal(password)))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            sql.Identifier(TEMPLATE), sql.Identifier(ROLE)))  # fmt: skip


def _migrate(running: Services) -> None:
    env = environment(running.state, running.postgres, running.valkey, origin=ORIGIN, database=TEMPLATE,
                      process="migrate")  # fmt: skip
    subprocess.run([sys.executable, str(ROOT / "manage.py"), "migrate", "-v0"], env=env, check=True, cwd=ROOT)


def _environment(running: Services, database: str) -> dict[str, str]:
    ours = environment(
        running.state, running.postgres, running.valkey, origin=ORIGIN, database=database, process="command"
    )
    door = environment(
        running.state, running.postgres, running.valkey, origin=ORIGIN, database=database, process="door"
    )
    return {
        **{name: value for name, value in {**door, **ours}.items() if name.startswith("COUNTERSIGN_")},
        "COUNTERSIGN_DATABASE_URL": running.postgres.url(ROLE, database),
        "COUNTERSIGN_ALLOWED_NETWORKS": "127.0.0.0/8",
        "COUNTERSIGN_ALLOW_VIRTUAL_AUTHENTICATORS": "1",
    }
