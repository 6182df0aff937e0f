"""A team's page: who is on call, who would be told now, and the channels."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from console.accounts.models import User
from console.core.actor import Role
from console.core.errors import Conflict, Invalid
from console.core.web import Request, role_required
from console.notices.access import access_channel, access_entry, signing_channel
from console.notices.channels import end_channel, open_channel, shown_key, try_channel
from console.notices.forms import RotaForm
from console.notices.models import CHAT, WEBHOOK
from console.notices.plan import preferences_of
from console.notices.queries import team_notices
from console.notices.rota import add_entry, remove_entry

KINDS = (
    (CHAT, "Chat", "An address of an incoming webhook, as Slack and others give it: one message with a link."),
    (WEBHOOK, "Webhook", "JSON to a program of yours, signed as Standard Webhooks have it (Ed25519)."),
)


@require_safe
@never_cache
@role_required(*Role)
def team(request: Request) -> HttpResponse:
    return _page(request)


def _page(request: Request, problem: str = "", status: int = 200) -> HttpResponse:
    zone = _zone(request)
    begins, ends = RotaForm(zone=zone).proposed()
    context: dict[str, Any] = {
        "team": team_notices(request.actor), "admin": request.actor.has(Role.ADMIN), "zone": zone, "problem": problem,
        "typed": {"begins": begins, "ends": ends, **request.POST.dict()},
    }  # fmt: skip
    return render(request, "notices/team.html", context, status=status)


def _zone(request: Request) -> str:
    """In which this person counts hours."""
    return preferences_of([User(pk=request.actor.id)])[request.actor.id].zone


@require_POST
@role_required(Role.ADMIN)
def add_to_rota(request: Request) -> HttpResponse:
    form = RotaForm(request.POST, zone=_zone(request))
    if not form.is_valid():
        return _page(request, "Give a group, a person, and when it begins and ends.", 422)
    try:
        add_entry(group=form.cleaned_data["group"], person=form.cleaned_data["person"], begins=form.moment("begins"),
                  ends=form.moment("ends"), actor=request.actor)  # fmt: skip
    except (Invalid, Conflict) as refusal:
        return _page(request, refusal.text, refusal.status)
    messages.success(request, "They are on the rota.")
    return redirect("team_notices")


@require_POST
@role_required(Role.ADMIN)
def remove_from_rota(request: Request, entry: str) -> HttpResponse:
    remove_entry(access_entry(request.actor, entry), actor=request.actor)
    messages.success(request, "It is off the rota.")
    return redirect("team_notices")


@sensitive_post_parameters("url")
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@role_required(Role.ADMIN)
def add_channel(request: Request) -> HttpResponse:
    given, problem, status = request.POST, "", 200
    groups = given.get("groups", "").replace(",", " ").split()
    if request.method == "POST":
        try:
            open_channel(kind=given.get("kind", ""), name=given.get("name", ""), url=given.get("url", "").strip(),
                         groups=groups, actor=request.actor)  # fmt: skip
        except (Invalid, Conflict) as refusal:
            problem, status = refusal.text, refusal.status
        else:
            messages.success(request, "It is kept. Send a test to see whether it works.")
            return redirect("team_notices")
    context = {"kinds": KINDS, "kind": given.get("kind", CHAT), "name": given.get("name", ""), "groups": groups,
               "problem": problem}  # fmt: skip
    return render(request, "notices/channel_add.html", context, status=status)


@require_POST
@role_required(Role.ADMIN)
def trial(request: Request, channel: str) -> HttpResponse:
    row = access_channel(request.actor, channel)
    try:
        try_channel(row, actor=request.actor)
    except Conflict as refusal:
        messages.error(request, refusal.text)
    else:
        messages.success(request, "A test is on its way. Load this page again to see what became of it.")
    return redirect("team_notices")


@require_POST
@role_required(Role.ADMIN)
def end(request: Request, channel: str) -> HttpResponse:
    end_channel(access_channel(request.actor, channel), actor=request.actor)
    messages.success(request, "Nothing goes there any more.")
    return redirect("team_notices")


@require_safe
def key(_: HttpRequest, channel: str) -> HttpResponse:
    """The public half of what signs a webhook's calls, for whoever gets them."""
    return HttpResponse(f"{shown_key(signing_channel(channel))}\n", content_type="text/plain; charset=utf-8")
