"""Whether a delivery is genuine. The door alone calls it, with the secrets open. Pure: the time is given."""

import base64
import binascii
import datetime as dt
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from integrations.injection import filled

SEPARATORS = {"comma": ",", "space": " "}
_SECONDS = re.compile("[0-9]{1,12}")
_WORD = re.compile(r"^[A-Za-z0-9]+_")  # before base64, which has no underscore


class Refused(Exception):
    """Not genuine, or nobody can tell. Its text is one of WHY."""


WHY = {
    "unsigned": "It carries no signature where the settings say.",
    "wrong_signature": "Its signature does not match.",
    "wrong_token": "Its token does not match.",
    "no_timestamp": "It carries no timestamp where the settings say.",
    "no_id": "It carries no id where the settings say.",
    "old_timestamp": "It was signed too long before it arrived.",
    "future_timestamp": "It was signed for a time to come.",
    "no_key": "The door no longer holds the key to which it was sealed as it arrived.",
    "ended": "The webhook had ended.",
    "tampered": "What is stored of the webhook is not what the console signed.",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """A delivery as it arrived: the headers that its webhook needs, by their names in small letters."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: dt.datetime

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "").strip()


def check_hmac(heard: Heard, settings: Mapping[str, str], secrets: list[str]) -> None:
    """The signature first: only of what is genuine its age is told. Raises Refused."""
    given = list(_presented(heard, settings))
    if not given:
        raise Refused("unsigned")
    timestamp, identity = _timestamp(heard, settings), heard.header(settings.get("id", ""))
    if "{timestamp}" in settings["signs"] and not _SECONDS.fullmatch(timestamp):
        raise Refused("no_timestamp")
    if "{id}" in settings["signs"] and not identity:
        raise Refused("no_id")
    held = {"id": identity.encode(), "timestamp": timestamp.encode(), "body": heard.body}
    signed = filled(settings["signs"], held)
    codes = [hmac.digest(key_of(settings, secret), signed, settings["algorithm"]) for secret in secrets]
    if not _any_equal(codes, given):
        raise Refused("wrong_signature")
    if timestamp:
        _check_age(heard.at, int(timestamp), int(settings["tolerance"]))


def check_token(heard: Heard, settings: Mapping[str, str], secrets: list[str]) -> None:
    given, prefix = heard.header(settings["header"]), settings.get("prefix", "")
    if not given:
        raise Refused("unsigned")
    # Digests, as a comparison in constant time is one of equal lengths.
    code = hmac.digest(b"", given.encode(), "sha256")
    if not _any_equal([hmac.digest(b"", f"{prefix}{secret}".encode(), "sha256") for secret in secrets], [code]):
        raise Refused("wrong_token")


def key_of(settings: Mapping[str, str], secret: str) -> bytes:
    """Raises ValueError for what is not base64 where it has to be."""
    if settings.get("secret_encoding") != "base64":
        return secret.encode()
    return base64.b64decode(_WORD.sub("", secret), validate=True)


def _any_equal(codes: list[bytes], given: list[bytes]) -> bool:
    """Each is compared, whatever was found before."""
    found = [hmac.compare_digest(code, one) for code in codes for one in given]
    return any(found)


def _presented(heard: Heard, settings: Mapping[str, str]) -> Iterator[bytes]:
    """Of a list, every entry that has the prefix. What cannot be read is none."""
    prefix = settings.get("prefix", "")
    for entry in _entries(heard.header(settings["header"]), settings):
        if entry.startswith(prefix):
            try:
                written = entry[len(prefix) :]
                yield bytes.fromhex(written) if settings["encoding"] == "hex" else _from_base64(written)
            except (binascii.Error, ValueError):
                continue


def _from_base64(written: str) -> bytes:
    return base64.b64decode(written, validate=True)


def _timestamp(heard: Heard, settings: Mapping[str, str]) -> str:
    if "timestamp_header" not in settings:
        return ""
    prefix = settings.get("timestamp_prefix", "")
    entries = _entries(heard.header(settings["timestamp_header"]), settings)
    return next((entry[len(prefix) :] for entry in entries if entry.startswith(prefix)), "")


def _entries(value: str, settings: Mapping[str, str]) -> list[str]:
    between = SEPARATORS.get(settings["separator"])
    return [one.strip() for one in value.split(between)] if between and value else [value] if value else []


def _check_age(arrived: dt.datetime, signed: int, tolerance: int) -> None:
    age = arrived.timestamp() - signed
    if age > tolerance:
        raise Refused("old_timestamp")
    if age < -tolerance:
        raise Refused("future_timestamp")
