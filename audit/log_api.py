"""The signed log for programs, in the forms of C2SP: its checkpoint, its tiles, and how it grew. Hashes only."""

import re
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router, Schema

from audit import proofs, trees
from audit.access import READERS
from audit.merkle import HASH, WIDTH
from audit.models import Tree
from audit.proof_views import consistency, tree_of
from audit.read import record_read, require_role
from console.core.errors import NotFound
from console.core.web import Request
from console.core.wire import Error

router = Router(tags=["log"])
TILE = re.compile(
    r"(?P<level>[0-9]|[1-5][0-9]|6[0-3])/(?P<n>(x[0-9]{3}/){0,5}[0-9]{3})(\.p/(?P<width>[1-9][0-9]{0,2}))?"
)
Origin = Annotated[str, Query(max_length=300, description="Of the tree; without it, the one that grows")]


class Grown(Schema):
    """`proof` is that of RFC 9162 §2.1.4, in base64. It is empty when one of the two holds nothing, or both are one."""

    origin: str
    proof: list[str]


def raw(kind: str) -> dict[str, Any]:
    """A route that does not answer in JSON."""
    schema = {"type": "string"} if kind.startswith("text") else {"type": "string", "format": "binary"}
    return {"responses": {200: {"description": "OK", "content": {kind: {"schema": schema}}}}}


REFUSALS = dict.fromkeys((401, 403, 404, 405, 422), Error)


def read(request: HttpRequest, origin: str) -> Tree:
    actor = request.actor  # type: ignore[attr-defined]
    require_role(actor, *READERS, page="api.log")
    tree = tree_of(origin)
    record_read(actor=actor, page="api.log", subject=tree.origin)
    return tree


@router.get("/log/checkpoint", response=REFUSALS, operation_id="get_checkpoint", openapi_extra=raw("text/plain"))
def get_checkpoint(request: Request, origin: Origin = "") -> HttpResponse:
    """The newest signed tree head (c2sp.org/tlog-checkpoint), with the lines of witnesses that have seen it."""
    newest = trees.newest_checkpoint(read(request, origin))
    if newest is None:
        raise NotFound("Nothing is signed yet.")
    return HttpResponse(proofs.signed_note(newest), content_type="text/plain; charset=utf-8")


@router.get(
    "/log/tile/{path:tile}", response=REFUSALS, operation_id="get_tile", openapi_extra=raw("application/octet-stream")
)
def get_tile(request: Request, tile: Annotated[str, Path(max_length=60)], origin: Origin = "") -> HttpResponse:
    """Hashes of the tree (c2sp.org/tlog-tiles): `<L>/<N>`, or `<L>/<N>.p/<W>` for the first W of a tile that grows."""
    tree, wanted = read(request, origin), TILE.fullmatch(tile)
    width = int(wanted["width"] or WIDTH) if wanted else 0
    number = int(wanted["n"].replace("/", "").replace("x", "")) if wanted else 0
    place = int(wanted["level"]) if wanted else 0, number
    hashes = trees.read_tiles(tree, [place]).get(place, b"") if width <= WIDTH else b""
    if not wanted or len(hashes) < width * HASH:
        raise NotFound("The tree has no such tile, or not so much of it.")
    return HttpResponse(hashes[: width * HASH], content_type="application/octet-stream")


@router.get("/log/consistency", response={200: Grown, **REFUSALS}, operation_id="get_consistency")
def get_consistency(
    request: Request,
    begin: Annotated[int | None, Query(alias="from", ge=0, description="Records in the earlier tree; 0")] = None,
    end: Annotated[int | None, Query(alias="to", ge=0, description="Records in the later tree; all")] = None,
    origin: Origin = "",
) -> dict[str, object]:
    """That the earlier tree is the beginning of the later one."""
    tree = read(request, origin)
    return {"origin": tree.origin, "proof": consistency(tree, begin, end)}
