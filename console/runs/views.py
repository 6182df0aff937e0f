"""The list of runs, one run as a waterfall with an inspector, starting one, cancelling one."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from console.core.actor import Role
from console.core.errors import Invalid, NotFound
from console.core.web import Request, is_piece, role_required
from console.runs.access import access_run
from console.runs.cancel import cancel_run
from console.runs.queries import STATES, Filters, RunPage, inspect_span, list_runs, read_run
from console.runs.request import LONGEST
from console.runs.start import start_run
from console.workflows.access import access_version
from console.workflows.models import WorkflowVersion

REQUEST = "asked-for"  # no input has such a name
MAY_START = (Role.OPERATOR, Role.ADMIN)


@require_safe
@role_required(*Role)
def runs(request: Request) -> HttpResponse:
    filters = Filters(*(request.GET.get(name, "") for name in ("state", "workflow", "before")))
    listed = list_runs(request.actor, filters)
    context = {"list": listed, "states": STATES, "may_start": request.actor.has(*MAY_START)}
    return render(request, "runs/_list.html" if _asks_for(request, "runs") else "runs/runs.html", context)


@require_safe
@role_required(*Role)
def run(request: Request, run_id: str) -> HttpResponse:
    """The picture and the inspector fetch themselves anew, each as its own piece."""
    if _asks_for(request, "inspect"):
        return _inspector(request, run_id)
    page = read_run(request.actor, run_id, _selected(request))
    context = {"page": page, "may_cancel": request.actor.has(*MAY_START)}
    if _asks_for(request, "picture"):
        return render(request, "runs/_picture.html", context)
    return render(request, "runs/run.html", context | _inspected(request, page))


def _inspector(request: Request, run_id: str) -> HttpResponse:
    found = access_run(request.actor, run_id)
    span = _selected(request) or read_run(request.actor, run_id).selected
    return render(request, "runs/_inspect.html", {"found": inspect_span(request.actor, found, span)})


def _inspected(request: Request, page: RunPage) -> dict[str, Any]:
    """A run whose spans are gone, or are still to come, is a page all the same."""
    try:
        return {"found": inspect_span(request.actor, page.run, page.selected)}
    except NotFound:
        return {"found": None}


@require_POST
@role_required(*MAY_START)
def cancel(request: Request, run_id: str) -> HttpResponse:
    cancelled = cancel_run(access_run(request.actor, run_id), actor=request.actor)
    return redirect("run", cancelled.id)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*MAY_START)
def start(request: Request, slug: str) -> HttpResponse:
    version = access_version(request.actor, slug)
    if request.method != "POST":
        return render(request, "runs/start.html", _form(version, {}))
    try:
        wanted = request.POST.get(REQUEST, "")
        begun = start_run(version, inputs=_inputs(version, request.POST), actor=request.actor, request=wanted)
    except Invalid as problem:
        context = _form(version, request.POST.dict()) | {"problem": problem}
        return render(request, "runs/start.html", context, status=problem.status)
    return redirect("run", begun.id)


def _inputs(version: WorkflowVersion, given: Mapping[str, str]) -> dict[str, str]:
    """What the workflow asks for; a box that is not ticked is not sent, and means no."""
    described = version.document.get("inputs", {})
    return {name: given.get(name, "false" if spec["type"] == "boolean" else "") for name, spec in described.items()}


def _form(version: WorkflowVersion, typed: Mapping[str, str]) -> dict[str, Any]:
    described = version.document.get("inputs", {})
    fields = [{**spec, "name": name, "label": spec.get("title") or name.replace("_", " ").capitalize(),
               "value": typed.get(name, spec.get("default", ""))} for name, spec in described.items()]  # fmt: skip
    return {"version": version, "fields": fields, "wanted": typed.get(REQUEST, ""), "longest": LONGEST}


def _asks_for(request: HttpRequest, target: str) -> bool:
    return is_piece(request) and request.headers.get("HX-Target") == target


def _selected(request: HttpRequest) -> str:
    """In the piece's own address, else in that of the page it belongs to."""
    if span := request.GET.get("span", ""):
        return span
    shown = parse_qs(urlsplit(request.headers.get("HX-Current-URL", "")).query) if is_piece(request) else {}
    return shown.get("span", [""])[0]
