"""Child processes that end with the process that started them.

On Linux the kernel does it, even when that process is killed with SIGKILL. The kernel watches the parent
*thread*: spawn from a thread that lives as long as the process. macOS has no such call: a child outlives
a killed parent, and the next start ends what it finds noted in `Roster`.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True)
class Account:
    """A user and group of the operating system; -1 is "whoever we are"."""

    uid: int = -1
    gid: int = -1


OURSELVES = Account()


@dataclass(frozen=True)
class Program:
    """A running child and how it is asked to end."""

    process: subprocess.Popen[bytes]
    patience: float = 10

    def stop(self) -> None:
        end(self.process, signal.SIGTERM, self.patience)


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: int | IO[bytes],
    account: Account = OURSELVES,
    death_signal: signal.Signals = signal.SIGKILL,
    errors: int | IO[bytes] = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    """In a session of its own, so that a Ctrl-C in the terminal reaches us only and we decide the order."""
    return subprocess.Popen(
        [*leash(death_signal, account), *command],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        start_new_session=True,
    )


def leash(death_signal: signal.Signals, account: Account) -> list[str]:
    numbers = (death_signal.value, os.getpid(), account.uid, account.gid)
    return [sys.executable, "-I", "-S", str(LEASH), *map(str, numbers)]


def end(process: subprocess.Popen[bytes], asked: signal.Signals, patience: float) -> None:
    """Ask, wait, and kill what does not listen. Harmless for a process that has already ended."""
    process.send_signal(asked)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(holds: Callable[[], bool], *, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def command_line(pid: int) -> str:
    """What the process was started with; empty when it is gone or a zombie."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip()


class Roster:
    """A file that names the running children, for the next start to end those that were left behind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.children: dict[str, str] = {}

    def note(self, pid: int, command: Sequence[str]) -> None:
        # The interpreter's own path is left out: a framework build replaces it when it starts.
        self.children[str(pid)] = " ".join(command[1:])
        self.path.write_text(json.dumps(self.children))

    def end_leftovers(self) -> None:
        """A number that another program has by now shows another command line, and is left alone."""
        for pid, command in self.read().items():
            if command_line(int(pid)).endswith(command):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        self.path.unlink(missing_ok=True)

    def read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self.path.read_text()))
        except (OSError, ValueError):
            return {}
