"""ID tokens, whoever made them: only one by the provider's key, for this client, believed by nobody else."""

import datetime as dt
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa

from console.accounts.id_tokens import check_fresh, check_nonce, verify_id_token

ISSUER, CLIENT = "https://id.example", "console"
KEY, OTHER = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
RSA = generate_rsa(65537, 2048)


def published(key: Any = KEY, kid: str = "k", **more: Any) -> dict[str, Any]:
    return {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": kid, "alg": "ES256", **more}


def claims(**instead: Any) -> dict[str, Any]:
    at = int(time.time())
    said = {"iss": ISSUER, "sub": "k-1", "aud": CLIENT, "iat": at, "exp": at + 60, "nonce": "n", **instead}
    return {name: value for name, value in said.items() if value is not None}


def token(key: Any = KEY, kid: str | None = "k", alg: str = "ES256", **instead: Any) -> str:
    return jwt.encode(claims(**instead), key, alg, headers={"kid": kid} if kid else {})


def verify(given: str, *keys: dict[str, Any]) -> dict[str, Any]:
    return verify_id_token(given, {"keys": list(keys or [published()])}, issuer=ISSUER, client_id=CLIENT)


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"kid": None},
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "another"], "azp": CLIENT},
    ],
)
def test_token_of_the_provider_for_this_client_is_believed(good: dict[str, Any]) -> None:
    assert verify(token(**good))["sub"] == "k-1"


def test_clocks_may_differ_a_little() -> None:
    at = int(time.time())
    assert verify(token(exp=at - 30, iat=at + 30))["sub"] == "k-1"


AT = int(time.time())
BAD = {
    "another issuer": token(iss="https://id.example/"),
    "an issuer that only looks alike": token(iss="https://id.exаmple"),
    "another audience": token(aud="another"),
    "an audience among others, asked for by another": token(aud=[CLIENT, "another"], azp="another"),
    "several audiences and nobody who asked": token(aud=[CLIENT, "another"]),
    "asked for by another": token(azp="another"),
    "another key of that name": token(key=OTHER),
    "a key that is not published": token(kid="elsewhere"),
    "a signature by the public key as if it were a secret": token(key=published()["x"], alg="HS256"),
    "no signature": token(key=None, alg="none"),
    "another algorithm than the key's": token(key=RSA, alg="RS256"),
    "its end": token(exp=AT - 3600),
    "a beginning that is to come": token(iat=AT + 3600),
    "no issuer": token(iss=None),
    "no subject": token(sub=None),
    "no audience": token(aud=None),
    "no end": token(exp=None),
    "no beginning": token(iat=None),
    "an empty subject": token(sub=""),
    "a number as subject": token(sub=7),
    "a subject without end": token(sub="x" * 256),
    "a NUL in the subject": token(sub="k-1\0"),
    "a part that was changed": token()[:-2] + ("AA" if token()[-2:] != "AA" else "BB"),
    "nothing of a token": "",
}


@pytest.mark.parametrize("wrong", BAD)
def test_any_other_token_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        verify(BAD[wrong])


@pytest.mark.parametrize(
    "keys",
    [
        [published(), published(OTHER)],
        [published(use="enc")],
        [{"kty": "oct", "kid": "k", "k": "c2VjcmV0"}],
        [{}],
        [{"kty": "EC"}],
        [],
    ],
)
def test_keys_that_do_not_name_one_are_refused(keys: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match=r"."):
        verify_id_token(token(), {"keys": keys}, issuer=ISSUER, client_id=CLIENT)


@pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": 1}, [], "keys"])
def test_keys_in_another_form_are_refused(keys: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        verify_id_token(token(), keys, issuer=ISSUER, client_id=CLIENT)


@pytest.mark.parametrize(("said", "wanted"), [("other", "n"), (None, "n"), ("", ""), (None, ""), ("ñ", "n")])
def test_nonce_must_be_the_one_that_was_given_out(said: str | None, wanted: str) -> None:
    check_nonce({"nonce": "n"}, "n")
    with pytest.raises(ValueError, match="another sign-in"):
        check_nonce({"nonce": said} if said is not None else {}, wanted)


NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
ASKED = NOW - dt.timedelta(minutes=2)


@pytest.mark.parametrize("seconds", [-180, -120, -60.5, 0, 60])
def test_proof_since_it_was_asked_for_is_fresh(seconds: float) -> None:
    check_fresh({"auth_time": NOW.timestamp() + seconds}, asked=ASKED, at=NOW)


@pytest.mark.parametrize(
    "moment", [NOW.timestamp() - 181, NOW.timestamp() + 61, "now", None, True, float("nan"), float("inf")]
)
def test_any_other_proof_is_not(moment: object) -> None:
    for said in ({"auth_time": moment}, {}):
        with pytest.raises(ValueError, match="provider"):
            check_fresh(said, asked=ASKED, at=NOW)
