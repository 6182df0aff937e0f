"""Opening a credential in an emergency: asked for by an admin, signed by somebody else, read in the asking browser."""

from base64 import b64encode

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from approvals.opening import ask_opening, asked_before
from audit.read import record_read
from console.core.actor import Role
from console.core.errors import Conflict, Invalid
from console.core.web import Request, is_piece, role_required
from integrations.access import access_credential
from integrations.here import OPEN_MINUTES, REPLACE_HOURS
from integrations.models import Credential


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def opening(request: Request, credential: str) -> HttpResponse:
    """It fetches itself anew while somebody has to sign, or the door is at it."""
    row = access_credential(request.actor, credential)
    if request.method != "POST":
        return _page(request, row)
    why, key = request.POST.get("why", ""), request.POST.get("key", "")[:200]
    try:
        ask_opening(row, why=why, key=key, username=request.user.get_username(), actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _page(request, row, problem=problem)
    return redirect("credential_open", row.pk)


def _page(request: Request, row: Credential, problem: Invalid | Conflict | None = None) -> HttpResponse:
    asked = asked_before(row, request.actor)
    mine = next((one for one in asked if one.mine), None)
    sealed = bytes(mine.opening.content) if mine and mine.opening and mine.readable else b""
    if sealed:
        record_read(actor=request.actor, page="opened credential", subject=row.pk)
    context = {
        "credential": row, "integration": row.integration, "asked": asked, "mine": mine, "problem": problem,
        "minutes": OPEN_MINUTES, "hours": REPLACE_HOURS, "why": request.POST.get("why", ""),
        "sealed": b64encode(sealed).decode(), "waits": mine is not None and not mine.action.settled,
        "first": row.openings.order_by("opened_at").first(),  # what the credential ends by, however often it was opened
    }  # fmt: skip
    template = "reviews/_opening.html" if is_piece(request) else "reviews/opening.html"
    return render(request, template, context, status=problem.status if problem else 200)
