"""One record opened: its leaf read, its commitments checked against what is disclosed. Pure, but for its reads."""

import hmac
import json
from dataclasses import dataclass, replace
from typing import Any

from audit.leaf import Commitment
from audit.models import Disclosure, Record, Waiting
from audit.vocabulary import Kind

# Search columns repeat parts of the leaf; whoever inserts by SQL could make them differ.
_REPEATED = {
    "kind": "action", "subject": "object", "state": "state", "team": "team", "run": "run", "log": "log",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Opened:
    """`status` of a commitment: `disclosed` (and the value matches), `mismatch`, or `erased`; then `erased_by` is the
    record that tells by whom and why."""

    path: str
    seal: str
    status: str
    value: object = None
    salt: str = ""
    erased_by: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    leaf: dict[str, Any]
    text: str
    hash: str
    differing: list[str]
    commitments: list[Opened]
    waiting: bool

    @property
    def discloses(self) -> bool:
        return any(one.status != "erased" for one in self.commitments)


def prove(record: Record) -> Proof:
    raw = bytes(record.leaf)
    leaf: dict[str, Any] = json.loads(raw)
    disclosed = {row.path: row for row in Disclosure.objects.filter(record_id=record.pk)}
    gone = erasures(str(record.pk)) if leaf["c"].keys() - disclosed else {}
    return Proof(
        leaf=leaf,
        text=raw.decode(),
        hash=record.leaf_hash.hex(),
        differing=differing(record, leaf),
        commitments=[
            replace(open_commitment(path, seal, disclosed.get(path)), erased_by=gone.get((str(record.pk), path), ""))
            for path, seal in leaf["c"].items()
        ],
        waiting=Waiting.objects.filter(pk=record.pk).exists(),
    )


def open_commitment(path: str, seal: str, row: Disclosure | None) -> Opened:
    if row is None:
        return Opened(path, seal, "erased")
    salt = bytes(row.salt)
    same = hmac.compare_digest(Commitment(path, row.value, salt).seal, seal)
    return Opened(path, seal, "disclosed" if same else "mismatch", row.value, salt.hex())


def erasures(*subjects: str) -> dict[tuple[str, str], str]:
    """The record and the path that were erased → the record that tells of it. Without subjects: all of the log."""
    told = Record.objects.filter(kind=Kind.DISCLOSURE_ERASED)
    told = told.filter(subject__in=subjects) if subjects else told
    return {
        (subject, path): str(key)
        for key, subject, leaf in told.values_list("pk", "subject", "leaf")
        for path in json.loads(bytes(leaf))["detail"].get("paths", ())
    }


def differing(record: Record, leaf: dict[str, Any]) -> list[str]:
    """Names of the search columns that do not say what the leaf says."""
    said = {column: leaf[key] for column, key in _REPEATED.items()}
    said |= {"id": leaf["id"], "actor": leaf["actor"]["id"], "actor_kind": leaf["actor"]["type"],
             "trace": leaf["trace"]["trace_id"]}  # fmt: skip
    return sorted(column for column, value in said.items() if str(getattr(record, column)) != value)
