"""What an admin says of an operation, and what a newer document says: reviewed here, adopted or declined."""

from collections.abc import Mapping
from typing import Any

import yaml
from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.read import record_read, require_role
from console.core.actor import Role
from console.core.documents import load
from console.core.errors import Conflict, Invalid
from console.core.web import Request, role_required, signed_in
from integrations.access import READERS, access_integration, access_operation
from integrations.amend import Wanted, decide_amendments, review_operation, waiting
from integrations.description_schema import LONGEST_KEPT, MODES, MORE, SHORTEST_KEPT
from integrations.models import CATEGORIES, EFFECTS, Integration, Operation
from integrations.queries import EFFECT_WORDS, IDEMPOTENCY_WORDS, amendments_of, told

DECISIONS = {"adopt": True, "decline": False}


class Said(forms.Form):
    """`more` is YAML: sentence, facts, amount, reads, requires, probe, compensation, success."""

    seen = forms.CharField(max_length=64)
    effect = forms.ChoiceField(choices=[(one, one) for one in EFFECTS])
    categories = forms.MultipleChoiceField(choices=[(one, one) for one in CATEGORIES], required=False)
    mode = forms.ChoiceField(choices=[(one, one) for one in MODES])
    header = forms.CharField(max_length=200, required=False)
    body = forms.CharField(max_length=200, required=False)
    retention = forms.IntegerField(min_value=SHORTEST_KEPT, max_value=LONGEST_KEPT, required=False)
    evidence = forms.CharField(max_length=1_000, required=False)
    more = forms.CharField(required=False, strip=False)

    def said(self) -> dict[str, Any]:
        """As a description has it. Raises Invalid with a line of `more`."""
        given = self.cleaned_data
        more = str(given["more"]).replace("\r\n", "\n")
        told = {name: given[name] for name in ("mode", "header", "body", "retention", "evidence") if given[name]}
        idempotency = {"idempotency": told} if given["effect"] != "read" else {}
        return {"effect": given["effect"], "categories": given["categories"], **idempotency,
                **(load(more, MORE) if more.strip() else {})}  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def review(request: Request, operation: str) -> HttpResponse:
    row = access_operation(request.actor, operation)
    if request.method != "POST":
        return _form(request, row, said_of(row))
    form = Said(request.POST)
    try:
        if not form.is_valid():
            raise Invalid(
                "Choose an effect, categories and what a repeat does from the lists, and give seconds as a number."
            )
        review_operation(row, form.said(), seen=form.cleaned_data["seen"], actor=request.actor)
    except (Invalid, Conflict) as problem:
        given = {**said_of(row), **form.data.dict(), "categories": form.data.getlist("categories")}  # type: ignore[attr-defined]  # a QueryDict
        return _form(request, row, given, problem.text, status=problem.status)
    messages.success(request, f"{row.slug} counts as reviewed now.")
    return redirect(f"{reverse('integration', args=[row.integration.slug])}?q={row.slug}#{row.slug}")


def said_of(row: Operation) -> dict[str, object]:
    """The form's fields as the description in force fills them."""
    described: Mapping[str, Any] = row.description
    told = described.get("idempotency", {})
    more = {name: described[name] for name in MORE["properties"] if described.get(name)}
    written = yaml.safe_dump(more, sort_keys=False, allow_unicode=True, width=100) if more else ""
    return {"effect": row.effect, "categories": row.categories, "mode": told.get("mode", "unknown"),
            **{name: told.get(name, "") for name in ("header", "body", "retention", "evidence")}, "more": written,
            "seen": bytes(row.digest).hex()}  # fmt: skip


def _form(
    request: Request, row: Operation, given: Mapping[str, object], problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "integration": row.integration, "operation": row, "one": told(row, row.integration, []), "given": given,
        "effects": EFFECT_WORDS, "categories": CATEGORIES, "modes": IDEMPOTENCY_WORDS, "problem": problem,
        "waits": waiting(row),
    }  # fmt: skip
    return render(request, "integrations/review.html", context, status=status)


@require_safe
@signed_in
def changes(request: Request, slug: str) -> HttpResponse:
    """What a newer document says otherwise, and what people decided on it."""
    require_role(request.actor, *READERS, page="changes")
    integration = access_integration(request.actor, slug)
    record_read(actor=request.actor, page="changes", subject=integration.id)
    return _changes(request, integration)


@require_POST
@role_required(Role.ADMIN)
def decide(request: Request, slug: str) -> HttpResponse:
    integration = access_integration(request.actor, slug)
    try:
        decided = _decide(request, integration)
    except (Invalid, Conflict) as problem:
        return _changes(request, integration, problem.text, problem.status)
    verb = "described anew" if "adopt" in request.POST else "left as it was"
    messages.success(request, f"{', '.join(decided[:3])}{' and more' if len(decided) > 3 else ''}: {verb}.")
    return redirect("changes", slug)


def _changes(request: Request, integration: Integration, problem: str = "", status: int = 200) -> HttpResponse:
    context = {"integration": integration, "changes": amendments_of(integration), "problem": problem,
               "decides": request.actor.has(Role.ADMIN)}  # fmt: skip
    return render(request, "integrations/changes.html", context, status=status)


def _decide(request: Request, integration: Integration) -> list[str]:
    verbs = [adopt for name, adopt in DECISIONS.items() if name in request.POST]
    if len(verbs) != 1:
        raise Invalid("Adopt or decline: one of the two.")
    chosen = [Wanted(*one.partition(":")[::2]) for one in request.POST.getlist("amendment")]
    return decide_amendments(integration, chosen, adopt=verbs[0], actor=request.actor)
