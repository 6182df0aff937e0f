"""Asking that something be undone: of one action, of a run, or of a workflow or agent."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse as address
from django.views.decorators.http import require_POST, require_safe

from approvals.reverse import ASKING, SHOWN, done_by, reverse
from console.core.actor import Role
from console.core.errors import Conflict, Invalid, NotFound
from console.core.web import Request, role_required

BY = ("action", "run", "grantee")


@require_safe
@role_required(*Role)
def undo(request: Request) -> HttpResponse:
    """Whatever was changed by what the address names; where it names nothing, in the whole team."""
    return _page(request, _by(request))


@require_POST
@role_required(*ASKING)
def ask(request: Request) -> HttpResponse:
    by, wanted, says = _by(request), request.POST.getlist("action"), request.POST.get("says", "").strip()
    try:
        asked = reverse(wanted, says=says, actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _page(request, by, problem)
    many = f"{len(asked)} things are" if len(asked) > 1 else "It is"
    messages.success(request, f"{many} to be undone. Whoever signs is asked now.")
    return redirect(f"{address('undo')}?{urlencode(by)}")


def _by(request: Request) -> dict[str, str]:
    by = {name: value for name in BY if (value := request.GET.get(name, ""))}
    if len(by) > 1:
        raise NotFound("Name one of action, run and grantee.")
    return by


def _page(request: Request, by: dict[str, str], problem: Invalid | Conflict | None = None) -> HttpResponse:
    found = done_by(request.actor, **by)
    asks = request.actor.has(*ASKING)
    context = {
        "by": by, "query": urlencode(by), "ways": found, "more": len(found) == SHOWN,
        "asks": asks and any(not way.why_not for way in found),
        "chosen": set(request.POST.getlist("action")), "says": request.POST.get("says", ""), "problem": problem,
        "live": any(way.reversal and not way.reversal.settled for way in found),
    }  # fmt: skip
    return render(request, "reviews/undo.html", context, status=problem.status if problem else 200)
