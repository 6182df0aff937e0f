"""An authenticator in software: makes what a browser would send, right or wrong as a test asks."""

import hashlib
import json
import secrets
import struct
import uuid
from collections.abc import Mapping

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from django.conf import settings
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from console.accounts.enrolment import enrol_passkey
from console.accounts.models import Passkey, User
from console.core.actor import Actor
from tests.accounts.makers import Maker

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40  # WebAuthn level 3 §6.1
NAMELESS = uuid.UUID(int=0)  # what most passkeys say of their make
Json = dict[str, object]


class SoftAuthenticator:
    """Holds one credential. `alg` is ES256 or EdDSA; the counter rises by one with each signature. Its `maker`, if it
    has one, vouches for it when it is enrolled."""

    def __init__(
        self, alg: str = "ES256", *, aaguid: uuid.UUID = NAMELESS, flags: int = UP | UV, maker: Maker | None = None
    ) -> None:
        self.key: EllipticCurvePrivateKey | Ed25519PrivateKey = (
            generate_private_key(SECP256R1()) if alg == "ES256" else Ed25519PrivateKey.generate()
        )
        self.credential_id = secrets.token_bytes(32)
        self.aaguid = aaguid
        self.flags = flags
        self.maker = maker
        self.count = 0

    def register(self, user: User, actor: Actor, *, label: str = "Soft key") -> Passkey:
        challenge = secrets.token_bytes(32)
        return enrol_passkey(user, self.attest(challenge), challenge=challenge, label=label, how="test", actor=actor)

    def attest(self, challenge: bytes, *, origin: str | None = None, extra: Mapping[str, object] | None = None) -> Json:
        """What `navigator.credentials.create` gives as JSON. `extra` as for `sign`."""
        client = self.client("webauthn.create", challenge, origin, {"crossOrigin": False} | dict(extra or {}))
        attested = self.aaguid.bytes + struct.pack(">H", len(self.credential_id)) + self.credential_id + self.public_key
        data = self.data(self.flags | AT, self.count) + attested
        fmt, statement = ("packed", self.maker.statement(data, client)) if self.maker else ("none", {})
        attestation = cbor2.dumps({"fmt": fmt, "attStmt": statement, "authData": data})
        return self.answer(clientDataJSON=client, attestationObject=attestation) | {"clientExtensionResults": {}}

    def sign(
        self,
        challenge: bytes,
        origin: str | None = None,
        *,
        flags: int | None = None,
        count: int | None = None,
        rp_id: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> Json:
        """What `navigator.credentials.get` gives as JSON. `extra` goes into the client data, over what is there."""
        self.count += 1
        client = self.client("webauthn.get", challenge, origin, {"crossOrigin": False} | dict(extra or {}))
        data = self.data(self.flags if flags is None else flags, self.count if count is None else count, rp_id)
        message = data + hashlib.sha256(client).digest()
        return self.answer(clientDataJSON=client, authenticatorData=data, signature=self.signature(message))

    def sign_options(self, options: object) -> Json:
        """Answers the options that a page hands to the browser."""
        assert isinstance(options, Mapping)
        return self.sign(base64url_to_bytes(options["challenge"]))

    @property
    def public_key(self) -> bytes:
        """COSE_Key, RFC 9053 §7."""
        if isinstance(self.key, Ed25519PrivateKey):
            return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()})
        point = self.key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})

    def signature(self, message: bytes) -> bytes:
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, ECDSA(SHA256()))

    def client(self, kind: str, challenge: bytes, origin: str | None, extra: Mapping[str, object]) -> bytes:
        told = {"type": kind, "challenge": bytes_to_base64url(challenge), "origin": origin or settings.ORIGIN}
        return json.dumps(told | dict(extra)).encode()

    def data(self, flags: int, count: int, rp_id: str | None = None) -> bytes:
        return hashlib.sha256((rp_id or settings.RP_ID).encode()).digest() + bytes([flags]) + struct.pack(">I", count)

    def answer(self, **response: bytes) -> Json:
        name = bytes_to_base64url(self.credential_id)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "response": {key: bytes_to_base64url(value) for key, value in response.items()},
        }
