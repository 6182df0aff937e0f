"""ID tokens of providers: what has to hold before a claim in one is believed. Pure.

The sign-in library leaves a token that came over TLS unverified, which OpenID Connect Core 1.0 §3.1.3.7 allows, and
knows no nonce. Here signature and nonce are always checked.
"""

import datetime as dt
import hmac
from collections.abc import Mapping
from typing import Any

import jwt

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LEEWAY = dt.timedelta(seconds=60)  # between the provider's clock and ours
SUBJECT = 255  # characters; OpenID Connect Core 1.0 §2


def verify_id_token(token: str, keys: Mapping[str, Any], *, issuer: str, client_id: str) -> dict[str, Any]:
    """The claims; ask `check_nonce` too. `keys` is the provider's JWK Set (RFC 7517). Raises ValueError."""
    try:
        claims = jwt.decode(
            token,
            key_of(token, keys),
            algorithms=ALGORITHMS,
            issuer=issuer,
            audience=client_id,
            leeway=LEEWAY,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except (jwt.PyJWTError, TypeError, AttributeError) as fault:
        raise ValueError(f"The ID token does not verify: {fault}") from fault
    check_party(claims, client_id)
    if not 0 < len(claims["sub"]) <= SUBJECT or "\0" in claims["sub"]:
        raise ValueError("The ID token has no usable subject.")
    return claims


def key_of(token: str, keys: Mapping[str, Any]) -> jwt.PyJWK:
    """By its id; where the token names none, the only one (OpenID Connect Core 1.0 §10.1)."""
    named = jwt.get_unverified_header(token).get("kid")
    signing = [one for one in jwt.PyJWKSet.from_dict(dict(keys)).keys if one.public_key_use in {None, "sig"}]
    found = [one for one in signing if named is None or one.key_id == named]
    if len(found) != 1:
        raise ValueError("The provider does not publish the key that signed the ID token.")
    return found[0]


def check_nonce(claims: Mapping[str, Any], nonce: str) -> None:
    """That the token answers what this browser asked, and no other sign-in. Raises ValueError."""
    if not nonce or not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise ValueError("The ID token was made for another sign-in.")


def check_party(claims: Mapping[str, Any], client_id: str) -> None:
    """A token for several parties says who asked for it (§3.1.3.7, 4 and 5)."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (several or "azp" in claims) and claims.get("azp") != client_id:
        raise ValueError("The ID token was given to another party.")


def check_fresh(claims: Mapping[str, Any], *, asked: dt.datetime, at: dt.datetime) -> None:
    """That the person proved who they are after they were asked to (`auth_time`, §2). Raises ValueError."""
    moment = claims.get("auth_time")
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        raise ValueError("The provider does not say when you confirmed.")
    if not asked.timestamp() - LEEWAY.total_seconds() <= moment <= at.timestamp() + LEEWAY.total_seconds():
        raise ValueError("The provider did not ask you again.")
