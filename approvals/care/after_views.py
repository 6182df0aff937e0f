"""Looking again at what was done: what is owed, and one of them."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from approvals.care.aftersheet import proposed_policy, read_after_sheet
from approvals.care.afterwards import access_post_review, judge, owed_by, visible_post_reviews
from audit.read import record_read
from console.core.actor import Role
from console.core.errors import Invalid
from console.core.web import Request, role_required

SHOWN = 50


@require_safe
@role_required(*Role)
def post_reviews(request: Request) -> HttpResponse:
    actor = request.actor
    seen, owed = visible_post_reviews(actor), owed_by(actor)
    context = {
        "owed": owed[:SHOWN], "debt": seen.filter(state="open").count(),
        "others": seen.filter(state="open").exclude(pk__in=owed.values("pk"))[:SHOWN],
        "judged": seen.exclude(state="open").order_by("-closed_at")[:SHOWN], "may_set": actor.has(Role.ADMIN),
    }  # fmt: skip
    return render(request, "reviews/post_reviews.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(*Role)
def post_review(request: Request, identity: str) -> HttpResponse:
    found, problem = access_post_review(request.actor, identity), None
    if request.method == "POST":
        try:
            judge(identity, agrees=_agrees(request), why=request.POST.get("why", ""), actor=request.actor)
        except Invalid as invalid:
            problem = invalid
        else:
            messages.success(request, "Your judgement is kept.")
            return redirect("post_reviews")
    else:
        record_read(actor=request.actor, page="post-review", subject=identity)
    proposes = bool(proposed_policy(found)) and request.actor.has(Role.ADMIN)
    context = {"sheet": read_after_sheet(found, request.actor), "problem": problem, "proposes": proposes,
               "why": request.POST.get("why", "")}  # fmt: skip
    return render(request, "reviews/post_review.html", context, status=problem.status if problem else 200)


def _agrees(request: Request) -> bool:
    said = request.POST.get("judgement", "")
    if said not in ("agree", "disagree"):
        raise Invalid("Say whether you would have approved it.")
    return said == "agree"
