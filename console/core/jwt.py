"""Signed assertions as JSON Web Tokens (RFC 7519, RFC 7515): only making them, with keys that were checked before."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

Key = bytes | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
LEAST_BITS, LEAST_BYTES = 2048, 32  # RFC 7518 §3.3, §3.2


def encode(claims: Mapping[str, object], *, algorithm: str, key: Key, key_id: str = "") -> str:
    head = {"alg": algorithm, "typ": "JWT", **({"kid": key_id} if key_id else {})}
    text = f"{_as_part(head)}.{_as_part(claims)}"
    return f"{text}.{_base64url(SIGNATURES[algorithm](key, text.encode()))}"


def read_key(algorithm: str, text: str) -> Key:
    """A PEM file without a passphrase, or of HS256 the secret itself. Raises ValueError, which quotes nothing of it."""
    if algorithm == "HS256":
        key: object = text.encode()
    else:
        try:
            key = load_pem_private_key(text.encode(), password=None)
        except (TypeError, ValueError, UnsupportedAlgorithm):
            raise ValueError("is not a private key in PEM without a passphrase") from None
    match algorithm, key:
        case "HS256", bytes() if len(key) >= LEAST_BYTES:
            return key
        case "RS256", rsa.RSAPrivateKey() if key.key_size >= LEAST_BITS:
            return key
        case "ES256", ec.EllipticCurvePrivateKey() if isinstance(key.curve, ec.SECP256R1):
            return key
        case "EdDSA", ed25519.Ed25519PrivateKey():
            return key
    raise ValueError(f"is not a key for {algorithm}: {KEYS[algorithm]}")


def _es256(key: Key, text: bytes) -> bytes:
    """Both numbers at full length, one after the other (RFC 7518 §3.4)."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return b"".join(part.to_bytes(32) for part in decode_dss_signature(key.sign(text, ec.ECDSA(SHA256()))))


def _rs256(key: Key, text: bytes) -> bytes:
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.sign(text, padding.PKCS1v15(), SHA256())


def _eddsa(key: Key, text: bytes) -> bytes:
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return key.sign(text)


def _hs256(key: Key, text: bytes) -> bytes:
    assert isinstance(key, bytes)
    return hmac.digest(key, text, "sha256")


SIGNATURES: Mapping[str, Callable[[Key, bytes], bytes]] = {
    "RS256": _rs256,
    "ES256": _es256,
    "EdDSA": _eddsa,
    "HS256": _hs256,
}
KEYS = {
    "RS256": f"RSA of at least {LEAST_BITS} bits",
    "ES256": "P-256",
    "EdDSA": "Ed25519",
    "HS256": f"at least {LEAST_BYTES} bytes",
}


def _as_part(value: object) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
