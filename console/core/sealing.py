"""Secrets are sealed so that any process can seal and only the door can open.

Each has a data key of its own (AES-256-GCM), and that is sealed to the door's public key (HPKE, RFC 9180). So a door
key can change without a change of the sealed bytes, which the console has signed: only the data key is wrapped anew.
Who wraps another one gains nothing, as the sealed bytes open with none but theirs.
"""

import os
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from console.core.door_keys import key_id, opening_key, sealing_key
from console.core.errors import Tampered

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
NONCE = 12  # bytes
KEY_ID = 16  # characters


@dataclass(frozen=True, slots=True)
class Sealed:
    """`place` names the row and column; the bytes open nowhere else. What was sealed before there were data keys is
    sealed to the door's key itself, and `wrapped` is empty."""

    place: str
    door_key: str
    content: bytes
    wrapped: bytes


def seal(secret: str, *, place: str) -> Sealed:
    data_key, nonce = AESGCM.generate_key(256), os.urandom(NONCE)
    content = nonce + AESGCM(data_key).encrypt(nonce, secret.encode(), place.encode())
    return _wrap(Sealed(place, "", content, b""), data_key)


def unseal(sealed: Sealed) -> str:
    """Only in the door. Raises RuntimeError without its keys, KeyMissing without the right one, Tampered when the bytes
    were not sealed for this place."""
    try:
        if not sealed.wrapped:
            return SUITE.decrypt(sealed.content, opening_key(sealed.door_key), info=sealed.place.encode()).decode()
        nonce, content = sealed.content[:NONCE], sealed.content[NONCE:]
        return AESGCM(_data_key(sealed)).decrypt(nonce, content, sealed.place.encode()).decode()
    except (InvalidTag, ValueError):
        raise Tampered(f"The secret of {sealed.place} was not sealed for it with this door's key.") from None


def wrap_anew(sealed: Sealed) -> Sealed:
    """The same content under the door's newest key. Only in the door; raises as `unseal` does."""
    try:
        return _wrap(sealed, _data_key(sealed))
    except (InvalidTag, ValueError):
        raise Tampered(f"The data key of {sealed.place} was not wrapped for it.") from None


def seal_beside(sealed: Sealed, text: str, *, place: str) -> bytes:
    """Under the data key of another secret: whoever writes rows and has no key can put nothing of their own there; to
    the door's public key anybody could seal. Only in the door; raises as `unseal` does."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(_checked_key(sealed)).encrypt(nonce, text.encode(), place.encode())


def unseal_beside(sealed: Sealed, content: bytes | memoryview, *, place: str) -> str:
    nonce, rest = bytes(content)[:NONCE], bytes(content)[NONCE:]
    try:
        return AESGCM(_checked_key(sealed)).decrypt(nonce, rest, place.encode()).decode()
    except (InvalidTag, ValueError):
        raise Tampered(f"What is stored at {place} was not sealed there by the door.") from None


def seal_for_now(text: str, *, place: str) -> bytes:
    """What lives for minutes and is never wrapped anew: the id of the door's key, then the text sealed to it."""
    public = sealing_key()
    identity = key_id(public.public_bytes_raw()).encode()
    return identity + SUITE.encrypt(text.encode(), public, info=place.encode())


def unseal_for_now(content: bytes | memoryview, *, place: str) -> str:
    """Only in the door; raises as `unseal` does."""
    identity, rest = bytes(content)[:KEY_ID].decode("ascii", "replace"), bytes(content)[KEY_ID:]
    return unseal(Sealed(place, identity, rest, b""))


def _checked_key(sealed: Sealed) -> bytes:
    """The data key, once it has opened what the console signed: a wrapped key of somebody else opens nothing."""
    unseal(sealed)
    return _data_key(sealed)


def _wrap(sealed: Sealed, data_key: bytes) -> Sealed:
    public = sealing_key()
    wrapped = SUITE.encrypt(data_key, public, info=_of_key(sealed.place))
    return replace(sealed, door_key=key_id(public.public_bytes_raw()), wrapped=wrapped)


def _data_key(sealed: Sealed) -> bytes:
    return SUITE.decrypt(sealed.wrapped, opening_key(sealed.door_key), info=_of_key(sealed.place))


def _of_key(place: str) -> bytes:
    return f"{place}/data key".encode()
