"""The embedded servers, really started: on sockets only, with passwords, back again after the worst end."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from console.home.children import OURSELVES, Roster, command_line, spawn, wait_until
from console.home.cluster import SUPERUSER
from console.home.embedded import Postgres, provision, start_postgres, start_valkey
from console.home.places import Occupied, passable, private_file, server_account, server_directory
from console.home.provision import role_url

DATABASE = "countersign"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to be")


@pytest.fixture
def state() -> Iterator[Path]:
    """Straight below the temporary directory: PostgreSQL's user cannot pass through pytest's own."""
    with tempfile.TemporaryDirectory(prefix="cs") as directory:
        yield Path(directory) / "state"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="cs") as directory:
        server = start_postgres(Path(directory), durable=False)
        provision(server, DATABASE)
        yield server
        server.stop()


def connect(postgres: Postgres, role: str, database: str = DATABASE) -> psycopg.Connection:
    return psycopg.connect(postgres.url(role, database), autocommit=True)


def test_provisioning_twice_changes_nothing(postgres: Postgres) -> None:
    before = roles(postgres)
    provision(postgres, DATABASE)
    assert roles(postgres) == before
    assert before == [
        ("countersign_app", True, False, False),
        ("countersign_door", True, False, False),
        ("countersign_migrator", True, False, False),
        ("countersign_owner", False, False, False),
        ("countersign_sequencer", True, False, False),
    ]


def roles(postgres: Postgres) -> list[tuple[object, ...]]:
    with connect(postgres, SUPERUSER) as connection:
        return connection.execute(
            "SELECT rolname, rolcanlogin, rolsuper, rolcreatedb FROM pg_roles"
            " WHERE rolname LIKE 'countersign%%' AND rolname <> %s ORDER BY 1",
            [SUPERUSER],
        ).fetchall()


def test_what_the_migrator_makes_belongs_to_the_owner(postgres: Postgres) -> None:
    with connect(postgres, "countersign_migrator") as connection:
        connection.execute("CREATE TABLE owned (id bigserial)")
        owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'owned'").fetchone()
    assert owner == ("countersign_owner",)


def test_the_app_writes_rows_but_makes_no_tables(postgres: Postgres) -> None:
    with connect(postgres, "countersign_migrator") as connection:
        connection.execute("CREATE TABLE written (id bigserial)")
    with connect(postgres, "countersign_app") as connection:
        connection.execute("INSERT INTO written DEFAULT VALUES")
        for statement in ("CREATE TABLE own (id int)", "TRUNCATE written", "DROP TABLE written"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_the_sequencer_only_reads_until_a_migration_gives_it_more(postgres: Postgres) -> None:
    with connect(postgres, "countersign_migrator") as connection:
        connection.execute("CREATE TABLE seen (id bigserial)")
    with connect(postgres, "countersign_sequencer") as connection:
        assert connection.execute("SELECT * FROM seen").fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO seen DEFAULT VALUES")


def test_a_wrong_password_is_refused(postgres: Postgres) -> None:
    url = postgres.url("countersign_app", DATABASE).replace("app:", "app:x")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_nothing_listens_on_the_network(postgres: Postgres) -> None:
    with connect(postgres, SUPERUSER) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_passwords_and_sockets_are_closed_to_others(postgres: Postgres) -> None:
    directories = [postgres.passwords, postgres.sockets]
    files = list(postgres.passwords.iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in directories} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_state_in_use_is_refused(postgres: Postgres) -> None:
    with pytest.raises(Occupied):
        start_postgres(postgres.passwords.parent)


def test_rows_survive_a_clean_restart(state: Path) -> None:
    first = start_postgres(state)
    keep_a_row(first)
    first.stop()
    second = start_postgres(state)
    assert kept_rows(second) == 1
    second.stop()


@pytest.mark.parametrize("left", ["a dead number", "the number of a stranger", "nonsense"])
def test_a_lock_file_left_behind_does_not_prevent_a_start(state: Path, left: str) -> None:
    first = start_postgres(state)
    keep_a_row(first)
    first.process.kill()
    first.stop()
    lock = state / "postgres" / "data" / "postmaster.pid"
    with stranger() as pid:
        number = {"a dead number": first.pid, "the number of a stranger": pid}.get(left, "x")
        lock.write_text("\n".join([str(number), *lock.read_text().splitlines()[1:]]))
        second = start_postgres(state)
    assert kept_rows(second) == 1
    second.stop()


def test_a_server_that_outlived_its_console_is_replaced(state: Path) -> None:
    """As on systems where a child does not die with its parent: the hold is gone, the server is not."""
    first = start_postgres(state)
    keep_a_row(first)
    first.hold.close()
    second = start_postgres(state)
    assert first.process.wait(10) is not None
    assert kept_rows(second) == 1
    second.stop()


def keep_a_row(postgres: Postgres) -> None:
    with connect(postgres, SUPERUSER, "postgres") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")


def kept_rows(postgres: Postgres) -> int:
    with connect(postgres, SUPERUSER, "postgres") as connection:
        return len(connection.execute("SELECT * FROM kept").fetchall())


class stranger:
    """A process of PostgreSQL's user that has nothing to do with PostgreSQL."""

    def __enter__(self) -> int:
        self.process = spawn(
            ["sleep", "60"],
            env=dict(os.environ),
            cwd=Path("/"),
            output=subprocess.DEVNULL,
            account=server_account(),
        )
        wait_until(lambda: command_line(self.process.pid) == "sleep 60", patience=5)
        return self.process.pid

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def test_a_long_state_path_gets_a_short_socket(state: Path) -> None:
    postgres = start_postgres(state / ("long-" * 20), durable=False)
    valkey = start_valkey(state / ("long-" * 20))
    assert len(str(postgres.sockets)) < 60
    assert stat.S_IMODE(postgres.sockets.stat().st_mode) == 0o700
    assert len(str(valkey.socket)) < 60
    valkey.stop()
    postgres.stop()
    postgres.sockets.rmdir()
    valkey.socket.parent.rmdir()


@AS_ROOT
def test_roots_closed_home_stays_closed(state: Path) -> None:
    home = state
    home.mkdir(mode=0o700)
    inside = home / ".countersign"
    postgres = start_postgres(inside, durable=False)
    outside = (inside / "postgres").resolve()
    postgres.stop()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert passable(outside)
    assert not outside.is_relative_to(home)
    assert server_directory(inside, server_account()) == outside
    subprocess.run(["rm", "-r", str(outside)], check=True)


def test_valkey_answers_and_ends(state: Path) -> None:
    valkey = start_valkey(state)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(valkey.socket))
        connection.sendall(b"SET a 1\r\n")
        assert connection.recv(16) == b"+OK\r\n"
    valkey.stop()
    assert valkey.process.returncode == 0
    assert valkey.broker_url == f"redis+socket://{valkey.socket}?virtual_host=0"
    assert valkey.channel_url == f"unix://{valkey.socket}?db=1"


PARENT = """
import subprocess, sys, time
from pathlib import Path
from console.home.embedded import start_postgres, start_valkey
postgres, valkey = start_postgres(Path(sys.argv[1])), start_valkey(Path(sys.argv[1]))
print(postgres.pid, valkey.process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
def test_the_servers_do_not_outlive_a_killed_parent(state: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(state)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    parent.communicate()
    assert wait_until(lambda: not any(map(command_line, pids)), patience=5)
    again = start_postgres(state)
    again.stop()


def test_leftover_children_are_ended_but_not_strangers(tmp_path: Path) -> None:
    ours = spawn(["sleep", "61"], env={}, cwd=tmp_path, output=subprocess.DEVNULL, account=OURSELVES)
    theirs = spawn(["sleep", "62"], env={}, cwd=tmp_path, output=subprocess.DEVNULL, account=OURSELVES)
    roster = Roster(tmp_path / "children.json")
    roster.note(ours.pid, ["sleep", "61"])
    roster.note(theirs.pid, ["sleep", "63"])
    wait_until(lambda: command_line(ours.pid) == "sleep 61", patience=5)
    Roster(tmp_path / "children.json").end_leftovers()
    assert ours.wait(5) == -signal.SIGKILL
    assert theirs.poll() is None
    theirs.kill()
    theirs.wait()


def test_a_private_file_is_made_once_and_closed(tmp_path: Path) -> None:
    assert private_file(tmp_path / "key", lambda: "one") == "one"
    assert private_file(tmp_path / "key", lambda: "two") == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("superuser", "expected"),
    [
        (
            "postgresql://root:pw@db.example:5433/postgres?sslmode=require",
            "db.example:5433/cs?sslmode=require",
        ),
        ("postgresql://root@/postgres?host=/run/pg&user=x", "/cs?host=/run/pg"),
    ],
)
def test_a_role_is_addressed_at_the_superusers_server(superuser: str, expected: str) -> None:
    assert role_url(superuser, "app", "p/w", "cs") == f"postgresql://app:p%2Fw@{expected}"
