"""The bytes of one record: built once, hashed by the database, never serialised again."""

import datetime as dt
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from console.core.actor import Actor
from console.core.canonical import jcs, profile, quoted
from console.core.clock import iso

MAX_BYTES = 65_535  # entry bundles of the tiled log format carry a 16-bit length
VERSION = 1


@dataclass(frozen=True, slots=True)
class Commitment:
    """A personal value kept out of the leaf: `seal` = HMAC-SHA256(salt, path ‖ 0 ‖ JCS(value))."""

    path: str
    value: object
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def seal(self) -> str:
        return hmac.digest(self.salt, self.path.encode() + b"\0" + jcs(self.value), hashlib.sha256).hex()


_NOTHING: Mapping[str, object] = MappingProxyType({})


class Entry(NamedTuple):  # each act makes one, and a frozen dataclass takes four times as long
    """What an act says about itself; `detail` holds facts without personal values, `personal` those with."""

    kind: str
    subject: str
    actor: Actor
    team: str
    state: str = ""
    run: str = ""
    trace: str = ""
    span: str = ""
    on_behalf_of: str = ""
    outcome: str = ""
    decision: Mapping[str, object] = _NOTHING
    detail: Mapping[str, object] = _NOTHING
    personal: Mapping[str, object] = _NOTHING


def build(entry: Entry, *, log: str, identity: uuid.UUID, at: dt.datetime, writer: tuple[str, int],
          commitments: list[Commitment]) -> bytes:  # fmt: skip
    """Raises ValueError when something in the entry has no canonical form or the leaf would be too large."""
    text = quoted({
        "action": entry.kind, "auth": entry.actor.auth, "actor": entry.actor.id, "for": entry.on_behalf_of,
        "type": entry.actor.kind, "id": str(identity), "log": log, "object": entry.subject, "outcome": entry.outcome,
        "run": entry.run, "state": entry.state, "team": entry.team, "span": entry.span, "trace": entry.trace,
        "ts": iso(at), "writer": writer[0],
    })  # fmt: skip
    seals = profile({commitment.path: commitment.seal for commitment in commitments}, "/c")
    # In the order of its keys, written out: each act waits for its leaf, and almost all of it is text.
    leaf = (
        f'{{"action":{text["action"]},"actor":{{"auth":{text["auth"]},"id":{text["actor"]},'
        f'"on_behalf_of":{text["for"]},"type":{text["type"]}}},"blobs":[],"c":{seals},'
        f'"decision":{profile(entry.decision, "/decision")},"detail":{profile(entry.detail, "/detail")},'
        f'"id":{text["id"]},"log":{text["log"]},"object":{text["object"]},"outcome":{text["outcome"]},'
        f'"run":{text["run"]},"state":{text["state"]},"team":{text["team"]},'
        f'"trace":{{"span_id":{text["span"]},"trace_id":{text["trace"]}}},"ts":{text["ts"]},"v":{VERSION},'
        f'"writer":{{"id":{text["writer"]},"seq":{writer[1]}}}}}'
    ).encode()
    if len(leaf) > MAX_BYTES:
        raise ValueError(f"{entry.kind} of {entry.subject}: a leaf of {len(leaf)} bytes; larger content goes by digest")
    return leaf
