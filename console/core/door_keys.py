"""The door's private keys, and the public half that new secrets are sealed to.

The keys are lines of a file, or of a variable: the newest first, then those that still open what was sealed before.
A line is the key itself; or, of a key that a service keeps, three words: the service, the name of the service's own
key, and what it made of ours (`key_services`).
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from django.conf import settings

from console.core import key_services
from console.core.attest import read_key
from console.core.key_services import ServiceFailed

ITSELF = "itself"  # a key that no service keeps


class KeyMissing(Exception):
    """This door does not hold the key that a secret is sealed to. Nothing was tampered with."""


@dataclass(frozen=True, slots=True)
class DoorKey:
    """`line` is how it is kept; the private half exists in the door alone."""

    id: str
    line: str = field(repr=False)
    private: X25519PrivateKey = field(repr=False)

    @property
    def kept_by(self) -> str:
        """A service and its key, or `itself`."""
        return ":".join(self.line.split()[:-1]) or ITSELF

    @property
    def public(self) -> str:
        return encode(self.private.public_key().public_bytes_raw())


# What was opened once stays open for the life of the process: what began before a key was retired still ends, and a key
# service is asked once.
_opened: dict[str, DoorKey] = {}


def sealing_key() -> X25519PublicKey:
    """Read each time: sealing is rare, and a rotation needs no restart."""
    return X25519PublicKey.from_public_bytes(read_key(settings.DOOR_PUBLIC_FILE))


def sealing_key_id() -> str:
    return key_id(sealing_key().public_bytes_raw())


def key_id(public: bytes) -> str:
    """Follows from the key itself, so whoever holds the private half knows for certain whether it is the right one."""
    return hashlib.sha256(public).hexdigest()[:16]


def opening_key(identity: str) -> X25519PrivateKey:
    """One that is not known yet may have been added since. Raises KeyMissing, or RuntimeError outside the door."""
    for look in (_opened.values, held):
        for key in look():
            if key.id == identity:
                return key.private
    raise KeyMissing(f"The door does not hold the key {identity}, to which this secret is sealed.")


def held() -> list[DoorKey]:
    """As they are kept now, the newest first. Raises RuntimeError in a process that has none, KeyMissing for a line
    that is no key."""
    return [_opened.get(line) or _open(line) for line in lines()]


def lines() -> list[str]:
    text = Path(settings.DOOR_KEY_FILE).read_text() if settings.DOOR_KEY_FILE else settings.DOOR_KEY
    if not text:
        raise RuntimeError("Only the door opens secrets; this process has no COUNTERSIGN_DOOR_KEY_FILE.")
    return [line.strip() for line in text.splitlines() if line.strip()]


def missing(identities: Iterable[str]) -> list[str]:
    """Of these, those that no key opens that is held now."""
    return sorted(set(identities) - {key.id for key in held()})


def new_key(kept_by: str = ITSELF) -> DoorKey:
    """Raises ServiceFailed. What a service gave is asked back from it: a key that it cannot open is worth nothing."""
    private = X25519PrivateKey.generate()
    raw = private.private_bytes_raw()
    if kept_by == ITSELF:
        return _key(encode(raw), private)
    name, _, where = kept_by.partition(":")
    line = f"{name} {where} {key_services.keep(name, where, raw)}"
    if _open(line).private.private_bytes_raw() != raw:
        raise ServiceFailed(f"{kept_by} gave back another key than it was given.")
    return _key(line, private)


def _open(line: str) -> DoorKey:
    try:
        *service, kept = line.split()
        raw = key_services.open_kept(service[0], service[1], kept) if len(service) == 2 else urlsafe_b64decode(line)
        private = X25519PrivateKey.from_private_bytes(raw)
    except ServiceFailed as error:
        raise KeyMissing(f"A key of the door cannot be opened by the service that keeps it. {error}") from None
    except ValueError:
        raise KeyMissing("A line among the door's keys is no key.") from None
    return _opened.setdefault(line, _key(line, private))


def _key(line: str, private: X25519PrivateKey) -> DoorKey:
    return DoorKey(key_id(private.public_key().public_bytes_raw()), line, private)


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode()
