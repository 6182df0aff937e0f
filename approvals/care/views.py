"""What a reviewer does on a sheet before deciding, and how people review."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from approvals.care.breaks import setting_of
from approvals.care.drills import open_drills
from approvals.care.looks import TRIES, open_evidence, state_fact
from approvals.care.reviewers import DAYS, own_habits, team_habits
from approvals.care.settings import MOST_AN_HOUR, MOST_SAMPLES, set_care
from approvals.models import Drill
from approvals.queries import read_sheet
from approvals.queue import queue
from audit.read import record_read
from console.core.actor import Role
from console.core.errors import Invalid, NotFound
from console.core.web import Request, is_piece, role_required

TEAM = (Role.ADMIN, Role.AUDITOR)


@require_POST
@role_required(Role.REVIEWER)
def look(request: Request, review_id: str) -> HttpResponse:
    """Evidence is opened, or a fact stated."""
    missed = None
    try:
        _look(request, review_id)
    except Invalid as problem:
        missed = problem
    context: dict[str, Any] = {"sheet": read_sheet(request.actor, review_id), "open_id": review_id,
                               "fact": request.POST.get("fact", ""), "missed": missed}  # fmt: skip
    status = missed.status if missed else 200
    if is_piece(request):
        return render(request, "reviews/_sheet_piece.html", context, status=status)
    if missed is None:
        return redirect(reverse("review", args=[review_id]) + "#before")
    return render(request, "reviews/review.html", context | {"queue": queue(request.actor)}, status=status)


def _look(request: Request, review_id: str) -> None:
    fact = request.POST.get("fact", "")
    if not fact:
        open_evidence(review_id, request.POST.get("evidence", ""), actor=request.actor)
    elif not state_fact(review_id, fact, request.POST.get("said", ""), actor=request.actor):
        raise Invalid(f"That is not what was decoded. Read it again; after {TRIES} misses there is a pause.")


@require_safe
@role_required(Role.REVIEWER)
def how_i_review(request: Request) -> HttpResponse:
    """To oneself, before anybody else."""
    actor = request.actor
    context = {"habits": own_habits(actor.team, actor.id), "days": DAYS, "may_see_team": actor.has(*TEAM)}
    return render(request, "reviews/how_i_review.html", context)


@require_safe
@role_required(*TEAM)
def how_we_review(request: Request) -> HttpResponse:
    """Of each person of the team. That it was read is in the log."""
    record_read(actor=request.actor, page="how we review", subject=request.actor.team)
    context = {
        "reviewers": team_habits(request.actor.team), "days": DAYS, "setting": setting_of(request.actor.team),
        "may_set": request.actor.has(Role.ADMIN), "most_samples": MOST_SAMPLES, "most_decided": MOST_AN_HOUR,
    }  # fmt: skip
    return render(request, "reviews/how_we_review.html", context)


@require_POST
@role_required(Role.ADMIN)
def care(request: Request) -> HttpResponse:
    """What the team does to keep those who sign awake."""
    wanted = {name: _number(request, name) for name in ("samples", "most_an_hour", "drill_every")}
    set_care(**wanted, actor=request.actor)
    messages.success(request, "It is so from now on.")
    return redirect("how_we_review")


def _number(request: Request, name: str) -> int:
    said = request.POST.get(name, "").strip()
    if not (said.isascii() and said.isdecimal() and len(said) < 6):
        raise Invalid("How many is a whole number.")
    return int(said)


@require_safe
@role_required(Role.REVIEWER)
def drill(request: Request, identity: str) -> HttpResponse:
    """What was planted, once they have decided it."""
    found = Drill.objects.filter(pk=identity, reviewer=request.actor.id, team=request.actor.team).exclude(state="open")
    if (ended := found.select_related("like").first()) is None:
        raise NotFound("There is no such drill, or it is not yours to see.")
    waiting = open_drills(request.actor).filter(training=True).count()
    return render(request, "reviews/drill.html", {"drill": ended, "training": waiting})
