"""How a credential gets into a request that people have agreed to without it. The door alone calls it.

The time is given; only the id of an assertion is random.
"""

import base64
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote

from console.core.jwt import encode, read_key
from console.core.sigv4 import Signer, sign

PLACE = re.compile(r"\{([a-z0-9_]+)\}")
IN_VALUE = ("signature", "timestamp", "key_id")
IN_SIGNED = ("method", "host", "path", "query", "target", "body", "body_sha256", "timestamp", "key_id")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is written without the credential, and the credential. Path and query are encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # all that will be written, Host too
    agreed: frozenset[str]  # names of those headers that arguments made
    body: bytes
    settings: Mapping[str, str]
    parts: Mapping[str, str] = field(repr=False)
    at: datetime
    token: str = field(default="", repr=False)  # that an authorization server gave for the credential


@dataclass(frozen=True, slots=True)
class Injected:
    """What is added to the request. `query` is one encoded `name=value`, written last. `echoed` are further texts by
    which a peer could give the secret away, beside the secret parts themselves."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)  # of the client, with its key: PEM
    echoed: tuple[str, ...] = field(default=(), repr=False)


def nothing(_: Outgoing) -> Injected:
    return Injected()


def bearer(out: Outgoing) -> Injected:
    return Injected({"Authorization": f"Bearer {out.parts['token']}"})


def access_token(out: Outgoing) -> Injected:
    return Injected({"Authorization": f"Bearer {out.token}"}, echoed=(out.token,))


def basic(out: Outgoing) -> Injected:
    """A user without a password is a key that stands in the user's place."""
    user, password = out.parts["user"], out.parts.get("password", "")
    pair = f"{user}:{password}"
    echoed = (pair,) if password else (pair, user)
    return Injected({"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, echoed=echoed)


def header(out: Outgoing) -> Injected:
    ahead = f"{out.settings['prefix']} " if "prefix" in out.settings else ""
    return Injected({out.settings["header"]: ahead + out.parts["key"]})


def query(out: Outgoing) -> Injected:
    return Injected(query=f"{quote(out.settings['parameter'], safe='')}={quote(out.parts['key'], safe='')}")


def sigv4(out: Outgoing) -> Injected:
    """Signed are Host, Content-Type and what arguments made: what people agreed to, and nothing that changes on its way
    such as the trace."""
    signer = Signer(
        out.parts["access_key_id"], out.parts["secret_access_key"], out.settings["region"], out.settings["service"],
        out.parts.get("session_token", ""),
    )  # fmt: skip
    signed = {name: value for name, value in out.headers.items() if name in out.agreed | {"Host", "Content-Type"}}
    added = sign(signer, out.method, out.path, out.query, signed, out.body, now=out.at)
    return Injected({name.title(): value for name, value in added.items()})


def hmac_signature(out: Outgoing) -> Injected:
    """Over what the integration says, filled with the request as it will be written."""
    settings, at = out.settings, str(int(out.at.timestamp()))
    held = {
        "method": out.method.encode(), "host": out.headers["Host"].encode(), "path": out.path.encode(),
        "query": out.query.encode(), "target": (out.path + (f"?{out.query}" if out.query else "")).encode(),
        "body": out.body, "body_sha256": sha256(out.body).hexdigest().encode(), "timestamp": at.encode(),
        "key_id": out.parts.get("key_id", "").encode(),
    }  # fmt: skip
    code = hmac.digest(out.parts["secret"].encode(), filled(settings["signs"], held), settings["algorithm"])
    written = code.hex() if settings["encoding"] == "hex" else base64.b64encode(code).decode()
    value = filled(settings["value"], {**held, "signature": written.encode()}).decode()
    added = {settings["header"]: value}
    if "timestamp_header" in settings:
        added[settings["timestamp_header"]] = at
    if "key_header" in settings:
        added[settings["key_header"]] = out.parts["key_id"]
    return Injected(added)


def filled(template: str, held: Mapping[str, bytes]) -> bytes:
    """What is filled in is never searched for places again: it may hold anything."""
    texts = PLACE.split(template)
    return b"".join(held[text] if index % 2 else text.encode() for index, text in enumerate(texts))


def jwt(out: Outgoing) -> Injected:
    """An assertion of some minutes, signed for each request anew (RFC 7519 §4.1)."""
    settings, at = out.settings, int(out.at.timestamp())
    named = {"iss": "issuer", "sub": "subject", "aud": "audience"}
    claims = {claim: settings[name] for claim, name in named.items() if name in settings}
    times = {"iat": at, "exp": at + int(settings["lifetime"]), "jti": secrets.token_hex(16)}
    key = read_key(settings["algorithm"], out.parts["private_key"])
    token = encode({**claims, **times}, algorithm=settings["algorithm"], key=key, key_id=out.parts.get("key_id", ""))
    return Injected({"Authorization": f"Bearer {token}"}, echoed=(token, token.rpartition(".")[2]))


def mtls(out: Outgoing) -> Injected:
    return Injected(certificate=f"{out.parts['private_key'].strip()}\n{out.parts['certificate'].strip()}\n")
