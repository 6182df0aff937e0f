"""Was this leaked value ours? What is typed is neither kept nor said back."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from console.core.actor import Role
from console.core.errors import Invalid
from console.core.web import Request, role_required
from integrations.prints import look_up


@sensitive_post_parameters("value")
@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def look_up_leak(request: Request) -> HttpResponse:
    if request.method != "POST":
        return render(request, "integrations/leak.html")
    try:
        looked_up = look_up(request.POST.get("value", ""), actor=request.actor)
    except Invalid as problem:
        return render(request, "integrations/leak.html", {"problem": problem.text}, status=problem.status)
    return render(request, "integrations/leak.html", {"looked_up": looked_up})
