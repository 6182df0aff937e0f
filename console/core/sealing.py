"""Secrets are sealed to the door's public key (HPKE, RFC 9180): any process can seal, only the door can open."""

import functools
import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from django.conf import settings

from console.core.attest import read_key
from console.core.errors import Tampered

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal(secret: str, *, place: str) -> bytes:
    """`place` names the row and column; the sealed bytes open nowhere else."""
    return SUITE.encrypt(secret.encode(), _public(), info=place.encode())


def unseal(sealed: bytes | memoryview, *, place: str) -> str:
    """Only in the door. Raises RuntimeError without its key, Tampered when the bytes were not sealed for this place."""
    try:
        return SUITE.decrypt(bytes(sealed), _private(), info=place.encode()).decode()
    except InvalidTag:
        raise Tampered(f"The secret of {place} was not sealed for it with this door's key.") from None


def door_key_id() -> str:
    """Names the door key that a secret was sealed to, so that a rotation knows what is left."""
    return hashlib.sha256(read_key(settings.DOOR_PUBLIC_FILE)).hexdigest()[:16]


@functools.cache
def _public() -> X25519PublicKey:
    return X25519PublicKey.from_public_bytes(read_key(settings.DOOR_PUBLIC_FILE))


@functools.cache
def _private() -> X25519PrivateKey:
    if not settings.DOOR_KEY_FILE:
        raise RuntimeError("Only the door opens secrets; this process has no COUNTERSIGN_DOOR_KEY_FILE.")
    return X25519PrivateKey.from_private_bytes(read_key(settings.DOOR_KEY_FILE))
