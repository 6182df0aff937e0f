"""Connecting a credential: a person goes to the authorization server, consents there, and comes back."""

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from console.core.actor import Role
from console.core.errors import NotFound
from console.core.web import Request, role_required
from integrations.access import access_credential
from integrations.authorize import Answered, asked_for, begin_authorization, receive_answer, why_not


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def authorize(request: Request, credential: str) -> HttpResponse:
    """No form leads elsewhere, by the policy of our pages: the answer to ours shows a link."""
    row = access_credential(request.actor, credential)
    context = {"credential": row, "integration": row.integration, "redirect_uri": _back()}
    if request.method == "POST":
        address = begin_authorization(row, session=_session(request), redirect_uri=_back(), actor=request.actor)
        context |= {"address": address, "host": urlsplit(address).netloc}
    return render(request, "integrations/authorize.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def authorized(request: Request) -> HttpResponse:
    """Where the authorization server sends the person back to. Looking changes nothing; the person says that they meant
    it, and only then is the code taken."""
    given = request.POST if request.method == "POST" else request.GET
    answered = Answered(*(given.get(name, "")[:LONGEST] for name in ("state", "code", "error", "iss")))
    if request.method == "POST":
        row = receive_answer(answered, session=_session(request), actor=request.actor)
        if row.problem:
            messages.error(request, f"{row.credential.name} is not connected. {row.problem}")
        else:
            messages.success(request, f"The door connects {row.credential.name} now.")
        return redirect("integration", row.credential.integration.slug)
    try:
        row = asked_for(answered, session=_session(request), actor=request.actor)
    except NotFound as unknown:
        return render(request, "integrations/authorized.html", {"problem": unknown.text})
    context = {"credential": row.credential, "integration": row.credential.integration, "answered": answered,
               "problem": why_not(row, answered)}  # fmt: skip
    return render(request, "integrations/authorized.html", context)


LONGEST = 4_000  # characters of what a server sends back by address


def _back() -> str:
    return f"{settings.ORIGIN}{reverse('credential_authorized')}"


def _session(request: Request) -> str:
    return request.session.session_key or ""
