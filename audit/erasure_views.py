"""The page that erases personal values of one record: it names what goes, and asks on which basis."""

import uuid

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from audit.access import access_record
from audit.erasure import erasable, erase, holding
from audit.queries import say
from audit.read import record_read, require_role
from console.core.actor import Role
from console.core.errors import Invalid
from console.core.web import Request, signed_in


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def erasure(request: Request, record_id: uuid.UUID) -> HttpResponse:
    require_role(request.actor, Role.ADMIN, page="erasure")
    access_record(request.actor, record_id)
    if request.method != "POST":
        record_read(actor=request.actor, page="erasure", subject=str(record_id))
        return _form(request, record_id)
    try:
        erase(request.actor, record_id, request.POST.getlist("path"), request.POST.get("basis", ""))
    except Invalid as problem:
        return _form(request, record_id, status=problem.status, problem=problem)
    return redirect("record", record_id)


def _form(request: Request, record_id: uuid.UUID, *, status: int = 200, **more: object) -> HttpResponse:
    record = access_record(request.actor, record_id)
    values = erasable(record)
    context = {
        "record": record,
        "said": say(record.kind),
        "values": values,
        "held": holding(record),
        "chosen": request.POST.getlist("path") if request.method == "POST" else [one.path for one in values],
        "basis": request.POST.get("basis", ""),
        **more,
    }
    return render(request, "audit/erasure.html", context, status=status)
