"""What is connected: each system's operations, credentials (never their secrets) and grants."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.read import record_read, require_role
from console.core.actor import Role
from console.core.keyset import newest_first
from console.core.web import Request, signed_in
from integrations.access import READERS, access_integration, visible_calls, visible_grants, visible_integrations
from integrations.attention import attention
from integrations.door_key import standing
from integrations.models import Amendment
from integrations.queries import credentials_of, listed, operations_of, sentences

LONGEST_SEARCH = 100
STATES = {"sending": "being sent", "in_doubt": "in doubt", "succeeded": "succeeded", "failed": "failed"}


@require_safe
@signed_in
def list_integrations(request: Request) -> HttpResponse:
    require_role(request.actor, *READERS, page="integrations")
    integrations = list(listed(visible_integrations(request.actor)))
    record_read(actor=request.actor, page="integrations", subject=request.actor.team)
    context = {"integrations": integrations, "attention": attention(integrations), "door": standing(request.actor.team)}
    return render(request, "integrations/list.html", context)


@require_safe
@signed_in
def list_calls(request: Request) -> HttpResponse:
    """What was sent to other systems, the newest first. Bodies are not shown here: they belong to whoever may see the
    review or the run."""
    require_role(request.actor, *READERS, page="calls")
    state = request.GET.get("state", "")
    calls = visible_calls(request.actor).defer("operation__description", "operation__attestation")
    if state:
        calls = calls.filter(state=state)
    page = newest_first(calls, by="sent_at", after=request.GET.get("after", ""))
    record_read(actor=request.actor, page="calls", subject=request.actor.team, filter=state)
    context = {"calls": page.items, "next": page.next, "state": state, "states": STATES}
    return render(request, "integrations/calls.html", context)


@require_safe
@signed_in
def show_integration(request: Request, slug: str) -> HttpResponse:
    require_role(request.actor, *READERS, page="integration")
    integration = access_integration(request.actor, slug)
    grants = list(visible_grants(request.actor).filter(integration=integration))
    given, search = sentences(grants), request.GET.get("q", "").strip()[:LONGEST_SEARCH]
    operations = operations_of(integration, grants, search=search, after=request.GET.get("after", ""))
    context = {
        "integration": integration,
        "operations": operations,
        "search": search,
        "searchable": search or operations.next or request.GET.get("after"),
        "credentials": credentials_of(integration, given),
        "sentences": given,
        "webhooks": integration.webhooks.order_by("-ended_at", "slug"),
        "waiting": Amendment.objects.filter(operation__integration=integration, state="quarantined").count(),
        "reviews": request.actor.has(Role.ADMIN),
    }
    record_read(actor=request.actor, page="integration", subject=integration.id, filter=search)
    return render(request, "integrations/integration.html", context)
