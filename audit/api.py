"""Records for programs: what the audit pages show, with the exact leaf to hash."""

import datetime as dt
import uuid
from typing import Annotated, Literal

from ninja import Field, Query, Router, Schema

from audit import proofs
from audit.access import READERS, access_record, visible_records
from audit.log_api import router as log
from audit.models import Record
from audit.proof import Opened, prove
from audit.queries import matching
from audit.read import record_read, require_role
from console.core.keyset import newest_first
from console.core.web import Request
from console.core.wire import Listed, Moment, Wanted, answers

router = Router(tags=["records"])
router.add_router("", log)


class RecordFilter(Wanted):
    kind: str = Field("", max_length=64, description="The beginning of a kind: `runs:step:` is everything about steps")
    subject: str = Field("", max_length=200)
    actor: str = Field("", max_length=100)
    run: str = Field("", max_length=100)
    since: dt.date | None = Field(None, description="First day, UTC")
    until: dt.date | None = Field(None, description="Last day, UTC, included")


class Who(Schema):
    kind: str
    id: str


class RecordOut(Schema):
    """`leaf_hash` is SHA-256 over a zero byte and the leaf (RFC 6962), in hex."""

    id: str
    at: Moment
    kind: str
    subject: str
    state: str
    actor: Who
    run: str
    trace: str
    leaf_hash: str


class Commitment(Schema):
    """`seal` is HMAC-SHA256 with the salt over path, a zero byte and the canonical JSON of the value."""

    path: str
    seal: str
    status: Literal["disclosed", "mismatch", "erased"]
    value: object = None
    salt: str


class RecordProof(RecordOut):
    """`leaf` is UTF-8 text whose bytes are what is hashed: hash it as it is, never parsed and written again.

    `index`, `tree_size` and `proof` (c2sp.org/tlog-proof) are null until a signed tree holds the record.
    """

    leaf: str
    waiting_for_tree: bool
    index: int | None
    tree_size: int | None
    proof: str | None
    commitments: list[Commitment]


@router.get("/records", response=answers(Listed[RecordOut]), operation_id="list_records")
def list_records(request: Request, wanted: Annotated[RecordFilter, Query()]) -> dict[str, object]:
    """For auditors and admins. Reading is itself recorded, once per filter and five minutes."""
    require_role(request.actor, *READERS, page="api.records")
    records = matching(visible_records(request.actor), wanted.model_dump())
    page = newest_first(records, by="at", after=wanted.after, size=wanted.limit)
    told = wanted.model_dump(mode="json", exclude={"after", "limit"}, exclude_defaults=True)
    record_read(actor=request.actor, page="api.records", subject=request.actor.team,
                filter=" ".join(f"{name}={value}" for name, value in told.items()))  # fmt: skip
    return {"items": [_brief(record) for record in page.items], "next": page.next or None}


@router.get(
    "/records/{uuid:record_id}",
    response=answers(RecordProof),
    operation_id="get_record",
    summary="One record, provable",
)
def get_record(request: Request, record_id: uuid.UUID) -> dict[str, object]:
    """For auditors and admins, with the leaf's exact bytes and what is disclosed of its commitments."""
    require_role(request.actor, *READERS, page="api.record")
    record = access_record(request.actor, record_id)
    proof = prove(record)
    record_read(actor=request.actor, page="api.record", subject=str(record.pk))
    place = proofs.prove_place(record.pk)
    return {
        **_brief(record), "leaf": proof.text, "waiting_for_tree": place is None, "index": place and place.index,
        "tree_size": place and place.size, "proof": place and place.text,
        "commitments": [_commitment(one) for one in proof.commitments],
    }  # fmt: skip


def _brief(record: Record) -> dict[str, object]:
    return {
        "id": str(record.pk), "at": record.at, "kind": record.kind, "subject": record.subject, "state": record.state,
        "actor": {"kind": record.actor_kind, "id": record.actor}, "run": record.run, "trace": record.trace,
        "leaf_hash": record.leaf_hash.hex(),
    }  # fmt: skip


def _commitment(one: Opened) -> dict[str, object]:
    return {"path": one.path, "seal": one.seal, "status": one.status, "value": one.value, "salt": one.salt}
