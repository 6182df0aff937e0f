"""What agents want to be granted: read by everybody with a role, given or declined by admins."""

import datetime as dt
from typing import Any

import yaml
from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.read import record_read, require_role
from console.agents.access import READERS, access_proposal, visible_proposals
from console.agents.models import GrantProposal
from console.agents.proposals import LONGEST_ANSWER, decline_proposal, settle_given
from console.core.actor import Role
from console.core.clock import now
from console.core.errors import Conflict, Invalid
from console.core.web import Request, is_piece, role_required, signed_in
from integrations.access import access_integration
from integrations.grant_views import DAYS, Giving, give_as_said, grant_form, try_grant

SHOWN = 100


class Answering(forms.Form):
    answer = forms.CharField(max_length=LONGEST_ANSWER, required=False)


@require_safe
@signed_in
def list_proposals(request: Request) -> HttpResponse:
    """Those that are open, for one integration or all; as a piece on the page of an integration."""
    require_role(request.actor, *READERS, page="grant_proposals")
    integration = request.GET.get("integration", "")[:64]
    proposals = visible_proposals(request.actor).filter(state="open", agent__retired_at=None)
    if integration:
        proposals = proposals.filter(integration=integration)
    record_read(actor=request.actor, page="grant_proposals", subject=request.actor.team, filter=integration)
    context = {"proposals": list(proposals[:SHOWN]), "makes": request.actor.has(Role.ADMIN), "of": integration}
    return render(request, f"agents/{'_proposals' if is_piece(request) else 'proposals'}.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def give(request: Request, proposal: str) -> HttpResponse:
    """The form for a grant, filled in as the agent wants it. What is given is what the admin sends."""
    row = access_proposal(request.actor, proposal)
    integration = access_integration(request.actor, row.integration)
    form = Giving(request.POST) if request.method == "POST" else Giving(initial=_wanted(row))
    context = {"proposal": row, "action": reverse("grant_proposal_give", args=[row.pk])}
    if request.method != "POST":
        return grant_form(request, integration, form, template="agents/give.html", more=context)
    try:
        if tried := try_grant(request, integration, form):
            return grant_form(request, integration, form, tried=tried, template="agents/give.html", more=context)
        with transaction.atomic():
            grant = give_as_said(integration, form, actor=request.actor)
            settle_given(row, grant, actor=request.actor)
    except (Invalid, Conflict) as problem:
        return grant_form(
            request, integration, form, problem.text, problem.status, template="agents/give.html", more=context
        )
    messages.success(request, f"{row.agent.title} may use them from now on.")
    return redirect("agent", row.agent.slug)


@require_POST
@role_required(Role.ADMIN)
def decline(request: Request, proposal: str) -> HttpResponse:
    form = Answering(request.POST)
    if not form.is_valid():
        raise Invalid(f"Answer in at most {LONGEST_ANSWER} characters.")
    row = decline_proposal(
        access_proposal(request.actor, proposal), answer=form.cleaned_data["answer"], actor=request.actor
    )
    messages.success(request, "The proposal is declined. The agent can read your answer.")
    return redirect("agent", row.agent.slug)


def _wanted(row: GrantProposal) -> dict[str, Any]:
    """An end that the form offers, and not after the one that was asked for."""
    within = [
        days for days in DAYS if row.until and now() + dt.timedelta(days=days) <= row.until + dt.timedelta(hours=1)
    ]
    return {
        "grantee": row.agent.grantee,
        "operations": "\n".join(row.operations),
        "days": str(max(within, default=min(DAYS))) if row.until else "",
        "limits": yaml.safe_dump(row.limits, sort_keys=False, allow_unicode=True) if row.limits else "",
    }
