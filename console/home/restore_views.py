"""The page on which two administrators sign that an older copy of the database was put back on purpose."""

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from audit.queries import brief, names_of
from audit.read import record_read, require_role
from audit.standing import waiting
from audit.trees import open_tree
from console.accounts.models import Passkey
from console.core.actor import Role
from console.core.errors import Invalid, Refusal
from console.core.web import Request, signed_in
from console.home.restore import MAX_REASON, MEANING, NEEDED, counted, prepare_restore, sign_restore, wanted


@require_safe
@signed_in
def restore(request: Request) -> HttpResponse:
    require_role(request.actor, Role.ADMIN, page="restore")
    record_read(actor=request.actor, page="restore", subject=request.actor.team)
    return _page(request)


@require_POST
@signed_in
def challenge(request: Request) -> JsonResponse:
    """What to sign, for the browser. Refusals are said in the same form, beside the button."""
    require_role(request.actor, Role.ADMIN, page="restore")
    try:
        return JsonResponse(prepare_restore(request.POST.get("reason", ""), actor=request.actor))
    except Refusal as refusal:
        return JsonResponse({"code": refusal.code, "text": refusal.text}, status=refusal.status)


@require_POST
@signed_in
def sign(request: Request) -> HttpResponse:
    require_role(request.actor, Role.ADMIN, page="restore")
    try:
        sign_restore(request.POST.get("prepared", ""), _assertion(request), actor=request.actor)
    except Refusal as problem:
        return _page(request, status=problem.status, problem=problem)
    return redirect("restore")


def _assertion(request: Request) -> Mapping[str, object]:
    try:
        return dict(json.loads(request.POST.get("assertion", "")))
    except (ValueError, TypeError):
        raise Invalid("The passkey's answer is not in the form that browsers send.", code="bad_signature") from None


def _page(request: Request, *, status: int = 200, **more: object) -> HttpResponse:
    statement = wanted()
    signatures = counted(statement) if statement else []
    names = names_of(row.reviewer_id for row in signatures)
    context: dict[str, Any] = {
        "statement": statement,
        "tree": open_tree(),
        "waiting": waiting(),
        "signed": [
            {"by": names.get(row.reviewer_id) or brief(row.reviewer_id), "at": row.signed_at,
             "reason": json.loads(bytes(row.payload))["reason"]}
            for row in signatures
        ],
        "mine": any(row.reviewer_id == request.actor.id for row in signatures),
        "enough": len(signatures) >= NEEDED,
        "has_passkey": Passkey.objects.filter(user=request.actor.id, revoked_at=None).exists(),
        "meaning": MEANING,
        "longest": MAX_REASON,
        "reason": request.POST.get("reason", ""),
        **more,
    }  # fmt: skip
    return render(request, "audit/restore.html", context, status=status)
