"""The kill switch's page: what is halted, halting something in two steps, and lifting it again."""

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from approvals.halts import MAY_HALT, halt, lift, standing
from approvals.models import Halt
from console.core.actor import Role
from console.core.errors import Conflict, Invalid
from console.core.web import Request, is_piece, role_required, signed_in

SCOPES = (("team", "everything of the team"), ("workflow", "a workflow"), ("agent", "an agent"),
          ("integration", "an integration"))  # fmt: skip
SHOWN = 50


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*Role)
def halts(request: Request) -> HttpResponse:
    if request.method != "POST":
        return _page(request)
    scope, name = request.POST.get("scope", ""), request.POST.get("name", "").strip()[:100]
    try:
        made = halt(scope, name, reason=request.POST.get("reason", ""), actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _page(request, problem)
    messages.success(request, f"Halted: {made.name}. Nothing more is sent for it.")
    return redirect("halts")


@require_POST
@role_required(Role.ADMIN)
def lift_halt(request: Request, halt_id: str) -> HttpResponse:
    lifted = lift(halt_id, actor=request.actor)
    messages.success(request, f"Lifted: {lifted.name}. What was signed before has to be proposed again.")
    return redirect("halts")


@require_safe
@signed_in
def standing_halts(request: Request) -> HttpResponse:
    """The piece above every page, which fetches itself anew when something is halted or lifted."""
    return render(request, "reviews/_standing_halts.html", {"halts": standing(request.actor)})


def _page(request: Request, problem: Invalid | Conflict | None = None) -> HttpResponse:
    actor, given = request.actor, request.POST or request.GET
    of_team = Halt.objects.filter(Q(team=None) | Q(team=actor.team))
    context = {
        "on": of_team.filter(state="on"), "lifted": of_team.filter(state="lifted")[:SHOWN], "scopes": SCOPES,
        "problem": problem, "scope": given.get("scope", ""), "name": given.get("name", ""),
        "reason": given.get("reason", ""), "may_halt": actor.has(*MAY_HALT), "may_lift": actor.has(Role.ADMIN),
    }  # fmt: skip
    template = "reviews/_halts.html" if is_piece(request) else "reviews/halts.html"
    return render(request, template, context, status=problem.status if problem else 200)
