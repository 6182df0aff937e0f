"""One record opened: its leaf read, its commitments checked against what is disclosed. Pure, but for its reads."""

import datetime as dt
import hmac
import json
from dataclasses import dataclass, replace
from typing import Any

from audit.leaf import Commitment
from audit.models import Disclosure, Record, Waiting
from audit.vocabulary import Kind
from console.core.errors import Conflict

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
    """Raises Conflict for bytes that are not in the form of a record."""
    raw = bytes(record.leaf)
    leaf = read_leaf(raw)
    if leaf is None:
        raise Conflict("The bytes of this record are not in the form of one: no process of the console wrote them.")
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
    found = dict[tuple[str, str], str]()
    for key, subject, raw in told.values_list("pk", "subject", "leaf"):
        leaf = read_leaf(bytes(raw))
        paths = leaf["detail"].get("paths") if leaf else None
        if isinstance(paths, list):
            found |= {(subject, path): str(key) for path in paths if isinstance(path, str)}
    return found


def read_leaf(raw: bytes) -> dict[str, Any] | None:
    """What it says. None where that is not in the form of a record: whoever can write rows may have put anything there,
    and it is in the tree like everything else."""
    try:
        leaf = json.loads(raw)
        texts = [*(leaf[key] for key in _REPEATED.values()), leaf["id"], leaf["outcome"], *leaf["c"].values(),
                 *(leaf["actor"][key] for key in ("auth", "id", "on_behalf_of", "type")), leaf["trace"]["span_id"],
                 leaf["trace"]["trace_id"]]  # fmt: skip
        whole = all(isinstance(one, str) for one in texts) and dt.datetime.fromisoformat(leaf["ts"]).tzinfo is not None
        whole = whole and all(isinstance(leaf[key], dict) for key in ("decision", "detail", "writer"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return leaf if whole else None


def differing(record: Record, leaf: dict[str, Any]) -> list[str]:
    """Names of the search columns that do not say what the leaf says."""
    said = {column: leaf[key] for column, key in _REPEATED.items()}
    said |= {"id": leaf["id"], "actor": leaf["actor"]["id"], "actor_kind": leaf["actor"]["type"],
             "trace": leaf["trace"]["trace_id"]}  # fmt: skip
    return sorted(column for column, value in said.items() if str(getattr(record, column)) != value)
