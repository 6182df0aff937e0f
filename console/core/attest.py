"""The console's own signature under rows that give authority.

A row alone is not authority: someone with SQL could have written it. What the door relies on (an action as it was
proposed, a policy as published, an enrolled passkey …) carries an Ed25519 signature by a key that web and worker
processes read from a file and the database never sees. The door holds only the public half.
"""

import base64
import functools
import hmac
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from console.core.canonical import digest
from console.core.errors import Tampered


def attest(tag: str, document: Mapping[str, object]) -> bytes:
    """64 bytes over the digest of tag and document. Raises RuntimeError in a process that has no console key."""
    return _private().sign(digest(_tag(tag), document))


def verify(tag: str, document: Mapping[str, object], signature: bytes | memoryview) -> None:
    """Raises Tampered unless this console's key signed exactly this document under this tag."""
    try:
        _check(_public(), digest(_tag(tag), document), bytes(signature))
    except InvalidSignature:
        raise Tampered(f"The {tag} does not carry this console's signature.") from None


def fingerprint(tag: str, text: str) -> str:
    """By which a text is known again without being kept: HMAC-SHA256 in hexadecimal, under a key that follows from the
    console's own. Whoever has the rows alone cannot try texts on it. Raises RuntimeError as `attest` does."""
    key = HKDF(SHA256(), 32, None, _tag(tag).encode()).derive(_private().private_bytes_raw())
    return hmac.digest(key, text.encode(), "sha256").hex()


def _tag(tag: str) -> str:
    return f"countersign/{tag}/v1"


@functools.lru_cache(maxsize=10_000)
def _check(public: bytes, message: bytes, signature: bytes) -> None:
    """Remembers what verified (a raise is not kept): grants, credentials and descriptions come with every action."""
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)


def read_key(path: str | Path) -> bytes:
    """32 raw bytes, base64url in the file."""
    return base64.urlsafe_b64decode(Path(path).read_text().strip())


@functools.cache
def _private() -> Ed25519PrivateKey:
    if not settings.CONSOLE_KEY_FILE:
        raise RuntimeError("COUNTERSIGN_CONSOLE_KEY_FILE is not given to this process, so it cannot attest.")
    return Ed25519PrivateKey.from_private_bytes(read_key(settings.CONSOLE_KEY_FILE))


@functools.cache
def _public() -> bytes:
    return read_key(settings.CONSOLE_PUBLIC_FILE)
