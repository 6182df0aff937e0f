"""`manage.py up` as a person meets it: started, looked at, disturbed, stopped. Each start is a real one."""

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.home.children import command_line, wait_until
from console.home.readiness import free_port, health

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 120.0
PROGRAMS = {
    "web": "console.asgi",
    "worker": "worker@",
    "door": "manage.py door",
    "beat": "manage.py beat",
    "sequencer": "manage.py sequencer",
    "signer": "audit.signer",
    "publisher": "manage.py publisher",
}


class Up:
    """One `up` and what it has printed."""

    def __init__(self, state: Path, port: int, *, planted: str = "") -> None:
        self.state, self.port, self.lines = state, port, list[str]()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--state", str(state), "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "PLANTED": planted},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line.rstrip())

    def says(self, pattern: str) -> bool:
        return wait_until(
            lambda: any(re.search(pattern, line) for line in self.lines) or self.process.poll() is not None,
            patience=PATIENCE,
        ) and any(re.search(pattern, line) for line in self.lines)

    def is_ready(self) -> bool:
        return self.says(f"^ready http://localhost:{self.port}$")

    def child(self, name: str) -> int:
        return next(pid for pid in self.children() if PROGRAMS[name] in command_line(pid))

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def stop(self) -> int:
        """Its exit status; harmless when it has ended already."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def living(state: Path) -> list[str]:
    """Every process on the machine that was told of this state, or works in it."""
    return [command_line(pid) for pid in all_processes() if str(state).encode() in traces(pid)]


def all_processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def traces(pid: int) -> bytes:
    found = b""
    for name in ("cmdline", "environ"):
        with contextlib.suppress(OSError):
            found += Path(f"/proc/{pid}/{name}").read_bytes()
    with contextlib.suppress(OSError):
        found += os.fsencode(Path(f"/proc/{pid}/cwd").readlink())
    return found


def environ(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def refused(state: Path, port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "up", "--state", str(state), "--port", str(port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at children through /proc")


@pytest.fixture
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cs") as directory:
        yield Path(directory) / "state"


@pytest.fixture
def start(state: Path) -> Iterator[Callable[[], Up]]:
    """Starts `up` on the test's state, as often as the test wants; what still runs at its end is stopped."""
    started: list[Up] = []
    port = free_port()

    def start_up() -> Up:
        started.append(Up(state, port))
        return started[-1]

    yield start_up
    for running in started:
        running.stop()


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with tempfile.TemporaryDirectory(prefix="cs") as directory:
        running = Up(Path(directory) / "state", free_port(), planted="secret-of-the-shell")
        try:
            assert running.is_ready(), running.lines
            yield running
        finally:
            running.stop()


def test_up_is_ready_when_it_says_so(up: Up) -> None:
    assert set(health(up.port).values()) == {True}


def test_every_line_names_its_process_or_is_for_the_reader(up: Up) -> None:
    plain = [line for line in up.lines if not re.match(r"^[a-z_-]+ +\| ", line)]
    assert f"ready http://localhost:{up.port}" in plain
    assert not any("\x1b" in line for line in up.lines)


def test_keys_are_closed_to_others(up: Up) -> None:
    keys = up.state / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == dict.fromkeys(
        ("secret_key", "console_key", "console_public", "door_key", "door_public"), 0o600
    )


def test_no_process_is_told_of_both_private_keys(up: Up) -> None:
    told = {name: environ(up.child(name)) for name in PROGRAMS}
    private = ("COUNTERSIGN_CONSOLE_KEY_FILE", "COUNTERSIGN_DOOR_KEY_FILE")
    assert {name: [key for key in private if key in env] for name, env in told.items()} == {
        "web": ["COUNTERSIGN_CONSOLE_KEY_FILE"],
        "worker": ["COUNTERSIGN_CONSOLE_KEY_FILE"],
        "beat": [],
        "door": ["COUNTERSIGN_DOOR_KEY_FILE"],
        "sequencer": [],
        "signer": [],
        "publisher": [],
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give another user")
def test_the_signers_key_is_readable_by_its_own_user_only(up: Up) -> None:
    status = Path(f"/proc/{up.child('signer')}/status").read_text()
    user = int(re.search(r"^Uid:\t(\d+)", status, re.MULTILINE)[1])  # type: ignore[index]
    keys = (up.state / "signer" / "keys").stat()
    assert user != 0
    assert (keys.st_uid, stat.S_IMODE(keys.st_mode)) == (user, 0o600)


def test_each_process_has_its_own_database_role(up: Up) -> None:
    urls = {name: environ(up.child(name)).get("COUNTERSIGN_DATABASE_URL", "//none:") for name in PROGRAMS}
    assert {name: url.split("//")[1].split(":")[0] for name, url in urls.items()} == {
        "web": "countersign_app",
        "worker": "countersign_app",
        "beat": "countersign_app",
        "door": "countersign_door",
        "sequencer": "countersign_sequencer",
        "signer": "none",
        "publisher": "countersign_app",
    }


def test_the_shells_secrets_do_not_reach_the_children(up: Up) -> None:
    assert not any("secret-of-the-shell" in value for pid in up.children() for value in environ(pid).values())


def test_a_second_up_on_the_same_state_is_refused_in_a_sentence(up: Up) -> None:
    second = refused(up.state, free_port())
    assert second.returncode == 1
    assert second.stdout + second.stderr == (
        f"Another `up` is running on {up.state}: stop it, or give another with --state.\n"
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_busy_port_is_refused_in_a_sentence(state: Path, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        refusal = refused(state, port)
    assert refusal.returncode == 1
    assert refusal.stdout + refusal.stderr == (
        f"Port {port} is in use by another program: stop that, or choose another with --port.\n"
    )


def test_another_port_than_that_of_the_first_start_is_refused_in_a_sentence(state: Path) -> None:
    state.mkdir()
    (state / "port").write_text("4242")
    refusal = refused(state, free_port())
    assert refusal.returncode == 1
    assert refusal.stdout + refusal.stderr == (
        f"What is in {state} belongs to http://localhost:4242, its log and passkeys too:"
        " leave --port out, or give another directory with --state.\n"
    )


@pytest.mark.parametrize("name", ["beat", "worker", "web"])
def test_a_child_that_dies_is_started_again(up: Up, name: str) -> None:
    before = up.child(name)
    os.kill(before, signal.SIGKILL)
    assert up.says(rf"^up +\| {name} ended \(signal 9\); starting it again in 0\.\d s$")
    assert wait_until(lambda: any(PROGRAMS[name] in command_line(pid) for pid in up.children()), patience=10)
    assert up.child(name) != before


@pytest.mark.long
def test_the_product_survives_the_death_of_its_database(start: Callable[[], Up]) -> None:
    up = start()
    assert up.is_ready(), up.lines
    postgres = next(pid for pid in up.children() if " -D " in command_line(pid))
    os.kill(postgres, signal.SIGKILL)
    assert up.says(r"^up +\| postgres ended \(signal 9\)")
    assert wait_until(lambda: all(health(up.port).values()), patience=30)
    assert up.stop() == 0


@pytest.mark.long
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_up_stops_cleanly_and_starts_again(start: Callable[[], Up], asked: signal.Signals) -> None:
    for _ in range(2):
        up = start()
        assert up.is_ready(), up.lines
        up.process.send_signal(asked)
        assert up.process.wait(60) == 0
        assert living(up.state) == []


@pytest.mark.long
def test_up_can_be_stopped_while_it_starts(start: Callable[[], Up]) -> None:
    up = start()
    assert up.says("starting")
    time.sleep(1)
    assert up.stop() == 0
    assert living(up.state) == []


@pytest.mark.long
def test_sigkill_leaves_nothing_behind_and_the_next_start_recovers(start: Callable[[], Up]) -> None:
    first = start()
    assert first.is_ready(), first.lines
    assert len(living(first.state)) > len(PROGRAMS)
    first.process.kill()
    first.process.wait()
    assert wait_until(lambda: not living(first.state), patience=5), living(first.state)
    second = start()
    assert second.is_ready(), second.lines
    assert second.stop() == 0
