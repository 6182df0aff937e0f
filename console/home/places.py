"""Where an installation that runs on its own keeps its files, and who can reach them."""

import contextlib
import fcntl
import hashlib
import os
import pwd
import secrets
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from console.home.children import OURSELVES, Account

SOCKET_PATH_LIMIT = 90  # of 104 bytes on macOS and 108 on Linux, less the longest name of a socket file


class Occupied(Exception):
    """Another process holds the place."""


def open_state(state: Path) -> Path:
    """The state directory, closed to others; root's can be passed through by PostgreSQL's user."""
    state = state.absolute()
    state.mkdir(parents=True, exist_ok=True)
    state = state.resolve()
    state.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return state


def private_directory(path: Path, account: Account = OURSELVES) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    if account.uid >= 0:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    return path


def private_file(path: Path, make: Callable[[], str]) -> str:
    """The file's text. A first call makes it, readable by its owner only and never seen half written."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(make())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    return path.read_text()


def replace_file(path: Path, text: str) -> None:
    """Another text in the same place, for the same owner, never seen half written."""
    before = path.stat()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.chmod(stat.S_IMODE(before.st_mode))
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(draft, before.st_uid, before.st_gid)
    draft.replace(path)


def occupy(path: Path) -> IO[bytes]:
    """Holds the file until it is closed or the process ends, however it ends."""
    # Closed to others, who could otherwise hold it and keep us from starting.
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Occupied(str(path)) from None
    return file


def server_account() -> Account:
    """PostgreSQL refuses to run as root, so root runs it as `nobody`."""
    if os.geteuid() != 0:
        return OURSELVES
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def spare_user(owned: Path) -> int:
    """A number that no account has: whose files are in `owned`, or the first that is free."""
    if owned.exists() and (owner := owned.stat().st_uid):
        return owner
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(number for number in range(64_100, 65_000) if number not in taken)


def passable(path: Path) -> bool:
    """Whether any user may pass through each directory above the path."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def server_directory(state: Path, account: Account) -> Path:
    """Where PostgreSQL keeps its own: `STATE/postgres`, or a place outside to which this name then points.

    A checkout in root's closed home is out of reach for `nobody`; opening that home would be worse.
    """
    inside = state / "postgres"
    if not inside.exists() and account.uid >= 0 and not passable(inside):
        inside.symlink_to(outside_directory(state))
    if not inside.is_symlink():
        inside.mkdir(mode=0o711, exist_ok=True)
    return inside.resolve()


def outside_directory(state: Path) -> Path:
    temporary = Path(tempfile.gettempdir()).resolve()
    base = temporary if state.is_relative_to(temporary) else Path("/var/lib/countersign")
    base.mkdir(mode=0o711, parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="countersign-", dir=base))
    directory.chmod(0o711)
    return directory


def socket_directory(wanted: Path, account: Account) -> Path:
    """A directory for a unix socket: where it was wanted, or under a short name, the same at each start."""
    if len(os.fsencode(wanted)) <= SOCKET_PATH_LIMIT:
        return private_directory(wanted, account)
    name = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    short = Path("/tmp", f"cs-{name}")  # noqa: S108 - checked below; $TMPDIR itself is often too long
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    # Anyone may make this name first; a directory that is not ours could lead to a false server.
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or found.st_uid not in {os.geteuid(), account.uid}:
        raise PermissionError(f"{short} belongs to somebody else; remove it, or choose a shorter state directory.")
    return private_directory(short, account)
