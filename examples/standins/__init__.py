"""Stand-ins for outside services, written by other people and run as programs of their own."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).with_name("requirements.txt")
STAMP = "built-from"  # written last, so a build that was cut short is made again


def prepare(state: Path | None = None) -> Path:
    """Make the stand-ins' own environment if need be; answer its python.

    localstripe is GPL, so it is never installed beside the product: it is started as a program from here.
    The environment lies in the checkout, or under `state` where the checkout cannot be written to. It is made
    once per content of the lock; processes that ask at the same time wait for the first. Raises RuntimeError
    with the installer's last words.
    """
    home = CHECKOUT / ".venv-standins"
    if is_built(home):
        return python_of(home)
    if not os.access(CHECKOUT, os.W_OK):
        home = state_home(state)
    with only_one(home):
        if not is_built(home):
            build(home)
    return python_of(home)


def state_home(state: Path | None) -> Path:
    if state is None:
        raise RuntimeError("the checkout is read-only: name a place for the stand-ins (state=...)")
    state.mkdir(parents=True, exist_ok=True)
    return state.resolve() / "venv-standins"


def python_of(home: Path) -> Path:
    return home / "bin" / "python"


def stamp() -> str:
    """An environment fits one lock and one Python; either may change under a checkout that stays."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    return f"{sys.version_info.major}.{sys.version_info.minor} {digest}"


def is_built(home: Path) -> bool:
    try:
        # The interpreter is a link to a Python that may have been removed since.
        return (home / STAMP).read_text() == stamp() and python_of(home).exists()
    except FileNotFoundError:
        return False


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Held by the kernel, so it ends with the process. The lock file stays: removing it would let two in."""
    with home.with_name(home.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(home: Path) -> None:
    # In place rather than built aside and renamed: an environment cannot be moved.
    shutil.rmtree(home, ignore_errors=True)
    for command in installer(home):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the stand-ins could not be installed:\n{done.stderr[-2000:]}")
    (home / STAMP).write_text(stamp())


def installer(home: Path) -> list[list[str]]:
    python = str(python_of(home))
    if uv := shutil.which("uv"):
        return [
            [uv, "venv", "--quiet", "--python", sys.executable, str(home)],
            [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(LOCK)],
        ]
    return [
        [sys.executable, "-m", "venv", str(home)],
        [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)],
    ]
