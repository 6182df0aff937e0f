"""The page of one credential: whether it is good, who uses it, what would stop without it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.read import record_read, require_role
from console.core.actor import Role
from console.core.errors import Conflict, Invalid
from console.core.web import Request, is_piece, role_required, signed_in
from integrations.access import READERS, access_credential, visible_grants
from integrations.describe import revoke_credential
from integrations.health import ask_test, candidates, chosen_before, needed
from integrations.models import Credential
from integrations.queries import credential_shown

SHOWN = 5  # tests


@require_safe
@signed_in
def show(request: Request, credential: str) -> HttpResponse:
    """It fetches its tests anew while one is under way."""
    require_role(request.actor, *READERS, page="credential")
    row = access_credential(request.actor, credential)
    if is_piece(request):
        return _page(request, row, template="integrations/_tests.html")
    record_read(actor=request.actor, page="credential", subject=row.pk)
    return _page(request, row)


@require_POST
@role_required(Role.ADMIN)
def test(request: Request, credential: str) -> HttpResponse:
    row = access_credential(request.actor, credential)
    given = {name: request.POST.get(name, "")[:LONGEST] for name in ("operation", "arguments")}
    try:
        ask_test(row, given["operation"], given["arguments"].replace("\r\n", "\n"), actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _page(request, row, problem=problem.text, given=given, status=problem.status)
    return redirect("credential", row.pk)


LONGEST = 20_000  # characters


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def revoke(request: Request, credential: str) -> HttpResponse:
    """Looking says what stops."""
    row = access_credential(request.actor, credential)
    if request.method == "POST":
        row = revoke_credential(row, actor=request.actor)
        messages.success(request, f"{row.name} is revoked. Nothing is sent with it any more.")
        return redirect("integration", row.integration.slug)
    return _page(request, row, template="integrations/revoke.html")


def _page(
    request: Request, row: Credential, *, template: str = "integrations/credential.html", problem: str = "",
    given: dict[str, str] | None = None, status: int = 200,
) -> HttpResponse:  # fmt: skip
    tests = list(row.tests.select_related("operation", "asked_by").defer("operation__description")[:SHOWN])
    acts = request.actor.has(Role.ADMIN)
    context = {
        "credential": row, "integration": row.integration, "tests": tests, "last": tests[0] if tests else None,
        "shown": credential_shown(row, visible_grants(request.actor)), "acts": acts, "problem": problem,
        "candidates": [(one, ", ".join(needed(one))) for one in candidates(row.integration)] if acts else [],
        "opened": row.openings.select_related("asker").order_by("opened_at").first(),
        "given": given or (chosen_before(row) if acts else {}),
    }  # fmt: skip
    return render(request, template, context, status=status)
