"""The key files of an installation that runs on its own. Production names its own by settings."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from console.home.places import private_directory, private_file


def make_keys(state: Path) -> None:
    """Keys are 32 raw bytes in base64url; what exists stays."""
    keys = private_directory(state / "keys")
    private_file(keys / "secret_key", lambda: secrets.token_urlsafe(48))
    console = private_file(keys / "console_key", lambda: encode(secrets.token_bytes(32)))
    signer = Ed25519PrivateKey.from_private_bytes(urlsafe_b64decode(console))
    private_file(keys / "console_public", lambda: encode(signer.public_key().public_bytes_raw()))
    door = private_file(keys / "door_key", lambda: encode(X25519PrivateKey.generate().private_bytes_raw()))
    opener = X25519PrivateKey.from_private_bytes(urlsafe_b64decode(door))
    private_file(keys / "door_public", lambda: encode(opener.public_key().public_bytes_raw()))


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode()
