"""Who may use which operations with which credential: given and taken back by admins."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

import yaml
from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Conflict, Invalid
from console.core.web import Request, role_required
from integrations.access import access_grant, access_integration
from integrations.authorize import needs_consent
from integrations.credential_forms import parts_asked, parts_given
from integrations.credential_types import known
from integrations.describe import give_grant, revoke_grant, store_credential
from integrations.expiry import last_moment
from integrations.grantees import asked_by
from integrations.limits import fitting, read_limits
from integrations.models import Grant, Integration
from integrations.queries import unused
from integrations.simulate import Simulation, simulate

DAYS = (7, 30, 90, 365)
MOST = 500  # operations in one grant
PAST_DAYS = 30
MOST_TRIED = 500  # actions of the past


class Giving(forms.Form):
    """`operations` are names, one a line or with spaces or commas between them; `days` is "" for no end."""

    grantee = forms.RegexField(r"\A((workflow|agent):[a-z][a-z0-9_-]{0,63}|people)\Z", max_length=100, strip=True)
    operations = forms.CharField(max_length=50_000)
    credential = forms.CharField(max_length=100)
    days = forms.TypedChoiceField(
        choices=[("", ""), *((str(days), days) for days in DAYS)], coerce=int, empty_value=None, required=False
    )
    limits = forms.CharField(max_length=20_000, required=False, strip=False)
    replaces = forms.CharField(max_length=100, required=False)  # a grant that ends where this one begins


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def give(request: Request, slug: str) -> HttpResponse:
    integration = access_integration(request.actor, slug)
    form = Giving(request.POST) if request.method == "POST" else Giving(initial=_asked_for(request))
    if request.method != "POST":
        return grant_form(request, integration, form)
    try:
        if tried := try_grant(request, integration, form):
            return grant_form(request, integration, form, tried=tried)
        give_as_said(integration, form, actor=request.actor)
    except (Invalid, Conflict) as problem:
        return grant_form(request, integration, form, problem.text, problem.status)
    messages.success(request, f"{form.cleaned_data['grantee']} may use them from now on.")
    return redirect("integration", slug)


def _asked_for(request: Request) -> dict[str, Any]:
    """What a link fills in: a narrower grant than there is, or whatever it names."""
    if "narrow" not in request.GET:
        return request.GET.dict()
    grant = access_grant(request.actor, request.GET["narrow"])
    idle = unused([grant], now()).get(grant.pk, [])
    kept = [one for one in grant.operations if one not in idle]
    named = grant.integration.operations.filter(slug__in=kept).values_list("description__arguments", flat=True)
    limits = fitting(grant.limits, {name for arguments in named for name in arguments or {}})
    written = yaml.safe_dump(limits, sort_keys=False, allow_unicode=True) if limits else ""
    return {"grantee": grant.grantee, "operations": "\n".join(kept), "credential": grant.credential_id,
            "limits": written, "replaces": grant.pk}  # fmt: skip


def try_grant(request: Request, integration: Integration, form: Giving) -> Simulation | None:
    """What the last days would have been, where only that was asked: nothing is given then. Raises Invalid."""
    if "try" not in request.POST:
        return None
    _check(form)
    given = form.cleaned_data
    since = now() - dt.timedelta(days=PAST_DAYS)
    past = asked_by(integration.team_id, given["grantee"], integration.pk, since, MOST_TRIED)
    described = dict(integration.operations.values_list("slug", "description__arguments"))
    return simulate(_operations(form), _limits(form), described, past)


def _operations(form: Giving) -> list[str]:
    operations = list(dict.fromkeys(re.split(r"[\s,]+", form.cleaned_data["operations"].strip())))
    if len(operations) > MOST:
        raise Invalid(f"A grant names at most {MOST} operations.")
    return operations


def _limits(form: Giving) -> dict[str, Any]:
    return read_limits(form.cleaned_data["limits"].replace("\r\n", "\n"))


def _check(form: Giving) -> None:
    if not form.is_valid():
        raise Invalid(
            "Say who it is for, as workflow:name, agent:name or people, which operations, and the credential."
        )


@transaction.atomic
def give_as_said(integration: Integration, form: Giving, *, actor: Actor) -> Grant:
    """Raises Invalid, Conflict."""
    _check(form)
    given = form.cleaned_data
    credential = integration.credentials.filter(pk=given["credential"]).first()
    if credential is None:
        raise Invalid("Choose one of the credentials.")
    until = now() + dt.timedelta(days=given["days"]) if given["days"] else None
    if given["replaces"]:
        before = access_grant(actor, given["replaces"])
        if (before.integration_id, before.grantee) != (integration.pk, given["grantee"]):
            raise Invalid("What it replaces was given to somebody else, or for another system.")
        until = min(filter(None, (until, before.until)), default=None)
        revoke_grant(before, actor=actor)
    return give_grant(
        grantee=given["grantee"], operations=_operations(form), credential=credential, until=until,
        limits=_limits(form), actor=actor,
    )  # fmt: skip


def grant_form(
    request: Request, integration: Integration, form: Giving, problem: str = "", status: int = 200, *,
    tried: Simulation | None = None, template: str = "integrations/give.html",
    more: Mapping[str, object] | None = None,
) -> HttpResponse:  # fmt: skip
    usable = integration.credentials.filter(revoked_at=None).only("name")
    context = {"integration": integration, "form": form, "problem": problem, "credentials": usable, "days": DAYS,
               "tried": tried, "past_days": PAST_DAYS, "most_tried": MOST_TRIED,
               "action": reverse("grant_give", args=[integration.slug]), **(more or {})}  # fmt: skip
    return render(request, template, context, status=status)


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
            return redirect("credential", sealed.pk)
    context = {"integration": integration, "kind": kind, "name": name, "problem": problem, "asked": parts_asked(kind),
               "ends_on": request.POST.get("ends_on", "")}  # fmt: skip
    return render(request, "integrations/seal.html", context, status=status)


@require_POST
@role_required(Role.ADMIN)
def take_back(request: Request, grant: str) -> HttpResponse:
    row = revoke_grant(access_grant(request.actor, grant), actor=request.actor)
    messages.success(request, "The grant is taken back. What waited for a signature by it is void.")
    return redirect("integration", row.integration.slug)
