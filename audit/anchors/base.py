"""What all anchors have in common: their form, their configuration, secrets, and whether a checkpoint contradicts."""

import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

from audit.exchange import Answer, ExchangeFailed, TookTooLong, exchange
from audit.verify import Checkpoint, Mismatch, parse_checkpoint, parse_note

SECONDS = 30.0
PAUSE = 0.05


class AnchorFailed(Exception):
    """Says why there is no receipt, without any secret. The same checkpoint may be handed in again."""


class AnchorAhead(AnchorFailed):
    """What is kept there is a later checkpoint of the same tree."""


class WrongConfiguration(ValueError):
    """Says which key of an anchor's configuration is wrong."""


class Receipt(NamedTuple):
    data: bytes
    place: str  # for people: where to look


class Anchor(Protocol):
    @property
    def kind(self) -> str: ...

    def anchor(self, note: str, *, origin: str, size: int) -> Receipt:
        """Once it returns, the checkpoint is outside. The same one again is harmless. Raises AnchorFailed."""
        ...


class Options:
    """The configuration of one anchor, key by key."""

    def __init__(self, config: Mapping[str, object], kind: str) -> None:
        self.kind, self.left = kind, {key: value for key, value in config.items() if key != "kind"}

    def wrong(self, key: str, text: str) -> WrongConfiguration:
        return WrongConfiguration(f"Anchor of kind {self.kind}: `{key}` {text}.")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.left.pop(key, default)
        if value is None:
            raise self.wrong(key, "is missing")
        if not isinstance(value, str) or (value == "" and default is None) or re.search(r"[\x00-\x1f\x7f]", value):
            raise self.wrong(key, "has to be a text of one line")
        return value

    def texts(self, key: str) -> list[str]:
        value = self.left.get(key)
        for one in value if isinstance(value, list) and value else [value]:
            self.left[key] = one
            self.text(key)
        return list(value) if isinstance(value, list) else [str(value)]

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        value = self.text(key, default)
        if value not in choices:
            raise self.wrong(key, f"is one of: {', '.join(choices)}")
        return value

    def number(self, key: str, smallest: int, largest: int, default: int | None = None) -> int:
        value = self.left.pop(key, default)
        if value is None:
            raise self.wrong(key, "is missing")
        if not isinstance(value, int) or isinstance(value, bool) or not smallest <= value <= largest:
            raise self.wrong(key, f"has to be a number from {smallest} to {largest}")
        return value

    def seconds(self) -> float:
        return float(self.number("timeout", 1, 600, int(SECONDS)))

    def url(self, key: str) -> str:
        """http or https. What signs in belongs into files, not in here."""
        value, parts = self.split(key)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
            raise self.wrong(key, "has to be an address with http or https, and without user and password")
        return value

    def split(self, key: str) -> tuple[str, SplitResult]:
        value = self.text(key)
        try:
            return value, urlsplit(value)
        except ValueError:
            raise self.wrong(key, "is not an address") from None

    def path(self, key: str) -> Path:
        value = Path(self.text(key))
        if not value.is_absolute():
            raise self.wrong(key, "has to be an absolute path")
        return value

    def file(self, key: str) -> str:
        """A path, or "" when it is not there."""
        return str(self.path(key)) if key in self.left else ""

    def sign_in(self) -> tuple[str, str]:
        """Name of a user, and the file with the password; both "" when there is none."""
        username, file = self.text("username", ""), self.file("password_file")
        if bool(username) != bool(file):
            raise self.wrong("password_file", "and `username` belong together")
        return username, file

    def finish(self) -> None:
        if self.left:
            raise self.wrong(sorted(map(str, self.left))[0], "is not known here")


def read_secret(key: str, file: str) -> str:
    """Read each time it is needed, so that it can be changed. Raises AnchorFailed."""
    try:
        secret = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise AnchorFailed(f"{key}: {file} cannot be read ({type(fault).__name__}).") from None
    if not secret or not secret.isprintable():
        raise AnchorFailed(f"{key}: {file} has to hold one line of printable characters.")
    return secret


class Deadline:
    def __init__(self, seconds: float) -> None:
        self.seconds, self.until = seconds, time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Raises AnchorFailed when nothing is."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise self.over()
        return left

    def over(self) -> AnchorFailed:
        return AnchorFailed(f"It was not done within {self.seconds:g} seconds.")


def ask(
    whom: str, method: str, url: str, content: bytes, headers: Mapping[str, str], deadline: Deadline, ca_file: str
) -> Answer:
    try:
        return exchange(method, url, content=content, headers=headers, seconds=deadline.left, ca_file=ca_file)
    except TookTooLong:
        raise deadline.over() from None
    except ExchangeFailed as fault:
        raise AnchorFailed(f"{whom}: {fault}") from fault


@contextmanager
def alone(descriptor: int, deadline: Deadline) -> Iterator[None]:
    """One process at a time."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(min(PAUSE, deadline.left))
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def telling_why(what: object) -> Iterator[None]:
    """Faults of files, as AnchorFailed."""
    try:
        yield
    except OSError as fault:
        raise AnchorFailed(f"{what}: {os.strerror(fault.errno) if fault.errno else type(fault).__name__}.") from fault


def read_checkpoint(note: str, origin: str, size: int) -> Checkpoint:
    """Raises AnchorFailed."""
    try:
        checkpoint = parse_checkpoint(parse_note(note).body)
    except Mismatch as fault:
        raise AnchorFailed(f"This is not a checkpoint: {fault}") from fault
    if checkpoint[:2] != (origin, size):
        raise AnchorFailed(f"This is not the checkpoint of {origin} with {size} leaves.")
    return checkpoint


def check_continues(kept: str, checkpoint: Checkpoint) -> None:
    """By its size and root; no proof is asked for. `kept` is a note of the same log. Raises AnchorFailed, for a later
    one AnchorAhead."""
    try:
        last = parse_checkpoint(parse_note(kept).body)
    except Mismatch as fault:
        raise AnchorFailed(f"What is kept there is not a checkpoint: {fault}") from fault
    if last.origin != checkpoint.origin:
        raise AnchorFailed(f"What is kept there is of another log: {last.origin}.")
    if last.size > checkpoint.size:
        raise AnchorAhead(f"A checkpoint of {last.size} leaves is kept there; this one has {checkpoint.size}.")
    if last.size == checkpoint.size and last.root != checkpoint.root:
        raise AnchorFailed(f"Another tree of {last.size} leaves is kept there.")
