"""Deciding several at once: a page that shows them all, what to sign, and the one act."""

import json

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from approvals.bulk import alike_to, case_of, decide_several, prepare_several, record_shown
from approvals.concluded import DONE
from console.core.actor import Role
from console.core.errors import Invalid, Refusal
from console.core.web import Request, role_required


@require_safe
@role_required(Role.REVIEWER)
def several(request: Request, review_id: str) -> HttpResponse:
    return _page(request, review_id)


@require_POST
@role_required(Role.REVIEWER)
def several_challenge(request: Request) -> JsonResponse:
    """What to sign, for the browser. Refusals are said in the same form, beside the button."""
    try:
        return JsonResponse(prepare_several(request.POST.getlist("review"), **_said(request), actor=request.actor))
    except Refusal as refusal:
        return JsonResponse({"code": refusal.code, "text": refusal.text}, status=refusal.status)


@require_POST
@role_required(Role.REVIEWER)
def decide_together(request: Request, review_id: str) -> HttpResponse:
    case_of(request.actor, review_id)
    try:
        done, left = decide_several(**_said(request), prepared=request.POST.get("prepared", ""),
                                    assertion=_assertion(request), actor=request.actor)  # fmt: skip
    except Refusal as refusal:
        return _page(request, review_id, problem=refusal)
    if done:
        messages.success(request, f"You {DONE[request.POST['verdict']]} {len(done)} with one signature.")
    if left:
        return render(request, "reviews/several_left.html", {"left": left}, status=409)
    return redirect("reviews")


def _page(request: Request, review_id: str, problem: Refusal | None = None) -> HttpResponse:
    shown = alike_to(request.actor, review_id)
    status = problem.status if problem else 200
    if shown is None:
        return render(request, "reviews/several_left.html", {"left": (), "problem": problem}, status=status)
    record_shown(shown, request.actor)
    return render(request, "reviews/several.html", {"several": shown, "review_id": review_id, "problem": problem,
                                                    "typed": request.POST}, status=status)  # fmt: skip


def _said(request: Request) -> dict[str, str]:
    return {"verdict": request.POST.get("verdict", ""), "reason": request.POST.get("reason", "").strip()}


def _assertion(request: Request) -> dict[str, object]:
    try:
        return dict(json.loads(request.POST.get("assertion", "")))
    except (ValueError, TypeError):
        raise Invalid("Several are signed together with a passkey.", code="passkey_needed") from None
