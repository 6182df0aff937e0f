"""Legal holds for people: which there are, what they keep, placing one and releasing somebody else's."""

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.access import READERS, access_hold
from audit.hold_queries import list_holds, show
from audit.holds import MAX_REASON, place_hold, release_hold
from audit.models import Hold
from audit.read import record_read, require_role
from audit.retention import listing
from console.core.clock import now
from console.core.errors import Invalid, Refusal
from console.core.web import Request, signed_in


class Placed(forms.Form):
    since = forms.DateField()
    until = forms.DateField(required=False)
    reason = forms.CharField(max_length=MAX_REASON)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def holds(request: Request) -> HttpResponse:
    require_role(request.actor, *READERS, page="holds")
    if request.method != "POST":
        record_read(actor=request.actor, page="holds", subject=request.actor.team)
        return _list(request, Placed())
    form = Placed(request.POST)
    if not form.is_valid():
        return _list(request, form, status=422)
    given = form.cleaned_data
    try:
        hold = place_hold(request.actor, given["since"], given["until"], given["reason"])
    except Refusal as problem:
        return _list(request, form, status=problem.status, problem=problem)
    return redirect("hold", hold.pk)


def _list(request: Request, form: Placed, *, status: int = 200, **more: object) -> HttpResponse:
    months, today = listing(), now().date()
    context = {
        "holds": list_holds(request.actor, after=request.GET.get("after", "")),
        "form": form,
        "keeps": settings.RETENTION_MONTHS,
        "oldest": next(iter(months), None),
        "over": [month for month in months if month.over(today)],
        **more,
    }
    return render(request, "audit/holds.html", context, status=status)


@require_safe
@signed_in
def hold(request: Request, hold_id: str) -> HttpResponse:
    require_role(request.actor, *READERS, page="hold")
    found = access_hold(request.actor, hold_id)
    record_read(actor=request.actor, page="hold", subject=found.pk)
    return _hold(request, found)


@require_POST
@signed_in
def release(request: Request, hold_id: str) -> HttpResponse:
    require_role(request.actor, *READERS, page="hold")
    found = access_hold(request.actor, hold_id)
    try:
        release_hold(request.actor, hold_id, request.POST.get("reason", ""))
    except Invalid as problem:
        return _hold(request, found, status=problem.status, problem=problem)
    return redirect("hold", hold_id)


def _hold(request: Request, found: Hold, *, status: int = 200, **more: object) -> HttpResponse:
    context = {"shown": show([found])[0], "mine": found.placed_by == request.actor.id, **more}
    return render(request, "audit/hold.html", context, status=status)
