"""The policy room: what rules now, what ruled before, and asking for another version."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from approvals.access import visible_actions, visible_reviews
from approvals.care.aftersheet import proposed_policy
from approvals.care.afterwards import access_post_review
from approvals.models import Action, PolicyVersion
from approvals.policies.sentence import then_in_words, when_in_words
from approvals.preview import preview
from approvals.publish import ask_to_publish, asked_for, changes, newest, read_policy
from approvals.trials import begin_trial, compare_trial, end_trial, trial_of
from console.core.actor import Role
from console.core.errors import Conflict, Invalid, NotFound
from console.core.web import Request, role_required

SHOWN = 50


@require_safe
@role_required(*Role)
def policies(request: Request) -> HttpResponse:
    return _show(request, newest(request.actor.team))


@require_safe
@role_required(*Role)
def policy_version(request: Request, number: int) -> HttpResponse:
    version = PolicyVersion.objects.filter(policy__team=request.actor.team, number=number).first()
    if version is None:
        raise NotFound("There is no such version.")
    return _show(request, version)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def change_policy(request: Request) -> HttpResponse:
    """`check` only tells what can be said of it, and `try` has it asked beside the one that rules."""
    if request.method != "POST":
        return _form(request, _begun(request))
    source = request.POST.get("source", "").replace("\r\n", "\n")
    try:
        if "check" in request.POST:
            return _form(request, source, checked=read_policy(source))
        if "try" in request.POST:
            begin_trial(source, actor=request.actor)
            return redirect("policy_trial")
        action = ask_to_publish(source, why=request.POST.get("why", ""), actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _form(request, source, problem)
    said = "It is asked for. Somebody else of the group admins signs it." if action else "It rules from now on."
    messages.success(request, said)
    return redirect("policies")


def _show(request: Request, version: PolicyVersion | None) -> HttpResponse:
    current = newest(request.actor.team)
    versions = PolicyVersion.objects.filter(policy__team=request.actor.team).select_related("action")[:SHOWN]
    context = {
        "version": version, "current": current, "versions": versions, "rules": _rules(version),
        "asked": _asked(request), "may_change": request.actor.has(Role.ADMIN),
        "trial": trial_of(request.actor.team),
    }  # fmt: skip
    return render(request, "policies/policies.html", context)


def _rules(version: PolicyVersion | None) -> list[dict[str, str]]:
    """Of what was published before rules had slots, only what stands in it."""
    if version is None:
        return []
    try:
        return [
            {"id": rule["id"], "label": rule.get("label", ""), "when": when_in_words(rule["when"]),
             "then": then_in_words(rule), "outcome": rule["then"], "reason": rule.get("reason", "")}
            for rule in version.document["rules"]
        ]  # fmt: skip
    except (KeyError, TypeError, AttributeError):
        return []


def _asked(request: Request) -> dict[str, object] | None:
    action: Action | None = asked_for(request.actor.team)
    if action is None:
        return None
    review = visible_reviews(request.actor).filter(action=action, state="open").first()
    return {"action": action, "review": review}


def _begun(request: Request) -> str:
    """The one on trial where that is asked for, or what somebody's judgement proposes, else the one in force."""
    if asked := request.GET.get("afterwards"):
        return proposed_policy(access_post_review(request.actor, asked))
    trial = trial_of(request.actor.team) if "trial" in request.GET else None
    current = newest(request.actor.team)
    return trial.source if trial else current.source if current else ""


def _form(
    request: Request,
    source: str,
    problem: Invalid | Conflict | None = None,
    *,
    checked: Mapping[str, Any] | None = None,
) -> HttpResponse:
    current = newest(request.actor.team)
    context = {
        "source": source, "why": request.POST.get("why", ""), "problem": problem, "current": current,
        "asked": _asked(request), "changes": changes(current.source, source) if current else "",
        "preview": preview(checked, current.document if current else None, request.actor.team) if checked else None,
    }  # fmt: skip
    return render(request, "policies/change.html", context, status=problem.status if problem else 200)


@require_POST
@role_required(Role.ADMIN)
def drop_trial(request: Request) -> HttpResponse:
    end_trial(actor=request.actor)
    messages.success(request, "It is on trial no more.")
    return redirect("policies")


@require_safe
@role_required(*Role)
def policy_trial(request: Request) -> HttpResponse:
    """What a policy that rules nothing would have said."""
    found, current = trial_of(request.actor.team), newest(request.actor.team)
    replayed = compare_trial(found, current, visible_actions(request.actor)) if found and current else None
    context = {
        "trial": found, "current": current, "replay": replayed, "may_change": request.actor.has(Role.ADMIN),
        "changes": changes(current.source, found.source) if found and current else "",
    }  # fmt: skip
    return render(request, "policies/trial.html", context)
