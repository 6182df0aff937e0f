"""Connecting an MCP server: an admin says where it is, has the door ask for its tools, and adds them."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.read import record_read, require_role
from console.core.actor import Role
from console.core.errors import Conflict, Invalid
from console.core.web import Request, is_piece, role_required, signed_in
from integrations.access import READERS, access_credential, access_server
from integrations.credential_forms import settings_given, ways
from integrations.credential_types import TYPES
from integrations.mcp.listing import add_tools, ask_listing, connect_server
from integrations.mcp.programs import programs
from integrations.mcp.shown import tools_shown
from integrations.models import Integration
from integrations.render import STDIO


class Server(forms.Form):
    """A program wins over an address."""

    title = forms.CharField(max_length=200)
    slug = forms.CharField(max_length=64)
    address = forms.CharField(max_length=500, required=False)
    program = forms.CharField(max_length=64, required=False)
    credential_type = forms.ChoiceField(choices=[(name, kind.title) for name, kind in TYPES.items()])

    def where(self) -> str:
        program = self.cleaned_data["program"]
        return f"{STDIO}://{program}" if program else str(self.cleaned_data["address"])


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def connect(request: Request) -> HttpResponse:
    form = Server(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _form(request, form, status=422 if request.method == "POST" else 200)
    given = form.cleaned_data
    bound = {name: given[name] for name in ("slug", "title", "credential_type")}
    settings = settings_given(request.POST.dict(), given["credential_type"])
    try:
        integration = connect_server(**bound, address=form.where(), credential_settings=settings, actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _form(request, form, problem.text, status=problem.status)
    return redirect("tools" if integration.credential_type == "none" else "credential_seal", integration.slug)


def _form(request: Request, form: Server, problem: str = "", *, status: int) -> HttpResponse:
    chosen = form["credential_type"].value() or next(iter(TYPES))
    try:
        named = sorted(programs())
    except Invalid as fault:
        named, problem = [], problem or f"The installation's MCP servers: {fault.text}"
    context = {"form": form, "problem": problem, "ways": ways(request.POST.dict(), chosen), "programs": named}
    return render(request, "integrations/connect_mcp.html", context, status=status)


@require_safe
@signed_in
def tools(request: Request, slug: str) -> HttpResponse:
    """It fetches itself anew while the server is being asked."""
    require_role(request.actor, *READERS, page="tools")
    integration = access_server(request.actor, slug)
    if is_piece(request):
        return _tools(request, integration, template="integrations/_tools.html")
    record_read(actor=request.actor, page="tools", subject=integration.id)
    return _tools(request, integration)


@require_POST
@role_required(Role.ADMIN)
def look(request: Request, slug: str) -> HttpResponse:
    integration = access_server(request.actor, slug)
    chosen = request.POST.get("credential", "")
    credential = access_credential(request.actor, chosen) if chosen else None
    try:
        ask_listing(integration, credential, actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _tools(request, integration, problem.text, problem.status)
    return redirect("tools", slug)


@require_POST
@role_required(Role.ADMIN)
def add(request: Request, slug: str) -> HttpResponse:
    integration = access_server(request.actor, slug)
    try:
        outcome = add_tools(integration, request.POST.get("seen", ""), actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _tools(request, integration, problem.text, problem.status)
    count = len(outcome.added)
    messages.success(request, f"{count} {'tool is an operation' if count == 1 else 'tools are operations'} now. "
                              "Nobody may use them yet: grant them, and review what they do.")  # fmt: skip
    return redirect("integration", slug)


def _tools(
    request: Request, integration: Integration, problem: str = "", status: int = 200,
    template: str = "integrations/tools.html",
) -> HttpResponse:  # fmt: skip
    usable = integration.credentials.filter(revoked_at=None).defer("sealed", "attestation")
    context = {"integration": integration, "shown": tools_shown(integration), "credentials": list(usable),
               "acts": request.actor.has(Role.ADMIN), "problem": problem}  # fmt: skip
    return render(request, template, context, status=status)
