"""One record opened: its leaf read, its commitments checked against what is disclosed. Pure, but for one read."""

import hmac
import json
from dataclasses import dataclass
from typing import Any

from audit.leaf import Commitment
from audit.models import Disclosure, Pending, Record

# Search columns repeat parts of the leaf; whoever inserts by SQL could make them differ.
_REPEATED = {
    "kind": "action", "subject": "object", "state": "state", "team": "team", "run": "run", "log": "log",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Opened:
    """`status` of a commitment: `disclosed` (and the value matches), `mismatch`, or `erased`."""

    path: str
    seal: str
    status: str
    value: object = None
    salt: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    leaf: dict[str, Any]
    text: str
    hash: str
    differing: list[str]
    commitments: list[Opened]
    waiting: bool


def prove(record: Record) -> Proof:
    raw = bytes(record.leaf)
    leaf: dict[str, Any] = json.loads(raw)
    disclosed = {row.path: row for row in Disclosure.objects.filter(record_id=record.pk)}
    return Proof(
        leaf=leaf,
        text=raw.decode(),
        hash=bytes(record.leaf_hash or b"").hex(),
        differing=differing(record, leaf),
        commitments=[open_commitment(path, seal, disclosed.get(path)) for path, seal in leaf["c"].items()],
        waiting=Pending.objects.filter(pk=record.pk).exists(),
    )


def open_commitment(path: str, seal: str, row: Disclosure | None) -> Opened:
    if row is None:
        return Opened(path, seal, "erased")
    salt = bytes(row.salt)
    same = hmac.compare_digest(Commitment(path, row.value, salt).seal, seal)
    return Opened(path, seal, "disclosed" if same else "mismatch", row.value, salt.hex())


def differing(record: Record, leaf: dict[str, Any]) -> list[str]:
    """Names of the search columns that do not say what the leaf says."""
    said = {column: leaf[key] for column, key in _REPEATED.items()}
    said |= {"id": leaf["id"], "actor": leaf["actor"]["id"], "actor_kind": leaf["actor"]["type"],
             "trace": leaf["trace"]["trace_id"]}  # fmt: skip
    return sorted(column for column, value in said.items() if str(getattr(record, column)) != value)
