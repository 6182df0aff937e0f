"""Exports for people: the list, asking for one, watching it being written, taking it away."""

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from audit import trees
from audit.access import READERS
from audit.exports.access import access_export
from audit.exports.download import download
from audit.exports.queries import Asked, list_exports, show
from audit.exports.request import request_export
from audit.models import LogKey
from audit.queries import say
from audit.read import record_read, require_role
from audit.vocabulary import Kind
from console.core.errors import Refusal
from console.core.web import Request, is_piece, signed_in


@require_safe
@signed_in
def exports(request: Request) -> HttpResponse:
    """The list fetches itself anew while something in it is being written."""
    require_role(request.actor, *READERS, page="exports")
    context = {"listing": list_exports(request.actor, after=request.GET.get("after", ""))}
    if is_piece(request):
        return render(request, "audit/exports/_list.html", context)
    record_read(actor=request.actor, page="exports", subject=request.actor.team)
    return render(request, "audit/exports/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def ask(request: Request) -> HttpResponse:
    """What the address says about records is filled in: it is the address of their list."""
    require_role(request.actor, *READERS, page="exports")
    if request.method != "POST":
        return _form(request, Asked(initial={"form": "bundle", **request.GET.dict()}))
    asked = Asked(request.POST)
    if not asked.is_valid():
        return _form(request, asked, status=422)
    given = asked.cleaned_data
    try:
        export = request_export(request.actor, form=given["form"], filter=asked.filter, previous=given["previous"],
                                tree=given["tree"])  # fmt: skip
    except Refusal as problem:
        return _form(request, asked, status=problem.status, problem=problem)
    return redirect("export", export.pk)


def _form(request: Request, asked: Asked, *, status: int = 200, **more: object) -> HttpResponse:
    context = {"form": asked, "kinds": {kind: say(kind) for kind in Kind}, "trees": trees.all_trees(), **more}
    return render(request, "audit/exports/ask.html", context, status=status)


@require_safe
@signed_in
def export(request: Request, export_id: str) -> HttpResponse:
    require_role(request.actor, *READERS, page="export")
    shown = show(access_export(request.actor, export_id))
    context: dict[str, Any] = {"shown": shown, "export": shown.export}
    if is_piece(request):
        return render(request, "audit/exports/_progress.html", context)
    context["keys"] = LogKey.objects.filter(tree=shown.export.tree, until=None).order_by("since")
    record_read(actor=request.actor, page="export", subject=shown.export.pk)
    return render(request, "audit/exports/export.html", context)


@require_GET
@signed_in
def take(request: Request, export_id: str) -> HttpResponseBase:
    require_role(request.actor, *READERS, page="export")
    return download(access_export(request.actor, export_id), actor=request.actor)
