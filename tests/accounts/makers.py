"""A maker of authenticators in software: its certificate, and what it vouches for. WebAuthn level 3 §8.2."""

import datetime as dt
import hashlib
import uuid
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

MODEL = uuid.UUID("2fc0579f-8113-47ea-b116-bb5a8db9202a")
OTHER_MODEL = uuid.UUID("ee882879-721c-4913-9775-3dfcce97072a")
NAMES_MODEL = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
DAY = dt.timedelta(days=1)


def a_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


@dataclass
class Maker:
    """`names` is the model in its certificates for authenticators; None for one that names none."""

    names: uuid.UUID | None = MODEL
    key: EllipticCurvePrivateKey = field(default_factory=a_key)

    @property
    def root(self) -> str:
        return self._certificate(self._name("Root"), self.key, authority=True).public_bytes(Encoding.PEM).decode()

    def statement(self, data: bytes, client: bytes) -> dict[str, object]:
        """The attestation statement over authenticator data and client data."""
        key = a_key()
        leaf = self._certificate(self._name("Authenticator Attestation"), key, authority=False)
        signature = key.sign(data + hashlib.sha256(client).digest(), ECDSA(SHA256()))
        return {"alg": -7, "sig": signature, "x5c": [leaf.public_bytes(Encoding.DER)]}

    def _certificate(self, subject: x509.Name, key: EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        at = dt.datetime.now(dt.UTC)
        made = x509.CertificateBuilder(
            issuer_name=self._name("Root"), subject_name=subject, public_key=key.public_key(),
            serial_number=x509.random_serial_number(), not_valid_before=at - DAY, not_valid_after=at + DAY,
        ).add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)  # fmt: skip
        if self.names and not authority:
            named = x509.UnrecognizedExtension(NAMES_MODEL, b"\x04\x10" + self.names.bytes)
            made = made.add_extension(named, critical=False)
        return made.sign(self.key, SHA256())

    def _name(self, common: str) -> x509.Name:
        """No two makers have the same: a chain is followed by names."""
        who = hex(self.key.public_key().public_numbers().x)[:30]
        attribute = x509.NameAttribute
        return x509.Name([attribute(x509.NameOID.COMMON_NAME, common), attribute(x509.NameOID.ORGANIZATION_NAME, who)])
