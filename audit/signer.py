"""The signer: a process of its own that signs checkpoints, and only such as continue the last one it has signed.

    python3 -m audit.signer serve --log HOST:PORT --state DIRECTORY --socket PATH [--user UID]
    python3 -m audit.signer init --state DIRECTORY --origin ORIGIN
    python3 -m audit.signer rotate --state DIRECTORY --origin ORIGIN [--ml-dsa]
    python3 -m audit.signer retire --state DIRECTORY --origin ORIGIN KEY-ID

It keeps its keys and the last tree of each origin in files of its own and never speaks to the database, so that whoever
rewrites the database meets a memory that they cannot rewrite. It knows nothing of Django.

One request for each connection, ended by closing one's half; one answer. Requests are `tree ORIGIN`, `keys ORIGIN`,
and `sign` followed by what a witness gets too (c2sp.org/tlog-witness): `old SIZE`, the lines of a consistency proof,
an empty line, and the unsigned checkpoint. The first checkpoint of `<log>/<n+1>` carries `opens BASE64` before these:
its leaf 0, which must name the tree that this signer knows as the last of `<log>/<n>`.
"""

import argparse
import base64
import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from audit.note import ED25519, ML_DSA_44, SigningKey, checkpoint_body, sign_note
from audit.verify import Mismatch, check_consistency, check_people, lacking, leaf_hash
from audit.vocabulary import Kind

LARGEST_REQUEST = 512 * 1024
PATIENCE = 10.0  # seconds for one request
TREES, KEYS = "trees", "keys"


class Refused(Exception):
    """Says why nothing is signed."""


class Tree(NamedTuple):
    size: int
    root: bytes
    note: str


class Store:
    """Files in one directory, reached through its descriptor: after the change of user the way to it may be closed."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)

    def give_to(self, user: int) -> None:
        os.fchown(self.place, user, user)
        for name in os.listdir(self.place):  # noqa: PTH208  (a descriptor is no path)
            os.chown(name, user, user, dir_fd=self.place)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One writer at a time: the running signer, or a command beside it."""
        lock = os.open("lock", os.O_RDWR | os.O_CREAT, 0o600, dir_fd=self.place)
        try:
            os.fchown(lock, *self._owner())
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def read(self, name: str) -> str:
        try:
            with open(name, opener=self._open) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def write(self, name: str, text: str) -> None:
        """On the disk when it returns, whole or not at all."""
        draft = f".{name}.draft"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=self.place)
        with open(draft, "x", opener=self._open) as file:
            os.fchown(file.fileno(), *self._owner())
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, name, src_dir_fd=self.place, dst_dir_fd=self.place)
        os.fsync(self.place)

    def _owner(self) -> tuple[int, int]:
        """A command that root gives beside the running signer leaves the files to the signer's user."""
        place = os.fstat(self.place)
        return place.st_uid, place.st_gid

    def _open(self, path: str, flags: int) -> int:
        return os.open(path, flags, 0o600, dir_fd=self.place)

    def all_keys(self) -> list[SigningKey]:
        return [SigningKey.parse(line) for line in self.read(KEYS).splitlines()]

    def keys_of(self, origin: str) -> list[SigningKey]:
        return [key for key in self.all_keys() if key.name == origin]

    def keys_for(self, origin: str) -> list[SigningKey]:
        """The first time, one is made."""
        keys = self.keys_of(origin)
        if not keys:
            keys = [SigningKey.generate(origin)]
            self.save_keys([*self.all_keys(), *keys])
        return keys

    def save_keys(self, keys: list[SigningKey]) -> None:
        self.write(KEYS, "".join(key.text for key in keys))

    def trees(self) -> dict[str, Tree]:
        held: dict[str, Any] = json.loads(self.read(TREES) or "{}")
        return {origin: Tree(one["size"], bytes.fromhex(one["root"]), one["note"]) for origin, one in held.items()}

    def save_tree(self, origin: str, tree: Tree) -> None:
        held = {name: {"size": one.size, "root": one.root.hex(), "note": one.note}
                for name, one in {**self.trees(), origin: tree}.items()}  # fmt: skip
        self.write(TREES, json.dumps(held))


class Signer:
    def __init__(self, store: Store, log: str) -> None:
        self.store, self.log = store, log

    def answer(self, request: str) -> str:
        """Raises Refused, and ValueError for what is no request."""
        order, _, rest = request.partition("\n")
        word, _, origin = order.partition(" ")
        with self.store.alone():
            if word == "tree":
                tree = self.store.trees().get(origin)
                return tree.note if tree else "none\n"
            if word == "keys":
                return "".join(f"{key.vkey}\n" for key in self.store.keys_of(self._own(origin)))
            if order == "sign":
                return self._sign(rest)
        raise ValueError(f"Unknown request {order[:40]!r}")

    def _own(self, origin: str) -> str:
        log, _, number = origin.rpartition("/")
        if log != self.log or not number.isascii() or not number.isdigit() or number.startswith("0"):
            raise Refused(f"This signer signs for {self.log}/1 and what follows it, not for {origin}.")
        return origin

    def _sign(self, request: str) -> str:
        head, separator, body = request.partition("\n\n")
        if not separator:
            raise ValueError("No checkpoint follows the proof")
        lines = head.split("\n")
        opening = lines.pop(0).removeprefix("opens ") if lines[0].startswith("opens ") else ""
        old, proof = read_old(lines[0]), [base64.b64decode(line, validate=True) for line in lines[1:]]
        origin, size, root = read_body(body)
        known = self.store.trees().get(self._own(origin))
        if known and (size, root) == known[:2]:
            return known.note  # the answer was lost; the same tree gets the same note
        if known is None:
            self._check_beginning(origin, size, root, opening)
        self._check_newest(origin)
        before = known or Tree(0, b"", "")
        if old != before.size:
            raise Refused(f"The last tree of {origin} that was signed has {before.size} leaves, not {old}.")
        if known:
            self._check_continues(origin, known, size, root, proof)
        note = sign_note(body, self.store.keys_for(origin))
        self.store.save_tree(origin, Tree(size, root, note))
        return note

    def _check_beginning(self, origin: str, size: int, root: bytes, opening: str) -> None:
        """A first tree of all, or one after a restore, which says in its only leaf from where it goes on, and which two
        people have signed. Whether their passkeys were enrolled stands in the log, and not here."""
        number = int(origin.rpartition("/")[2])
        if number == 1 and not self.store.trees():
            return
        last = self.store.trees().get(before := f"{self.log}/{number - 1}")
        if last is None:
            raise Refused(f"{origin} cannot begin: {before} was never signed.")
        leaf = base64.b64decode(opening)
        if size != 1 or root != leaf_hash(leaf):
            raise Refused(f"{origin} has to begin with one leaf, which names the end of {before}.")
        said = json.loads(leaf)
        named = said["detail"]
        if said["action"] != Kind.LOG_RESTORED or \
                (named["before"], named["size"], named["root"]) != (before, last.size, last.root.hex()):  # fmt: skip
            raise Refused(f"The first leaf of {origin} does not name the last signed tree of {before}.")
        try:
            with lacking():
                check_people(named, origin)
        except Mismatch as fault:
            raise Refused(f"The first leaf of {origin} is not signed by two people: {fault}") from fault

    def _check_newest(self, origin: str) -> None:
        number = int(origin.rpartition("/")[2])
        if f"{self.log}/{number + 1}" in self.store.trees():
            raise Refused(f"{origin} was closed by a restore.")

    def _check_continues(self, origin: str, known: Tree, size: int, root: bytes, proof: list[bytes]) -> None:
        try:
            check_consistency(known.size, size, known.root, root, proof)
        except Mismatch as fault:
            raise Refused(f"This tree of {origin} does not continue the last signed one: {fault}") from fault


def read_old(line: str) -> int:
    word, _, number = line.partition(" ")
    if word != "old" or not number.isascii() or not number.isdigit():
        raise ValueError("The proof does not begin with `old SIZE`")
    return int(number)


def read_body(body: str) -> tuple[str, int, bytes]:
    """Exactly as it will be signed: what is written otherwise would have a second form of the same tree."""
    origin, size, root, *rest = body.split("\n")
    tree = int(size), base64.b64decode(root, validate=True)
    if rest != [""] or checkpoint_body(origin, *tree) != body or len(tree[1]) != 32:
        raise ValueError("This is not a checkpoint of three lines")
    return origin, *tree


def serve(store: Store, log: str, path: Path, user: int | None) -> None:
    """Until SIGTERM or SIGINT."""
    listener = listen(path)
    if user is not None:
        store.give_to(user)
        become(user)
    signer = Signer(store, log)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: sys.exit(0))
    print(f"signing for {log}", flush=True)  # noqa: T201  (who started it waits for this line)
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(PATIENCE)
            connection.sendall(reply(signer.answer, connection).encode())


def reply(answer: Callable[[str], str], connection: socket.socket) -> str:
    try:
        return "ok\n" + answer(receive(connection).decode())
    except Refused as refusal:
        return f"refused\n{refusal}\n"
    except (ValueError, KeyError, TypeError) as fault:
        return f"invalid\n{fault}\n"
    except OSError as fault:  # a full disk: nothing was signed
        return f"failed\n{fault.strerror}\n"


def receive(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    while part := connection.recv(65536):
        parts.append(part)
        if sum(map(len, parts)) > LARGEST_REQUEST:
            raise ValueError("The request is too large")
    return b"".join(parts)


def listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(16)
    return listener


def become(user: int) -> None:
    """What this user may not reach is open by now. The kernel has forgotten to end us with our parent: say it again."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def init(store: Store, origin: str) -> list[str]:
    """Verifier keys before the first checkpoint, for auditors and witnesses."""
    with store.alone():
        return [key.vkey for key in store.keys_for(origin)]


def rotate(store: Store, origin: str, kind: int) -> str:
    """From now on checkpoints carry one line more. The verifier key is told to auditors before the old one retires."""
    with store.alone():
        key = SigningKey.generate(origin, kind)
        store.save_keys([*store.all_keys(), key])
    return key.vkey


def retire(store: Store, origin: str, identity: str) -> str:
    with store.alone():
        left = [key for key in store.all_keys() if (key.name, key.id.hex()) != (origin, identity)]
        if not any(key.name == origin and key.kind == ED25519 for key in left):
            raise Refused("The last Ed25519 key cannot retire: add its successor first.")
        store.save_keys(left)
    return identity


def main(arguments: list[str]) -> None:
    asked = read(arguments)
    store = Store(asked.state)
    try:
        if asked.command == "serve":
            serve(store, asked.log, asked.socket, asked.user)
        elif asked.command == "init":
            print(*init(store, asked.origin), sep="\n")  # noqa: T201
        elif asked.command == "rotate":
            print(rotate(store, asked.origin, ML_DSA_44 if asked.ml_dsa else ED25519))  # noqa: T201
        else:
            retire(store, asked.origin, asked.key)
    except Refused as refusal:
        sys.exit(str(refusal))


def read(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m audit.signer", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve")
    serving.add_argument("--log", required=True)
    serving.add_argument("--socket", type=Path, required=True)
    serving.add_argument("--user", type=int)
    beginning = commands.add_parser("init")
    rotating = commands.add_parser("rotate")
    rotating.add_argument("--ml-dsa", action="store_true")
    retiring = commands.add_parser("retire")
    retiring.add_argument("key")
    for one in (serving, beginning, rotating, retiring):
        one.add_argument("--state", type=Path, required=True)
    for one in (beginning, rotating, retiring):
        one.add_argument("--origin", required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
