"""Who may use which operations with which credential: given and taken back by admins."""

import datetime as dt
import re

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from console.core.actor import Role
from console.core.clock import now
from console.core.errors import Conflict, Invalid
from console.core.web import Request, role_required
from integrations.access import access_credential, access_grant, access_integration
from integrations.authorize import needs_consent
from integrations.credential_forms import parts_asked, parts_given
from integrations.credential_types import known
from integrations.describe import give_grant, revoke_credential, revoke_grant, store_credential
from integrations.expiry import last_moment
from integrations.limits import read_limits
from integrations.models import Integration

DAYS = (7, 30, 90, 365)
MOST = 500  # operations in one grant


class Giving(forms.Form):
    """`operations` are names, one a line or with spaces or commas between them; `days` is "" for no end."""

    grantee = forms.RegexField(r"\A(workflow|agent):[a-z][a-z0-9_-]{0,63}\Z", max_length=100, strip=True)
    operations = forms.CharField(max_length=50_000)
    credential = forms.CharField(max_length=100)
    days = forms.TypedChoiceField(
        choices=[("", ""), *((str(days), days) for days in DAYS)], coerce=int, empty_value=None, required=False
    )
    limits = forms.CharField(max_length=20_000, required=False, strip=False)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def give(request: Request, slug: str) -> HttpResponse:
    integration = access_integration(request.actor, slug)
    form = Giving(request.POST) if request.method == "POST" else Giving(initial=request.GET.dict())
    if request.method != "POST":
        return _form(request, integration, form)
    try:
        if not form.is_valid():
            raise Invalid("Say who it is for, as workflow:name or agent:name, which operations, and the credential.")
        _give(request, integration, form)
    except (Invalid, Conflict) as problem:
        return _form(request, integration, form, problem.text, problem.status)
    messages.success(request, f"{form.cleaned_data['grantee']} may use them from now on.")
    return redirect("integration", slug)


def _give(request: Request, integration: Integration, form: Giving) -> None:
    given = form.cleaned_data
    operations = list(dict.fromkeys(re.split(r"[\s,]+", given["operations"].strip())))
    if len(operations) > MOST:
        raise Invalid(f"A grant names at most {MOST} operations.")
    credential = integration.credentials.filter(pk=given["credential"]).first()
    if credential is None:
        raise Invalid("Choose one of the credentials.")
    until = now() + dt.timedelta(days=given["days"]) if given["days"] else None
    limits = read_limits(given["limits"].replace("\r\n", "\n"))
    give_grant(
        grantee=given["grantee"], operations=operations, credential=credential, until=until, limits=limits,
        actor=request.actor,
    )  # fmt: skip


def _form(
    request: Request, integration: Integration, form: Giving, problem: str = "", status: int = 200
) -> HttpResponse:
    usable = integration.credentials.filter(revoked_at=None).only("name")
    context = {"integration": integration, "form": form, "problem": problem, "credentials": usable, "days": DAYS}
    return render(request, "integrations/give.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def seal(request: Request, slug: str) -> HttpResponse:
    """What is typed goes to the door's key and nowhere else: not to the log, and not back onto the page."""
    integration = access_integration(request.actor, slug)
    kind, name, problem, status = known(integration.credential_type), "", "", 200
    if request.method == "POST":
        name = request.POST.get("name", "").strip()
        try:
            given = parts_given(kind, request.POST)
            ends = last_moment(request.POST.get("ends_on", ""))
            sealed = store_credential(integration, name=name, secret=given, expires_at=ends, actor=request.actor)
        except (Invalid, Conflict) as refusal:
            problem, status = refusal.text, refusal.status
        else:
            messages.success(request, f"{name} is sealed. Grants may name it now.")
            if needs_consent(sealed):
                return redirect("credential_authorize", sealed.pk)
            return redirect("integration", slug)
    context = {"integration": integration, "kind": kind, "name": name, "problem": problem, "asked": parts_asked(kind),
               "ends_on": request.POST.get("ends_on", "")}  # fmt: skip
    return render(request, "integrations/seal.html", context, status=status)


@require_POST
@role_required(Role.ADMIN)
def take_back(request: Request, grant: str) -> HttpResponse:
    row = revoke_grant(access_grant(request.actor, grant), actor=request.actor)
    messages.success(request, "The grant is taken back. What waited for a signature by it is void.")
    return redirect("integration", row.integration.slug)


@require_POST
@role_required(Role.ADMIN)
def revoke(request: Request, credential: str) -> HttpResponse:
    row = revoke_credential(access_credential(request.actor, credential), actor=request.actor)
    messages.success(request, f"{row.name} is revoked. Nothing is sent with it any more.")
    return redirect("integration", row.integration.slug)
