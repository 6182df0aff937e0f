"""What a browser asks for to check a record, and the log that it saw before, by itself."""

import uuid

from django import forms
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_safe

from audit import proofs, trees
from audit.access import READERS, access_record
from audit.models import Tree
from audit.read import record_read, require_role
from console.core.errors import Invalid, NotFound
from console.core.web import Request, signed_in


@require_safe
@signed_in
def record_proof(request: Request, record_id: uuid.UUID) -> HttpResponseBase:
    """For the record's own page, and counted as one reading with it. With `?form=file` as a file for other programs."""
    require_role(request.actor, *READERS, page="record")
    record = access_record(request.actor, record_id)
    proven = proofs.prove_place(record.pk)
    record_read(actor=request.actor, page="record", subject=str(record.pk))
    if request.GET.get("form") == "file":
        return _file(record_id, proven)
    if proven is None:
        return JsonResponse({"waiting": True})
    told = {"proof": proven.text, "keys": proofs.log_keys(proven.tree), "witnesses": proofs.witness_keys(),
            "introductions": proofs.introductions(proven.tree)}  # fmt: skip
    return JsonResponse(told)


def _file(record_id: uuid.UUID, proven: proofs.Proven | None) -> HttpResponse:
    if proven is None:
        raise NotFound("No signed tree holds this record yet.")
    disposition = f'attachment; filename="{record_id}.tlog-proof"'
    headers = {"Content-Disposition": disposition, "Content-Type": "text/plain; charset=utf-8"}
    return HttpResponse(proven.text, headers=headers)


@require_safe
@signed_in
def tree_consistency(request: Request) -> JsonResponse:
    """That the log of `from` records is the beginning of the one of `to`, as in RFC 9162 §2.1.4."""
    require_role(request.actor, *READERS, page="tree")
    sizes = Sizes({"begin": request.GET.get("from"), "end": request.GET.get("to")})
    if not sizes.is_valid():
        raise Invalid("`from` and `to` are numbers of records.")
    tree = tree_of(request.GET.get("origin", ""))
    record_read(actor=request.actor, page="tree", subject=request.actor.team)
    return JsonResponse({"proof": consistency(tree, **sizes.cleaned_data)})


class Sizes(forms.Form):
    begin = forms.IntegerField(min_value=0, required=False)
    end = forms.IntegerField(min_value=0, required=False)


def tree_of(origin: str) -> Tree:
    """By its origin, or the one that grows."""
    tree = Tree.objects.filter(log=trees.log_name(), origin=origin).first() if origin else trees.open_tree()
    if tree is None:
        raise NotFound("There is no such tree.")
    return tree


def consistency(tree: Tree, begin: int | None, end: int | None) -> list[str]:
    """From the empty tree, and to all that there is, where nothing else is said."""
    begin, end = begin or 0, tree.size if end is None else end
    if not begin <= end <= tree.size:
        raise Invalid(f"The log holds {tree.size} records; `from` is not more than `to`, and `to` not more than that.")
    return proofs.proof_lines(trees.consistency_proof(tree, begin, end))
