"""Agents: who they are, who answers for them, what they may use, and the tokens by which they ask."""

import datetime as dt

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.read import record_read, require_role
from console.accounts.models import User
from console.agents.access import READERS, access_agent, access_token, visible_agents
from console.agents.models import Agent
from console.agents.register import create_agent, issue_agent_token, retire_agent, revoke_agent_token
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Conflict, Invalid
from console.core.web import Request, role_required, signed_in
from integrations.access import visible_grants
from integrations.queries import sentences

DAYS = (7, 30, 90, 365)  # that a token may last


class Registration(forms.Form):
    slug = forms.CharField(max_length=64)
    title = forms.CharField(max_length=200)
    owner = forms.CharField(max_length=100)


class Issue(forms.Form):
    label = forms.CharField(max_length=100, required=False)
    days = forms.TypedChoiceField(choices=[(days, days) for days in DAYS], coerce=int)


@require_safe
@signed_in
def list_agents(request: Request) -> HttpResponse:
    require_role(request.actor, *READERS, page="agents")
    record_read(actor=request.actor, page="agents", subject=request.actor.team)
    context = {"agents": list(visible_agents(request.actor)), "makes": request.actor.has(Role.ADMIN)}
    return render(request, "agents/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def register_agent(request: Request) -> HttpResponse:
    form = Registration(request.POST or None)
    if request.method != "POST":
        return _registration(request, form)
    try:
        if not form.is_valid():
            raise Invalid("Give the agent a short name, a title, and a person who answers for it.")
        given = form.cleaned_data
        owner = _members(request.actor).get(given["owner"])
        if owner is None:
            raise Invalid("Whoever answers for an agent has to be in your team.")
        agent = create_agent(given["slug"], given["title"], owner=owner, actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _registration(request, form, problem.text, problem.status)
    return redirect("agent", agent.slug)


def _registration(request: Request, form: Registration, problem: str = "", status: int = 200) -> HttpResponse:
    context = {"form": form, "problem": problem, "members": _members(request.actor).values()}
    return render(request, "agents/register.html", context, status=status)


def _members(actor: Actor) -> dict[str, User]:
    people = User.objects.filter(memberships__team=actor.team, is_active=True).order_by("name", "pk")
    return {person.pk: person for person in people}


@require_safe
@signed_in
def show_agent(request: Request, slug: str) -> HttpResponse:
    require_role(request.actor, *READERS, page="agent")
    agent = access_agent(request.actor, slug)
    record_read(actor=request.actor, page="agent", subject=agent.id)
    return _page(request, agent)


@require_POST
@role_required(Role.ADMIN)
def issue_token(request: Request, slug: str) -> HttpResponse:
    """The page with the secret, which is in this one answer and nowhere else."""
    agent, form = access_agent(request.actor, slug), Issue(request.POST)
    if not form.is_valid():
        return _page(request, agent, problem="Choose how long the token may last.", status=422)
    expires = now() + dt.timedelta(days=form.cleaned_data["days"])
    try:
        _, secret = issue_agent_token(agent, expires=expires, label=form.cleaned_data["label"], actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _page(request, agent, problem=problem.text, status=problem.status)
    return _page(request, agent, secret=secret)


@require_POST
@role_required(Role.ADMIN)
def revoke_token(request: Request, token: str) -> HttpResponse:
    row = access_token(request.actor, token)
    revoke_agent_token(row, actor=request.actor)
    messages.success(request, "The token is worth nothing any more.")
    return redirect("agent", row.agent.slug)


@require_POST
@role_required(Role.ADMIN)
def retire(request: Request, slug: str) -> HttpResponse:
    agent = retire_agent(access_agent(request.actor, slug), actor=request.actor)
    messages.success(request, f"{agent.title} is retired. What it had asked for and had not begun is withdrawn.")
    return redirect("agent", slug)


def _page(request: Request, agent: Agent, *, secret: str = "", problem: str = "", status: int = 200) -> HttpResponse:
    grants = visible_grants(request.actor).filter(grantee=agent.grantee)
    context = {
        "agent": agent, "tokens": list(agent.tokens.all()), "sentences": sentences(grants), "secret": secret,
        "proposals": [] if agent.retired_at else list(agent.proposals.filter(state="open").select_related("agent")),
        "problem": problem, "days": DAYS, "at": now(), "makes": request.actor.has(Role.ADMIN),
    }  # fmt: skip
    return render(request, "agents/agent.html", context, status=status)
