"""Python environments beside the product's own, for programs that other people wrote: made once from a hashed lock."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
STAMP = "built-from"  # written last, so a build that was cut short is made again


@dataclass(frozen=True, slots=True)
class Environment:
    """`.venv-<name>` in the checkout, or `venv-<name>` elsewhere where the checkout cannot be written to. Once per
    content of the lock."""

    name: str
    lock: Path
    checkout: Path = CHECKOUT

    def prepare(self, state: Path | None = None) -> Path:
        """Make it if need be; answer its python. Processes that ask at the same time wait for the first. Raises
        RuntimeError with the installer's last words."""
        home = self.checkout / f".venv-{self.name}"
        if self.is_built(home):
            return python_of(home)
        if not os.access(self.checkout, os.W_OK):
            home = self._state_home(state)
        with only_one(home):
            if not self.is_built(home):
                self._build(home)
        return python_of(home)

    def _state_home(self, state: Path | None) -> Path:
        if state is None:
            raise RuntimeError(f"the checkout is read-only: name a place for the {self.name} (state=...)")
        state.mkdir(parents=True, exist_ok=True)
        return state.resolve() / f"venv-{self.name}"

    def is_built(self, home: Path) -> bool:
        try:
            # The interpreter is a link to a Python that may have been removed since.
            return (home / STAMP).read_text() == self._stamp() and python_of(home).exists()
        except FileNotFoundError:
            return False

    def _stamp(self) -> str:
        """An environment fits one lock and one Python; either may change under a checkout that stays."""
        digest = hashlib.sha256(self.lock.read_bytes()).hexdigest()
        return f"{sys.version_info.major}.{sys.version_info.minor} {digest}"

    def _build(self, home: Path) -> None:
        # In place rather than built aside and renamed: an environment cannot be moved.
        shutil.rmtree(home, ignore_errors=True)
        for command in installer(home, self.lock):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"the {self.name} could not be installed:\n{done.stderr[-2000:]}")
        (home / STAMP).write_text(self._stamp())


def python_of(home: Path) -> Path:
    return home / "bin" / "python"


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Held by the kernel, so it ends with the process. The lock file stays: removing it would let two in."""
    with home.with_name(home.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def installer(home: Path, lock: Path) -> list[list[str]]:
    python = str(python_of(home))
    if uv := shutil.which("uv"):
        return [
            [uv, "venv", "--quiet", "--python", sys.executable, str(home)],
            [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(lock)],
        ]
    return [
        [sys.executable, "-m", "venv", str(home)],
        [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)],
    ]
