"""Working on a review together: each act answers the piece of the sheet, or leads back to it."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from approvals.access import access_review
from approvals.care.drills import (
    claim_drill,
    leave_drill,
    open_drills,
    release_drill,
    review_of,
    seats_of_drill,
)
from approvals.claims import claim_review, release_review
from approvals.comments import add_comment, comment_review, resolve_comment
from approvals.models import Drill
from approvals.seats import seats_of
from approvals.suggest import suggest_reviewer
from approvals.together import read_together
from console.core.actor import Role
from console.core.errors import Conflict, Forbidden, Invalid, Refusal
from console.core.web import Request, is_piece, role_required


@require_POST
@role_required(Role.REVIEWER)
def claim(request: Request, review_id: str) -> HttpResponse:
    return _then_back(request, review_id, lambda: claim_review(review_id, actor=request.actor), claim_drill)


@require_POST
@role_required(Role.REVIEWER)
def release(request: Request, review_id: str) -> HttpResponse:
    return _then_back(request, review_id, lambda: release_review(review_id, actor=request.actor), release_drill)


@require_POST
@role_required(Role.REVIEWER)
def comment(request: Request, review_id: str) -> HttpResponse:
    said = request.POST.get("text", "")
    return _then_back(request, review_id, lambda: add_comment(review_id, said, actor=request.actor), typed=said)


@require_POST
@role_required(Role.REVIEWER)
def suggest(request: Request, review_id: str) -> HttpResponse:
    def act() -> None:
        suggest_reviewer(review_id, request.POST.get("person", ""), actor=request.actor)

    return _then_back(request, review_id, act, done="They are asked, and told where notices reach them.")


@require_POST
@role_required(Role.REVIEWER)
def resolution(request: Request, comment_id: str) -> HttpResponse:
    resolved = request.POST.get("resolved", "yes") == "yes"
    return _then_back(
        request, comment_review(comment_id), lambda: resolve_comment(comment_id, resolved=resolved, actor=request.actor)
    )


def _then_back(
    request: Request,
    review_id: str,
    act: Callable[[], object],
    in_drill: Callable[..., Drill] = leave_drill,
    typed: str = "",
    done: str = "",
) -> HttpResponse:
    """What was typed is still there where it was refused."""
    if drill := open_drills(request.actor).filter(pk=review_id).first():
        return _in_drill(request, in_drill(drill, actor=request.actor))
    review = access_review(request.actor, review_id)
    problem: Refusal | None = None
    try:
        act()
    except (Invalid, Conflict, Forbidden) as refusal:
        problem = refusal
    if not is_piece(request):
        if problem:
            messages.error(request, problem.text)
        elif done:
            messages.success(request, done)
        return redirect("review", review_id)
    together = read_together(request.actor, review, seats_of(review))
    context: dict[str, Any] = {"review": review, "together": together, "together_problem": problem,
                               "together_done": "" if problem else done,
                               "typed_comment": typed if problem else ""}  # fmt: skip
    return render(request, "reviews/_together.html", context)


def _in_drill(request: Request, drill: Drill) -> HttpResponse:
    if drill.state != "open":
        address = reverse("drill", args=[drill.pk])
        return HttpResponseClientRedirect(address) if is_piece(request) else redirect(address)
    if not is_piece(request):
        return redirect("review", drill.pk)
    review = review_of(drill)
    together = read_together(request.actor, review, seats_of_drill(drill, review), drill=drill)
    return render(request, "reviews/_together.html", {"review": review, "together": together})
