"""The tree as people read it: how far it is signed, with which keys, and who outside has seen it."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.access import READERS
from audit.models import Checkpoint, Cosignature, LogKey, Outlet, Receipt, Tree
from audit.read import record_read, require_role
from audit.standing import standing, why_risky_actions_wait
from audit.trees import log_name
from console.core.errors import Invalid
from console.core.web import Request, signed_in

SHOWN = 25


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint, and whose word there is for it besides the log's."""

    checkpoint: Checkpoint
    witnesses: list[str]
    anchors: list[Receipt]


@require_safe
@signed_in
def show_tree(request: Request) -> HttpResponse:
    """Checkpoints newest first; `before` in the address is a size."""
    require_role(request.actor, *READERS, page="tree")
    now = standing()
    rows = signed_trees(now.tree, read_size(request.GET.get("before", ""))) if now else []
    context = {
        "standing": now,
        "waits": why_risky_actions_wait(),
        "limit": settings.MAX_UNANCHORED,
        "rows": rows[:SHOWN],
        "next": rows[SHOWN - 1].checkpoint.size if len(rows) > SHOWN else 0,
        "keys": LogKey.objects.filter(tree=now.tree).order_by("since") if now else [],
        "outlets": Outlet.objects.order_by("kind", "name"),
        "closed": Tree.objects.filter(log=log_name()).exclude(closed_at=None).order_by("-number"),
    }
    record_read(actor=request.actor, page="tree", subject=request.actor.team)
    return render(request, "audit/tree.html", context)


def read_size(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid("This is not a place in the list. Begin with the first page.", code="invalid_cursor")
    return int(text)


def signed_trees(tree: Tree, before: int | None) -> list[Signed]:
    """One more than a page holds, to tell whether another follows."""
    found = Checkpoint.objects.filter(tree=tree).order_by("-size")
    if before is not None:
        found = found.filter(size__lt=before)
    checkpoints = list(found[: SHOWN + 1])
    sizes = [checkpoint.size for checkpoint in checkpoints]
    witnesses: dict[int, list[str]] = {}
    for size, witness in Cosignature.objects.filter(tree=tree, size__in=sizes).values_list("size", "witness"):
        witnesses.setdefault(size, []).append(witness)
    receipts: dict[int, list[Receipt]] = {}
    for receipt in Receipt.objects.filter(tree=tree, size__in=sizes).order_by("anchor"):
        receipts.setdefault(receipt.size, []).append(receipt)
    return [Signed(one, witnesses.get(one.size, []), receipts.get(one.size, [])) for one in checkpoints]
