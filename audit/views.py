"""The log as people read it: the list with its filter, and one record with what proves it."""

import uuid

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.access import READERS, access_record, visible_records
from audit.proof import prove
from audit.protection import judge, read_facts
from audit.queries import Filter, line, listing, matching, names_of, say
from audit.read import record_read, require_role
from audit.standing import standing, why_risky_actions_wait
from audit.vocabulary import Kind
from console.core.actor import Role
from console.core.web import Request, signed_in


@require_safe
@signed_in
def log(request: Request) -> HttpResponse:
    require_role(request.actor, *READERS, page="audit")
    form = Filter(request.GET)
    records = visible_records(request.actor)
    records = matching(records, form.cleaned_data) if form.is_valid() else records.none()
    context = {
        "form": form,
        "listing": listing(records, after=request.GET.get("after", "")),
        "kinds": {kind: say(kind) for kind in Kind},
        "filters": _filters(request),
        **_protection(),
    }
    record_read(actor=request.actor, page="audit", subject=request.actor.team, filter=form.told)
    return render(request, "audit/log.html", context)


def _filters(request: Request) -> str:
    """The address without its place in the list, for the links to the pages after this one."""
    query = request.GET.copy()
    query.pop("after", None)
    return query.urlencode()


def _protection() -> dict[str, object]:
    now = standing()
    checks = judge(read_facts(), now)
    broken = sum(not check.holds and not check.optional for check in checks)
    return {"checks": checks, "broken": broken, "held": sum(check.holds for check in checks), "standing": now,
            "waits": why_risky_actions_wait()}  # fmt: skip


@require_safe
@signed_in
def show_record(request: Request, record_id: uuid.UUID) -> HttpResponse:
    require_role(request.actor, *READERS, page="record")
    record = access_record(request.actor, record_id)
    proof = prove(record)
    names = names_of([record.actor, proof.leaf["actor"]["on_behalf_of"]])
    context = {"record": record, "line": line(record, names), "proof": proof, "leaf": proof.leaf,
               "behalf": names.get(proof.leaf["actor"]["on_behalf_of"], ""),
               "erasable": request.actor.has(Role.ADMIN) and proof.discloses}  # fmt: skip
    record_read(actor=request.actor, page="record", subject=str(record.pk))
    return render(request, "audit/record.html", context)
