"""Assertions are signed as the libraries of others check them."""

import base64
import hmac
import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from console.core.errors import Invalid
from integrations.credential_types import check_settings, pack
from integrations.description import Description
from integrations.outbound import NotSent, send
from integrations.render import render
from tests.units.signing_in import KEY, Peer, ask, peer

__all__ = ["peer"]


def pem(key: Any) -> str:
    form = serialization.PrivateFormat.PKCS8
    return str(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode())


RSA = rsa.generate_private_key(65537, 2048)
P256, ED = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
ASSERTED = {"RS256": pem(RSA), "ES256": pem(P256), "EdDSA": pem(ED), "HS256": KEY * 2}


def check_signature(algorithm: str, text: bytes, signature: bytes) -> None:
    """As the libraries of others check it; raises InvalidSignature."""
    match algorithm:
        case "RS256":
            RSA.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        case "ES256":
            assert len(signature) == 64
            pair = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
            P256.public_key().verify(pair, text, ec.ECDSA(hashes.SHA256()))
        case "EdDSA":
            ED.public_key().verify(signature, text)
        case _:
            assert hmac.new((KEY * 2).encode(), text, "sha256").digest() == signature


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize("algorithm", ASSERTED)
def test_an_assertion_is_signed_for_each_request(peer: Peer, algorithm: str) -> None:
    settings = {"algorithm": algorithm, "issuer": "app-1", "audience": "https://aud.example", "lifetime": "120"}
    ids = set()
    for _ in range(2):
        _, sent = ask(peer, "jwt", {"private_key": ASSERTED[algorithm], "key_id": "key-1"}, settings)
        scheme, _, token = sent.headers["Authorization"].partition(" ")
        head, claims, signature = token.split(".")
        assert (scheme, json.loads(decoded(head))) == ("Bearer", {"alg": algorithm, "typ": "JWT", "kid": "key-1"})
        check_signature(algorithm, f"{head}.{claims}".encode(), decoded(signature))
        told = json.loads(decoded(claims))
        ids.add(told.pop("jti"))
        at = told["iat"]
        assert told == {"iss": "app-1", "aud": "https://aud.example", "iat": at, "exp": at + 120}
        assert abs(at - time.time()) < 60
    assert len(ids) == 2


def test_an_assertion_that_a_peer_says_back_is_not_kept_whole_or_in_part(peer: Peer) -> None:
    answer, sent = ask(peer, "jwt", {"private_key": ASSERTED["ES256"]}, {"algorithm": "ES256", "issuer": "app-1"})
    token = sent.headers["Authorization"].partition(" ")[2]
    said = json.dumps(answer.body)
    signature = token.rpartition(".")[2]
    assert [form for form in (token, signature, token.encode().hex(), signature.encode().hex(), quote(token),
            base64.b64encode(token.encode()).decode()) if form in said] == []  # fmt: skip


WRONG_KEYS: dict[str, tuple[str, str, str]] = {
    "another kind": ("RS256", pem(P256), "^private_key: is not a key for RS256: RSA of at least 2048 bits$"),
    "a short one": ("RS256", pem(rsa.generate_private_key(65537, 1024)), "is not a key for RS256"),
    "another curve": ("ES256", pem(ec.generate_private_key(ec.SECP384R1())), "is not a key for ES256: P-256"),
    "no PEM": ("EdDSA", KEY, "^private_key: is not a private key in PEM without a passphrase$"),
    "a short secret": ("HS256", KEY, "at least 32 bytes"),
    "binary": ("HS256", "é" * 40, "^private_key: must be printable ASCII"),
    "a locked one": ("EdDSA", ED.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase")).decode(), "without a passphrase"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_KEYS)
def test_a_key_that_cannot_sign_is_refused_when_it_is_stored(name: str) -> None:
    algorithm, key, says = WRONG_KEYS[name]
    with pytest.raises(Invalid, match=says) as refusal:
        pack("jwt", check_settings("jwt", {"algorithm": algorithm, "issuer": "i"}), {"private_key": key})
    assert "7Qz9Xv3" not in str(refusal.value)


def test_a_key_is_not_used_with_another_algorithm_than_it_was_sealed_for(peer: Peer) -> None:
    settings = check_settings("jwt", {"algorithm": "ES256", "issuer": "i"})
    sealed = pack("jwt", settings, {"private_key": pem(P256)})
    rendered = render(Description("l", {"method": "GET", "path": "/l"}), {}, base_url=peer.url, key="k")
    with pytest.raises(NotSent, match="Seal it anew"):
        send(rendered, expected=rendered.digest, secret=sealed, credential_type="jwt",
             settings={**settings, "algorithm": "RS256"})  # fmt: skip
    assert peer.seen == []
