"""Exports for programs: to see what there is, and to fetch it. Asking for one stays with people in the browser."""

from typing import Annotated, Literal

from django.http import HttpResponseBase
from ninja import Field, Query, Router, Schema

from audit.access import READERS
from audit.exports.access import access_export, visible_exports
from audit.exports.download import download
from audit.exports.queries import expires_at
from audit.models import Export
from audit.read import record_read, require_role
from console.core.keyset import newest_first
from console.core.web import Request
from console.core.wire import Listed, Moment, Wanted, answers

router = Router(tags=["exports"])


class ExportOut(Schema):
    """Records from leaf `begin` up to `end` of a tree, which had `size` leaves. `digest` is SHA-256 of the manifest,
    in hex, and stands in the record of the export too. `expires_at` is when the files are deleted."""

    id: str
    form: Literal["bundle", "jsonl", "csv", "parquet", "ocsf"]
    state: Literal["requested", "running", "done", "failed", "expired"]
    filter: dict[str, str]
    requested_by: str
    requested_at: Moment
    finished_at: Moment | None
    expires_at: Moment | None
    tree: int | None = Field(description="Its number. Null before the export began, unless it was chosen")
    origin: str = Field(description="Of the tree; empty as long as there is none")
    begin: int
    end: int
    size: int
    reached: int = Field(description="The leaf up to which it is written")
    records: int
    length: int = Field(description="Bytes written; at the end those of the archive")
    digest: str
    error: str


@router.get("/exports", response=answers(Listed[ExportOut]), operation_id="list_exports")
def list_exports(request: Request, wanted: Annotated[Wanted, Query()]) -> dict[str, object]:
    """For auditors and admins."""
    require_role(request.actor, *READERS, page="api.exports")
    rows = visible_exports(request.actor).select_related("tree").defer("previous", "written")
    page = newest_first(rows, by="requested_at", after=wanted.after, size=wanted.limit)
    record_read(actor=request.actor, page="api.exports", subject=request.actor.team)
    return {"items": [_out(export) for export in page.items], "next": page.next or None}


@router.get("/exports/{export_id}", response=answers(ExportOut), operation_id="get_export")
def get_export(request: Request, export_id: str) -> dict[str, object]:
    require_role(request.actor, *READERS, page="api.export")
    export = access_export(request.actor, export_id)
    record_read(actor=request.actor, page="api.export", subject=export.pk)
    return _out(export)


@router.get(
    "/exports/{export_id}/download",
    response=answers(None),
    operation_id="download_export",
    openapi_extra={"responses": {200: {"description": "The archive", "content": {"application/zip": {
        "schema": {"type": "string", "format": "binary"}}}}}},
)  # fmt: skip
def download_export(request: Request, export_id: str) -> HttpResponseBase:
    """The ZIP. Each download is recorded. 409 while there is none: not written yet, failed, or expired."""
    require_role(request.actor, *READERS, page="api.export")
    return download(access_export(request.actor, export_id), actor=request.actor)


def _out(export: Export) -> dict[str, object]:
    names = ("form", "state", "filter", "requested_by", "requested_at", "finished_at", "begin", "end", "size",
             "records", "length", "digest", "error")  # fmt: skip
    said = {name: getattr(export, name) for name in names}
    tree, origin = (export.tree.number, export.tree.origin) if export.tree else (None, "")
    return {**said, "id": export.pk, "tree": tree, "origin": origin, "reached": export.done,
            "expires_at": expires_at(export)}  # fmt: skip
