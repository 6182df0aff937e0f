"""Observing an agent: how it is begun, what is seen, and what that proposes."""

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from audit.read import record_read, require_role
from console.agents.access import READERS, access_agent, visible_agents
from console.agents.models import Agent
from console.agents.observe import begin_observing, end_observing
from console.agents.register import issue_agent_token
from console.core.actor import Role
from console.core.clock import now
from console.core.errors import Invalid
from console.core.web import Request, role_required, signed_in
from console.shadow import forwarder
from console.shadow.report import DAYS, MOST, Report, Row, report
from console.shadow.take import KEPT_FOR, forget
from integrations.access import visible_integrations

PROGRAM = Path(forwarder.__file__).read_bytes()
DIGEST = hashlib.sha256(PROGRAM).hexdigest()
TOKEN_DAYS = (7, 30, 90)


class Beginning(forms.Form):
    days = forms.TypedChoiceField(choices=[(days, days) for days in TOKEN_DAYS], coerce=int)


@require_safe
def program(_: HttpRequest) -> HttpResponse:
    """The forwarder, for anybody: it holds nothing, and the agent's machine is signed in nowhere."""
    return HttpResponse(
        PROGRAM, content_type="text/x-python; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="shadow.py"'},
    )  # fmt: skip


@require_safe
@signed_in
def list_observed(request: Request) -> HttpResponse:
    require_role(request.actor, *READERS, page="shadows")
    record_read(actor=request.actor, page="shadows", subject=request.actor.team)
    agents = list(visible_agents(request.actor).filter(retired_at=None))
    context = {"observed": [one for one in agents if one.observing_since],
               "others": [one for one in agents if not one.observing_since],
               "makes": request.actor.has(Role.ADMIN)}  # fmt: skip
    return render(request, "shadow/list.html", context)


@require_safe
@signed_in
def show(request: Request, slug: str) -> HttpResponse:
    require_role(request.actor, *READERS, page="shadow")
    agent = access_agent(request.actor, slug)
    record_read(actor=request.actor, page="shadow", subject=agent.id)
    return _page(request, agent)


@require_POST
@role_required(Role.ADMIN)
def begin(request: Request, slug: str) -> HttpResponse:
    """The page with the token, which is in this one answer and nowhere else."""
    agent, form = access_agent(request.actor, slug), Beginning(request.POST)
    if not form.is_valid():
        raise Invalid("Choose how long the token may last.")
    agent = begin_observing(agent, actor=request.actor)
    expires = now() + dt.timedelta(days=form.cleaned_data["days"])
    _, secret = issue_agent_token(agent, expires=expires, label="for observing", actor=request.actor)
    return _page(request, agent, secret=secret)


@require_POST
@role_required(Role.ADMIN)
def end(request: Request, slug: str) -> HttpResponse:
    ended = end_observing(access_agent(request.actor, slug), actor=request.actor)
    told = "The token that was made for it is" if ended == 1 else f"The {ended} tokens that were made meanwhile are"
    messages.success(
        request, "It is not observed any more." + (f" {told} worth nothing now: make a new one." if ended else "")
    )
    return redirect("agent", slug)


@require_POST
@role_required(Role.ADMIN)
def forget_seen(request: Request, slug: str) -> HttpResponse:
    forget(access_agent(request.actor, slug), actor=request.actor)
    messages.success(request, "What was seen of it is forgotten.")
    return redirect("shadow", slug)


def _page(request: Request, agent: Agent, *, secret: str = "") -> HttpResponse:
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, DAYS) else DAYS[1]
    made = report(agent, days)
    servers = visible_integrations(request.actor).filter(protocol="mcp").values_list("slug", flat=True)
    context: dict[str, Any] = {
        "agent": agent, "secret": secret, "report": made, "days": days, "choices": DAYS, "most": MOST,
        "kept_days": KEPT_FOR.days, "token_days": TOKEN_DAYS, "digest": DIGEST, "console": settings.ORIGIN,
        "server": servers.first() or "NAME", "makes": request.actor.has(Role.ADMIN),
        "grants": _grants(agent, made),
    }  # fmt: skip
    return render(request, "shadow/shadow.html", context)


def _grants(agent: Agent, made: Report) -> list[dict[str, Any]]:
    return [{"row": row, "limits": _written(row.limits), "form": _form(agent, row)}
            for row in made.rows if row.limits is not None]  # fmt: skip


def _written(limits: Any) -> str:
    return yaml.safe_dump(limits, sort_keys=False, allow_unicode=True) if limits else ""


def _form(agent: Agent, row: Row) -> str:
    """The form for a grant, filled in."""
    filled = {"grantee": agent.grantee, "operations": row.row.slug, "limits": _written(row.limits)}
    return reverse("grant_give", args=[row.row.integration.slug]) + "?" + urlencode(filled)
