"""A text on its way to one browser: sealed to a key that the browser made and cannot give away.

ECDH on P-256 with a key of this one use, HKDF-SHA256, AES-256-GCM: what every browser's WebCrypto has. The other end is
`static/js/opening.js`.
"""

import os
from base64 import urlsafe_b64decode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from console.core.errors import Invalid

POINT, NONCE = 65, 12  # bytes


def public_key(given: str) -> ec.EllipticCurvePublicKey:
    """An uncompressed point in base64url without padding. Raises Invalid for anything else."""
    try:
        raw = urlsafe_b64decode(given + "=" * (-len(given) % 4))
        if len(raw) != POINT:
            raise ValueError
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        raise Invalid("The browser sent no usable key.") from None


def seal_to_browser(text: str, given: str, *, place: str) -> bytes:
    """Our point, the nonce, what is sealed; it opens for this place alone."""
    own, theirs = ec.generate_private_key(ec.SECP256R1()), public_key(given)
    key = HKDF(SHA256(), 32, salt=None, info=place.encode()).derive(own.exchange(ec.ECDH(), theirs))
    nonce, point = os.urandom(NONCE), own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return point + nonce + AESGCM(key).encrypt(nonce, text.encode(), place.encode())
