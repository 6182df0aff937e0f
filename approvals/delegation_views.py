"""My delegations: who signs in my place, for whom I sign, and what is over."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from approvals.delegation_forms import DelegationForm
from approvals.delegation_queries import delegations_of
from approvals.delegations import end_delegation, give_delegation, reviewers
from console.accounts.models import User
from console.accounts.proofs import freshly_proven
from console.core.actor import Role
from console.core.errors import Conflict, Invalid, Refusal, StepUpRequired
from console.core.web import Request, role_required
from console.notices.plan import preferences_of


@require_safe
@never_cache
@role_required(*Role)
def delegations(request: Request) -> HttpResponseBase:
    """The form is there for whoever has proved anew who they are."""
    return _form_page(request) if "give" in request.GET else _page(request)


@freshly_proven
def _form_page(request: HttpRequest) -> HttpResponse:
    request.actor.require(Role.REVIEWER)  # type: ignore[attr-defined]  # a guarded view called it
    return _page(request, _form(request))  # type: ignore[arg-type]


@require_POST
@role_required(Role.REVIEWER)
def give(request: Request) -> HttpResponse:
    form = _form(request)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        give_delegation(form.wanted(), actor=request.actor)
    except (Invalid, Conflict, StepUpRequired) as refusal:
        return _page(request, form, refusal)
    messages.success(request, "They sign in your place in that time. You can end it whenever you like.")
    return redirect("delegations")


@require_POST
@role_required(Role.REVIEWER, Role.ADMIN)
def end(request: Request, identity: str) -> HttpResponse:
    end_delegation(identity, actor=request.actor)
    messages.success(request, "It has ended. What was signed before stays signed.")
    return redirect("delegations")


def _form(request: Request) -> DelegationForm:
    others = reviewers(request.actor.team).exclude(user=request.actor.id).select_related("user").order_by("user__name")
    zone = preferences_of([User(pk=request.actor.id)])[request.actor.id].zone
    return DelegationForm(request.POST if request.method == "POST" else None, people=list(others), zone=zone)


def _page(
    request: Request, form: DelegationForm | None = None, problem: Refusal | None = None, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        "told": delegations_of(request.actor), "form": form, "problem": problem,
        "may_give": request.actor.has(Role.REVIEWER),
    }  # fmt: skip
    return render(request, "reviews/delegations.html", context, status=problem.status if problem else status)
