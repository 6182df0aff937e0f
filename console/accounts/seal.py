"""Recovery seeds are sealed in the database: someone who reads it must not be able to sign in as anyone."""

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from console.core.errors import Tampered

PURPOSE = b"countersign/second-factor/v1"
NONCE = 12  # bytes; NIST SP 800-38D §8.2.2, random


def seal(text: str) -> str:
    nonce = secrets.token_bytes(NONCE)
    sealed = _cipher(settings.SECRET_KEY).encrypt(nonce, text.encode(), PURPOSE)
    return base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(sealed: str) -> str:
    """Tries older secret keys too, so that the key can be changed. Raises Tampered."""
    raw = base64.urlsafe_b64decode(sealed)
    for key in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]:
        try:
            return _cipher(key).decrypt(raw[:NONCE], raw[NONCE:], PURPOSE).decode()
        except InvalidTag:
            continue
    raise Tampered("A sealed second factor does not open with this console's secret key.")


def _cipher(secret_key: str | bytes) -> AESGCM:
    raw = secret_key.encode() if isinstance(secret_key, str) else secret_key
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(raw))
