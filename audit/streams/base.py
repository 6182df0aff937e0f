"""What all streams have in common: an event, the form of a receiver, the configuration, and how a request is made."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from audit.anchors.base import AnchorFailed, Options, WrongConfiguration, read_secret
from audit.exchange import Answer, ExchangeFailed, exchange
from audit.outlets import OutletFailed
from console.core.clock import retry_after

HERE = {"localhost", "127.0.0.1", "::1"}
LONGEST_PAUSE = 3600.0


@dataclass(frozen=True, slots=True)
class Event:
    """A leaf on its way. `leaf` is its exact text, or "" when the record is no longer there; then `gone` says whether
    its month was "dropped" or only this record is "missing"."""

    index: int
    origin: str
    hash: str
    size: int  # of the signed tree that holds it
    at: dt.datetime
    kind: str
    trace: str
    leaf: str
    gone: str = ""

    @property
    def host(self) -> str:
        return self.origin.rpartition("/")[0]

    @property
    def text(self) -> str:
        """The leaf, or a few words in its place. No leaf has a key `gone`."""
        said = {"gone": self.gone, "hash": self.hash, "index": self.index, "origin": self.origin}
        return self.leaf or compact(said)


class Sink(Protocol):
    """Where a stream ends."""

    @property
    def kind(self) -> str: ...
    @property
    def confirms(self) -> bool:
        """Whether `send` and `settle` return because the receiver has said that it has the events."""
        ...

    def encode(self, event: Event) -> bytes: ...
    def send(self, events: Sequence[bytes]) -> None:
        """Encoded events, which may come again. Raises OutletFailed."""
        ...

    def settle(self) -> None:
        """Returns when all that was sent is safe. Raises OutletFailed."""
        ...


class AskedToWait(OutletFailed):
    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class StreamOptions(Options):
    """The configuration of one stream, key by key."""

    def wrong(self, key: str, text: str) -> WrongConfiguration:
        return WrongConfiguration(f"Stream of kind {self.kind}: `{key}` {text}.")

    def yes(self, key: str) -> bool:
        value = self.left.pop(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "is true or false")
        return value

    def pace(self) -> float:
        value = self.left.pop("every", 1)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0.1 <= value <= 86_400:
            raise self.wrong("every", "has to be a number of seconds from 0.1 to 86400")
        return float(value)

    def from_now(self) -> bool:
        value = self.left.pop("begin", 0)
        if isinstance(value, bool) or value not in (0, "now"):
            raise self.wrong("begin", "is 0 or now")
        return value == "now"

    def safe_url(self, *, secret: bool) -> str:
        """What carries a secret does not leave this machine without TLS."""
        url = self.url("url").rstrip("/")
        if secret and not url.startswith("https:") and urlsplit(url).hostname not in HERE:
            raise self.wrong("url", "is not https: the token could be read on the way")
        return url


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_token(file: str) -> str:
    try:
        return read_secret("token_file", file)
    except AnchorFailed as fault:
        raise OutletFailed(str(fault)) from None


def post(url: str, content: bytes, headers: Mapping[str, str], seconds: float, ca_file: str) -> Answer:
    """Answers of 200 and 204. What else the receiver said is not repeated: it may hold the token."""
    try:
        answer = exchange("POST", url, content=content, headers=headers, seconds=seconds, ca_file=ca_file)
    except ExchangeFailed as fault:
        raise OutletFailed(f"The receiver: {fault}") from None
    if answer.status in {200, 204}:
        return answer
    pause = retry_after(answer.headers.get("Retry-After", ""))
    if answer.status in {429, 503} and pause is not None:
        seconds = min(pause, LONGEST_PAUSE)
        raise AskedToWait(f"The receiver answered {answer.status}, and asks to wait {seconds:g} seconds.", seconds)
    raise OutletFailed(f"The receiver answered {answer.status}{_code(answer)}.")


def _code(answer: Answer) -> str:
    """Splunk tells what is wrong by a number."""
    code = (said(answer) or {}).get("code")
    return f", code {code}" if isinstance(code, int) else ""


def said(answer: Answer) -> dict[str, object] | None:
    """None when it is not a JSON object."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
