#!/usr/bin/env python3
"""A witness: remembers the last checkpoint of each log it watches, and cosigns only what continues it.

    python3 witness.py init --name witness.example/w1 --state DIRECTORY [--ml-dsa]
    python3 witness.py add-log --state DIRECTORY VKEY [--origin ORIGIN]
    python3 witness.py serve --state DIRECTORY --listen HOST:PORT [--log VKEY …]
    python3 witness.py show --state DIRECTORY

An auditor runs it, on a machine that the operators of the log have no say over. It is one file and needs nothing but
Python 3.11 and `cryptography`. On purpose it shares no code with the log that it watches: what is wrong there must not
be wrong here in the same way.

It speaks c2sp.org/tlog-witness, so it can watch other logs too. A log that it has not seen yet may begin at any size.
Its memory is one table. Never put an old copy of it back: a witness that forgot must begin anew, under a new key.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import re
import secrets
import signal
import socket
import sqlite3
import struct
import sys
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:  # an older cryptography: Ed25519 alone
    mldsa = None  # type: ignore[assignment]

ED25519, COSIGNATURE, ML_DSA_44 = 0x01, 0x04, 0x06  # c2sp.org/signed-note, signature types
LARGEST_BODY = 512 * 1024
MOST_PROOF_LINES = 63
MOST_SIGNATURES = 100
MOST_CONNECTIONS = 128
PATIENCE = 20.0  # seconds within which a request, whole, has to follow the last answer
EMPTY = sha256().digest()
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+=*)")
PLAIN = "text/plain; charset=utf-8"
COMMANDS = {
    "init": "make key and memory; prints the verifier keys of the witness",
    "add-log": "watch a log, or accept one more key of it",
    "remove-key": "accept a key of a log no more; what is remembered of the log stays",
    "serve": "answer logs",
    "show": "tell keys and what is remembered",
}
log = logging.getLogger("witness")


class Refusal(Exception):
    """An answer that is no cosignature."""

    def __init__(self, status: int, text: str, kind: str = PLAIN) -> None:
        super().__init__(text)
        self.status, self.kind = status, kind


class Checkpoint(NamedTuple):
    text: str
    origin: str
    size: int
    root: bytes
    signatures: list[tuple[str, bytes, bytes, str]]  # name and id of the key, signature, line

    @classmethod
    def parse(cls, note: str) -> Checkpoint:
        """c2sp.org/signed-note and c2sp.org/tlog-checkpoint. Raises ValueError."""
        text, separator, signatures = note.rpartition("\n\n")
        lines = text.split("\n")
        if not separator or CONTROL.search(note) or len(lines) < 3 or not all(lines):
            raise ValueError("This is not a checkpoint: origin, size, root, an empty line, signatures.")
        root = unbase64(lines[2])
        if len(root) != 32:
            raise ValueError("The root is not a SHA-256 hash.")
        return cls(text + "\n", lines[0], number(lines[1]), root, read_signatures(signatures))


class Request(NamedTuple):
    old: int
    proof: list[bytes]
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: bytes) -> Request:
        """The body of add-checkpoint. Raises ValueError."""
        head, separator, note = body.decode().partition("\n\n")
        first, *proof = head.split("\n")
        if not separator or not first.startswith("old "):
            raise ValueError("The body is not: old SIZE, lines of a proof, an empty line, a checkpoint.")
        if len(proof) > MOST_PROOF_LINES:
            raise ValueError(f"A consistency proof has at most {MOST_PROOF_LINES} lines.")
        hashes = [unbase64(line) for line in proof]
        if any(len(one) != 32 for one in hashes):
            raise ValueError("A line of the proof is not a SHA-256 hash.")
        return cls(number(first.removeprefix("old ")), hashes, Checkpoint.parse(note))


def read_signatures(text: str) -> list[tuple[str, bytes, bytes, str]]:
    *lines, rest = text.split("\n")
    if rest or not 1 <= len(lines) <= MOST_SIGNATURES:
        raise ValueError(f"A note ends with 1 to {MOST_SIGNATURES} lines of signatures.")
    found = []
    for line in lines:
        match = SIGNATURE.fullmatch(line)
        if match is None or len(signature := unbase64(match[2])) < 5:
            raise ValueError(f"This is not a signature line: {line[:80]!r}")
        found.append((match[1], signature[:4], signature[4:], line + "\n"))
    return found


def unbase64(text: str) -> bytes:
    """In its one canonical form."""
    data = b64decode(text, validate=True)
    if b64encode(data).decode() != text:
        raise ValueError("This is not canonical base64.")
    return data


def number(text: str) -> int:
    if not NUMBER.fullmatch(text) or int(text) >= 2**63:
        raise ValueError(f"This is not a size: {text[:80]!r}")
    return int(text)


class Key(NamedTuple):
    """The public half; `vkey` is its text form."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> Key:
        """Raises ValueError."""
        name, _, rest = vkey.strip().partition("+")
        identity, _, encoded = rest.partition("+")
        material = unbase64(encoded) or b"\0"
        key = cls(check_name(name), material[0], material[1:])
        if (key.kind, len(key.public)) not in {(ED25519, 32), (COSIGNATURE, 32), (ML_DSA_44, 1312)}:
            raise ValueError("This is not a verifier key of a kind that is known here: Ed25519 or ML-DSA-44.")
        if key.kind == ML_DSA_44 and mldsa is None:
            raise ValueError("ML-DSA-44 needs a newer `cryptography`.")
        if key.id.hex() != identity:
            raise ValueError("This verifier key is damaged: its id does not fit.")
        return key

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes([self.kind]) + self.public).decode()}"

    def check(self, signature: bytes, checkpoint: Checkpoint) -> None:
        """Raises InvalidSignature."""
        message = checkpoint.text.encode()
        if self.kind != ED25519:
            if len(signature) < 8:
                raise InvalidSignature
            message = statement(self, struct.unpack(">Q", signature[:8])[0], checkpoint)
            signature = signature[8:]
        if self.kind == ML_DSA_44:
            mldsa.MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, message)
        else:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)


class Signer(NamedTuple):
    key: Key
    private: Ed25519PrivateKey | mldsa.MLDSA44PrivateKey

    @classmethod
    def of(cls, name: str, kind: int, seed: bytes) -> Signer:
        make = Ed25519PrivateKey.from_private_bytes if kind == COSIGNATURE else mldsa.MLDSA44PrivateKey.from_seed_bytes
        private = make(seed)
        return cls(Key(name, kind, private.public_key().public_bytes_raw()), private)

    @classmethod
    def parse(cls, line: str) -> Signer:
        """`PRIVATE+KEY+<name>+<id>+<base64>`"""
        *_, name, identity, encoded = line.split("+", 4)
        material = unbase64(encoded)
        signer = cls.of(name, material[0], material[1:])
        if signer.key.id.hex() != identity:
            raise ValueError("The key file is damaged.")
        return signer

    @property
    def text(self) -> str:
        seed = self.private.private_bytes_raw()
        return f"PRIVATE+KEY+{self.key.name}+{self.key.id.hex()}+{b64encode(bytes([self.key.kind]) + seed).decode()}\n"

    def cosign(self, moment: int, checkpoint: Checkpoint) -> str:
        signature = self.private.sign(statement(self.key, moment, checkpoint))
        return f"— {self.key.name} {b64encode(self.key.id + struct.pack('>Q', moment) + signature).decode()}\n"


def statement(key: Key, moment: int, checkpoint: Checkpoint) -> bytes:
    """c2sp.org/tlog-cosignature: what is signed."""
    if key.kind == COSIGNATURE:
        return f"cosignature/v1\ntime {moment}\n{checkpoint.text}".encode()
    names = [bytes([len(name)]) + name for name in (key.name.encode(), checkpoint.origin.encode())]
    tree = struct.pack(">QQ", 0, checkpoint.size) + checkpoint.root
    return b"subtree/v1\n\0" + names[0] + struct.pack(">Q", moment) + names[1] + tree


def check_name(name: str) -> str:
    if not name or len(name.encode()) > 255 or CONTROL.search(name) or re.search(r"[\s+]", name):
        raise ValueError("A key's name is 1 to 255 bytes long and has neither spaces nor plus signs.")
    return name


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def both_roots(old: int, new: int, proof: list[bytes], known: bytes | None) -> tuple[bytes, bytes]:
    """RFC 6962, section 2.1.2, read backwards: what the proof says the roots of both trees are, 0 < old <= new.

    `known` is the old root, while the old tree is still a whole subtree on the left edge. Raises ValueError.
    """
    if old == new:
        if len(proof) != (known is None):
            raise ValueError("The consistency proof has the wrong length.")
        whole = proof[0] if known is None else known
        return whole, whole
    if not proof:
        raise ValueError("The consistency proof is too short.")
    split = 1 << ((new - 1).bit_length() - 1)  # the largest power of two below `new`
    *inner, last = proof
    if old <= split:
        before, after = both_roots(old, split, inner, known)
        return before, node(after, last)
    before, after = both_roots(old - split, new - split, inner, None)
    return node(last, before), node(last, after)


class Row(NamedTuple):
    origin: str
    vkeys: str
    size: int
    root: bytes
    note: str  # "" until the first checkpoint
    at: int
    fork: str  # a note that the log signed and that contradicts one that was cosigned: proof against the log

    @property
    def path(self) -> str:
        return f"/{sha256(self.origin.encode()).hexdigest()}/checkpoint"

    @property
    def keys(self) -> list[Key]:
        return [Key.parse(vkey) for vkey in self.vkeys.split()]


class Memory:
    def __init__(self, directory: Path) -> None:
        self.file = directory / "witness.sqlite3"

    def create(self) -> None:
        self.file.touch()
        with self.writing() as database:
            database.execute("""CREATE TABLE IF NOT EXISTS log (
                origin TEXT PRIMARY KEY, vkeys TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL DEFAULT 0,
                root BLOB NOT NULL, note TEXT NOT NULL DEFAULT '', at INTEGER NOT NULL DEFAULT 0,
                fork TEXT NOT NULL DEFAULT '')""")

    def open(self) -> closing[sqlite3.Connection]:
        # Opening never makes it anew: a witness without its memory would cosign anything.
        file = f"{self.file.resolve().as_uri()}?mode=rw"
        database = sqlite3.connect(file, uri=True, isolation_level=None, timeout=5)
        # With less than EXTRA, a power cut can bring the journal back, which undoes what was committed.
        database.execute("PRAGMA synchronous = EXTRA")
        return closing(database)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One at a time, in all threads and processes. On the disk when it ends, or nothing of it is."""
        with self.open() as database:
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")

    def rows(self) -> list[Row]:
        with self.open() as database:
            return [Row(*row) for row in database.execute("SELECT * FROM log ORDER BY origin")]

    def row(self, origin: str) -> Row:
        with self.open() as database:
            return read_row(database, origin)

    def set_key(self, origin: str, key: Key, trusted: bool) -> None:
        """Of a log without keys, the last checkpoint is remembered still."""
        if not origin or CONTROL.search(origin) or "\n" in origin or len(origin.encode()) > 255:
            raise ValueError("An origin is one line of 1 to 255 bytes.")
        with self.writing() as database:
            if trusted:
                database.execute("INSERT OR IGNORE INTO log (origin, root) VALUES (?, ?)", (origin, EMPTY))
            others = [vkey for vkey in read_row(database, origin).vkeys.split() if vkey != key.vkey]
            vkeys = " ".join([*others, key.vkey] if trusted else others)
            database.execute("UPDATE log SET vkeys = ? WHERE origin = ?", (vkeys, origin))


def read_row(database: sqlite3.Connection, origin: str) -> Row:
    found = database.execute("SELECT * FROM log WHERE origin = ?", (origin,)).fetchone()
    if not found:
        raise Refusal(404, "This witness does not watch this log.")
    return Row(*found)


class Witness:
    def __init__(self, directory: Path) -> None:
        self.memory = Memory(directory)
        self.signers = [Signer.parse(line) for line in (directory / "key").read_text().splitlines()]

    def add_checkpoint(self, body: bytes) -> str:
        """Cosignature lines, once the checkpoint is remembered. Raises Refusal, and sqlite3.Error when it cannot be."""
        try:
            old, proof, checkpoint = Request.parse(body)
        except ValueError as fault:
            raise Refusal(400, str(fault)) from fault
        verified = check_signatures(checkpoint, self.memory.row(checkpoint.origin).keys)
        note = f"{checkpoint.text}\n{''.join(verified)}"
        if old > checkpoint.size:
            raise Refusal(400, "The old size is larger than the checkpoint's.")
        with self.memory.writing() as database:
            known = read_row(database, checkpoint.origin)
            if old != known.size:
                raise Refusal(409, str(known.size), "text/x.tlog.size")
            if forked := known.note != "" and old == checkpoint.size and known.root != checkpoint.root:
                database.execute("UPDATE log SET fork = ? WHERE origin = ? AND fork = ''", (note, known.origin))
            else:
                check_continues(known, checkpoint, proof)
                lines, moment = self._cosign(known, checkpoint)
                change = "UPDATE log SET size = ?, root = ?, note = ?, at = ? WHERE origin = ?"
                database.execute(change, (checkpoint.size, checkpoint.root, note + lines, moment, known.origin))
        if forked:
            raise Refusal(422, f"Another tree of {old} leaves was cosigned.")
        return lines

    def _cosign(self, known: Row, checkpoint: Checkpoint) -> tuple[str, int]:
        moment = int(time.time())
        if moment < known.at:
            raise OSError("The clock of this machine went back.")
        return "".join(signer.cosign(moment, checkpoint) for signer in self.signers), moment


def check_signatures(checkpoint: Checkpoint, keys: list[Key]) -> list[str]:
    """The lines that were verified. Of keys that are not known here, anything may be there."""
    known = {(key.name, key.id): key for key in keys}
    verified = []
    for name, identity, signature, line in checkpoint.signatures:
        if key := known.get((name, identity)):
            try:
                key.check(signature, checkpoint)
            except InvalidSignature as fault:
                raise Refusal(403, "A signature of a known key is wrong.") from fault
            verified.append(line)
    if not verified:
        raise Refusal(403, "No key that is known for this origin has signed.")
    return verified


def check_continues(known: Row, checkpoint: Checkpoint, proof: list[bytes]) -> None:
    if checkpoint.size == 0 and checkpoint.root != EMPTY:
        raise Refusal(422, "This is not the root of the empty tree.")
    if known.size == 0 and proof:
        raise Refusal(422, "From an old size of 0 there is no proof.")
    if known.size == 0:
        return
    try:
        roots = both_roots(known.size, checkpoint.size, proof, known.root)
    except ValueError as fault:
        raise Refusal(422, str(fault)) from fault
    if roots != (known.root, checkpoint.root):
        raise Refusal(422, "The consistency proof does not lead from the tree that was cosigned to this one.")


class Patient(io.RawIOBase):
    """A socket read until a moment, however slowly the other side drips."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.until = connection, 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        return self.connection.recv_into(buffer)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "witness", ""
    error_message_format, error_content_type = "%(message)s\n", PLAIN
    disable_nagle_algorithm = True
    wbufsize = 65536  # head and body of an answer in one packet

    def setup(self) -> None:
        super().setup()
        self.patient = Patient(self.connection)
        self.rfile = io.BufferedReader(self.patient)  # type: ignore[type-var]

    def handle_one_request(self) -> None:
        self.patient.until = time.monotonic() + PATIENCE
        super().handle_one_request()

    def handle_expect_100(self) -> bool:
        answered = super().handle_expect_100()
        self.wfile.flush()
        return answered

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_GET(self) -> None:
        self._answer(self._get)

    def _post(self) -> str:
        if self.path != "/add-checkpoint":
            self.close_connection = True  # its body was not read
            raise Refusal(404, "There is nothing here.")
        return self.server.witness.add_checkpoint(self._body())

    def _get(self) -> str:
        for row in self.server.witness.memory.rows():
            if row.note and row.path == self.path:
                return row.note
        raise Refusal(404, "There is nothing here.")

    def _body(self) -> bytes:
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) != 1 or not NUMBER.fullmatch(lengths[0]) or int(lengths[0]) > LARGEST_BODY:
            self.close_connection = True
            raise Refusal(400, f"A request says in Content-Length how long it is, and is at most {LARGEST_BODY} bytes.")
        body = self.rfile.read(int(lengths[0]))
        if len(body) < int(lengths[0]):
            raise ConnectionAbortedError
        return body

    def _answer(self, act: Callable[[], str]) -> None:
        try:
            status, text, kind = 200, act(), PLAIN
        except Refusal as refusal:
            status, text, kind = refusal.status, f"{refusal}\n", refusal.kind
            log.info("%s %s %r: %d %s", self.client_address[0], self.command, self.path, status, refusal)
        except (TimeoutError, ConnectionError):
            raise
        except (sqlite3.Error, OSError) as fault:
            status, text, kind = 500, "The witness cannot remember this now, and has signed nothing.\n", PLAIN
            log.error("nothing signed: %s", fault)
        self._send(status, kind, text.encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.connection.settimeout(PATIENCE)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, witness: Witness) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.witness, self.places = witness, threading.Semaphore(MOST_CONNECTIONS)
        super().__init__((host, port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.info("%s: %r", client_address[0], sys.exc_info()[1])


def init(directory: Path, name: str, ml_dsa: bool) -> None:
    if ml_dsa and mldsa is None:
        raise ValueError("ML-DSA-44 needs a newer `cryptography`.")
    signers = [Signer.of(check_name(name), kind, secrets.token_bytes(32))
               for kind in ((COSIGNATURE, ML_DSA_44) if ml_dsa else (COSIGNATURE,))]  # fmt: skip
    directory.mkdir(parents=True, exist_ok=True)
    # The key comes first: where there is one, a memory that was lost is not made anew beside it.
    with (directory / "key").open("x") as file:
        file.write("".join(signer.text for signer in signers))
        file.flush()
        os.fsync(file.fileno())
    Memory(directory).create()
    say(*(signer.key.vkey for signer in signers))


def serve(directory: Path, listen: str, vkeys: list[str]) -> None:
    """Until SIGTERM or SIGINT."""
    witness = Witness(directory)
    for key in map(Key.parse, vkeys):
        witness.memory.set_key(key.name, key, trusted=True)
    log.info("watching %d logs", len(witness.memory.rows()))
    host, _, port = listen.rpartition(":")
    with Server(host.strip("[]"), int(port), witness) as server:
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: sys.exit(0))
        say(f"listening on {host}:{server.server_address[1]}")
        server.serve_forever()


def show(directory: Path) -> None:
    witness = Witness(directory)
    say(*(signer.key.vkey for signer in witness.signers))
    for row in witness.memory.rows():
        moment = datetime.fromtimestamp(row.at, UTC).isoformat() if row.note else "never"
        say("", f"origin  {row.origin}", f"path    {row.path}", f"size    {row.size}")
        say(f"root    {b64encode(row.root).decode()}", f"at      {moment}")
        say(*(f"key     {key.vkey}" for key in row.keys))
        if row.fork:
            say("FORK    The log has signed another tree of the size of one that was cosigned:", row.fork)


def say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)  # noqa: T201


def main(arguments: list[str]) -> None:
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asked = read(arguments)
    try:
        run(asked)
    except (ValueError, OSError, sqlite3.Error, Refusal) as fault:
        sys.exit(f"{asked.command}: {fault}")


def run(asked: argparse.Namespace) -> None:
    if asked.command == "init":
        init(asked.state, asked.name, asked.ml_dsa)
    elif asked.command == "serve":
        serve(asked.state, asked.listen, asked.log)
    elif asked.command == "show":
        show(asked.state)
    else:
        key = Key.parse(asked.vkey)
        Memory(asked.state).set_key(asked.origin or key.name, key, trusted=asked.command == "add-log")


def read(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    made = {name: commands.add_parser(name, help=text) for name, text in COMMANDS.items()}
    for one in made.values():
        one.add_argument("--state", type=Path, default=Path("witness"), help="directory of key and memory (witness)")
    made["init"].add_argument("--name", required=True, help="what the witness is called, as witness.example/w1")
    made["init"].add_argument("--ml-dsa", action="store_true", help="cosign with ML-DSA-44 as well")
    for name in ("add-log", "remove-key"):
        made[name].add_argument("vkey")
        made[name].add_argument("--origin", help="the log's origin, where it is not the name of the key")
    made["serve"].add_argument("--listen", required=True, metavar="HOST:PORT")
    made["serve"].add_argument("--log", action="append", default=[], metavar="VKEY", help="as add-log")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
