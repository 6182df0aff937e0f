"""How a credential gets into a request that people have agreed to without it. Pure; the door alone calls it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from console.core.sigv4 import Signer, sign


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


@dataclass(frozen=True, slots=True)
class Injected:
    """What is added to the request. `query` is one encoded `name=value`, written last. `echoed` are further texts by
    which a peer could give the secret away, beside the secret parts themselves."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: str = field(default="", repr=False)
    echoed: tuple[str, ...] = field(default=(), repr=False)


def nothing(_: Outgoing) -> Injected:
    return Injected()


def bearer(out: Outgoing) -> Injected:
    return Injected({"Authorization": f"Bearer {out.parts['token']}"})


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
