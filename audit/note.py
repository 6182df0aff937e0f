"""Keys that sign checkpoints, in the text forms of c2sp.org/signed-note. Checking is in `audit.verify`."""

import secrets
import struct
import time
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

ED25519, ML_DSA_44 = 0x01, 0x06


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`name` is the log's origin: who checks a note looks for the key of the origin that stands in its first line."""

    name: str
    kind: int
    seed: bytes

    @classmethod
    def generate(cls, name: str, kind: int = ED25519) -> "SigningKey":
        return cls(name, kind, secrets.token_bytes(32))

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """`PRIVATE+KEY+<name>+<id>+<base64>`. Raises ValueError."""
        words = text.strip().split("+", 4)
        if len(words) != 5 or words[:2] != ["PRIVATE", "KEY"]:
            raise ValueError("This is not a signing key: it does not begin with PRIVATE+KEY+.")
        material = b64decode(words[4], validate=True)
        key = cls(words[2], material[0], material[1:])
        if key.kind not in {ED25519, ML_DSA_44} or len(key.seed) != 32 or key.id.hex() != words[3]:
            raise ValueError(f"The signing key of {key.name} is damaged or of an unknown kind.")
        return key

    @property
    def text(self) -> str:
        return f"PRIVATE+KEY+{self.name}+{self.id.hex()}+{b64encode(bytes([self.kind]) + self.seed).decode()}\n"

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes([self.kind]) + self.public).decode()}"

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def public(self) -> bytes:
        if self.kind == ED25519:
            return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return MLDSA44PrivateKey.from_seed_bytes(self.seed).public_key().public_bytes_raw()

    def sign(self, body: str) -> str:
        """A signature line for the body of a checkpoint."""
        return f"— {self.name} {b64encode(self.id + self._signature(body)).decode()}\n"

    def _signature(self, body: str) -> bytes:
        if self.kind == ED25519:
            return Ed25519PrivateKey.from_private_bytes(self.seed).sign(body.encode())
        moment = int(time.time())
        message = cosigned_message(self.name, moment, body)
        return struct.pack(">Q", moment) + MLDSA44PrivateKey.from_seed_bytes(self.seed).sign(message)


def cosigned_message(cosigner: str, moment: int, body: str) -> bytes:
    """What an ML-DSA-44 cosigner of c2sp.org/tlog-cosignature signs, for the whole tree of a checkpoint."""
    origin, size, root = body.split("\n")[:3]
    names = [bytes([len(name.encode())]) + name.encode() for name in (cosigner, origin)]
    return b"subtree/v1\n\0" + names[0] + struct.pack(">Q", moment) + names[1] + struct.pack(">QQ", 0, int(size)) \
        + b64decode(root)  # fmt: skip


def checkpoint_body(origin: str, size: int, root: bytes) -> str:
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n"


def sign_note(body: str, keys: Iterable[SigningKey]) -> str:
    return body + "\n" + "".join(key.sign(body) for key in keys)
