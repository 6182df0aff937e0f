"""The policy room: what rules now, what ruled before, and asking for another version."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from approvals.access import visible_reviews
from approvals.models import Action, PolicyVersion
from approvals.policies.document import parse
from approvals.policies.sentence import then_in_words, when_in_words
from approvals.publish import ask_to_publish, asked_for, changes, newest
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
    """`check` only tells what would be said of it."""
    if request.method != "POST":
        return _form(request)
    source = request.POST.get("source", "").replace("\r\n", "\n")
    try:
        if "check" in request.POST:
            parse(source)
            return _form(request)
        action = ask_to_publish(source, why=request.POST.get("why", ""), actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _form(request, problem)
    said = "It is asked for. Somebody else of the group admins signs it." if action else "It rules from now on."
    messages.success(request, said)
    return redirect("policies")


def _show(request: Request, version: PolicyVersion | None) -> HttpResponse:
    current = newest(request.actor.team)
    versions = PolicyVersion.objects.filter(policy__team=request.actor.team).select_related("action")[:SHOWN]
    context = {
        "version": version, "current": current, "versions": versions, "rules": _rules(version),
        "asked": _asked(request), "may_change": request.actor.has(Role.ADMIN),
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


def _form(request: Request, problem: Invalid | Conflict | None = None) -> HttpResponse:
    current = newest(request.actor.team)
    source = request.POST.get("source", "").replace("\r\n", "\n") if request.method == "POST" else ""
    source = source or (current.source if current else "")
    context = {
        "source": source, "why": request.POST.get("why", ""), "problem": problem, "current": current,
        "checked": request.method == "POST" and problem is None, "asked": _asked(request),
        "changes": changes(current.source, source) if current else "",
    }  # fmt: skip
    return render(request, "policies/change.html", context, status=problem.status if problem else 200)
