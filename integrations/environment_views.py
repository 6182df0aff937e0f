"""Naming the environment of an integration: by admins, on its page."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from console.core.actor import Role
from console.core.errors import Invalid
from console.core.web import Request, role_required
from integrations.access import access_integration
from integrations.environment import SUGGESTED, set_environment


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def place(request: Request, slug: str) -> HttpResponse:
    integration = access_integration(request.actor, slug)
    context = {"integration": integration, "suggested": SUGGESTED, "typed": integration.environment}
    if request.method != "POST":
        return render(request, "integrations/environment.html", context)
    name = request.POST.get("environment", "").strip()
    try:
        set_environment(slug, name, actor=request.actor)
    except Invalid as problem:
        context |= {"typed": name, "problem": problem.text}
        return render(request, "integrations/environment.html", context, status=problem.status)
    said = (
        f"{integration.title} belongs to {name}." if name else f"The environment of {integration.title} is not known."
    )
    messages.success(request, said)
    return redirect("integration", slug)
