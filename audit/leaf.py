"""The bytes of one record: built once, hashed by the database, never serialised again."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from console.core.actor import Actor
from console.core.canonical import jcs, packed, require_profile

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


def build(entry: Entry, *, log: str, identity: str, at: str, writer: tuple[str, int],
          commitments: list[Commitment]) -> bytes:  # fmt: skip
    """`at` as `console.core.clock.stamp` says it. Raises ValueError when something in the entry has no canonical form
    or the leaf would be too large."""
    seals = {commitment.path: commitment.seal for commitment in commitments} if commitments else {}
    if seals or entry.decision or entry.detail:
        for name, part in (("c", seals), ("decision", entry.decision), ("detail", entry.detail)):
            require_profile(part, f"/{name}")
    actor = entry.actor
    leaf = packed({
        "action": entry.kind,
        "actor": {"auth": actor.auth, "id": actor.id, "on_behalf_of": entry.on_behalf_of, "type": actor.kind},
        "blobs": [], "c": seals, "decision": entry.decision or {}, "detail": entry.detail or {}, "id": identity,
        "log": log, "object": entry.subject, "outcome": entry.outcome, "run": entry.run, "state": entry.state,
        "team": entry.team, "trace": {"span_id": entry.span, "trace_id": entry.trace}, "ts": at, "v": VERSION,
        "writer": {"id": writer[0], "seq": writer[1]},
    })  # fmt: skip
    if len(leaf) > MAX_BYTES:
        raise ValueError(f"{entry.kind} of {entry.subject}: a leaf of {len(leaf)} bytes; larger content goes by digest")
    return leaf
