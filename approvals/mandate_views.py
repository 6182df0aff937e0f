"""The mandates' page: how far each is used, what people approve again and again, asking for one, taking one back."""

import datetime as dt
from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from approvals.access import visible_actions
from approvals.mandates import MAY_REVOKE, Wanted, ask_mandate, gauges, revoke_mandate, worth_a_mandate
from approvals.models import Action
from console.core.actor import Role
from console.core.clock import now, read_moment
from console.core.errors import Conflict, Invalid, NotFound
from console.core.text import minor_units
from console.core.web import Request, role_required

USUAL_HOURS, USUAL_DAYS = 24, 30


@require_safe
@role_required(*Role)
def mandates(request: Request) -> HttpResponse:
    team, admin = request.actor.team, request.actor.has(Role.ADMIN)
    context = {
        "gauges": gauges(team), "often": worth_a_mandate(team) if admin else [],
        "may_revoke": request.actor.has(*MAY_REVOKE),
    }  # fmt: skip
    return render(request, "policies/mandates.html", context)


@require_POST
@role_required(*MAY_REVOKE)
def revoke(request: Request, identity: str) -> HttpResponse:
    revoke_mandate(identity, actor=request.actor)
    messages.success(request, "It is revoked. People are asked again from now on.")
    return redirect("mandates")


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(Role.ADMIN)
def ask(request: Request, action_id: str) -> HttpResponse:
    """For more of the same as one action."""
    related = visible_actions(request.actor).select_related("operation__integration")
    like = related.filter(pk=action_id).first()
    if like is None:
        raise NotFound("There is no such action.")
    if request.method != "POST":
        return _form(request, like, _usual(like))
    try:
        ask_mandate(like, _wanted(request.POST, like), why=request.POST.get("why", ""), actor=request.actor)
    except (Invalid, Conflict) as problem:
        return _form(request, like, request.POST.dict(), problem)
    messages.success(request, "It is asked for. Whoever has to sign each of these signs it, and then it covers them.")
    return redirect("mandates")


def _form(
    request: Request, like: Action, given: Mapping[str, str], problem: Invalid | Conflict | None = None
) -> HttpResponse:
    context = {"like": like, "given": given, "problem": problem}
    return render(request, "policies/mandate.html", context, status=problem.status if problem else 200)


def _usual(like: Action) -> dict[str, str]:
    return {
        "calls": "20", "hours": str(USUAL_HOURS), "counterparties": like.counterparty,
        "until": (now() + dt.timedelta(days=USUAL_DAYS)).date().isoformat(),
    }  # fmt: skip


def _wanted(given: Mapping[str, str], like: Action) -> Wanted:
    """Raises Invalid, which names the field."""
    amounts = like.amount_minor is not None
    return Wanted(
        calls=_number(given, "calls", "How many"),
        hours=_number(given, "hours", "Hours"),
        until=_end_of_day(given.get("until", "")),
        at_most=_money(given, "at_most", "Each at most", like.currency) if amounts else None,
        total=_money(given, "total", "All together", like.currency) if amounts else None,
        counterparties=[name for line in given.get("counterparties", "").splitlines() if (name := line.strip())],
    )


def _number(given: Mapping[str, str], name: str, label: str) -> int:
    said = given.get(name, "").strip()
    if not said.isascii() or not said.isdecimal() or len(said) > 9:
        raise Invalid(f"{label} is a whole number.")
    return int(said)


def _money(given: Mapping[str, str], name: str, label: str, currency: str) -> int:
    amount = minor_units(given.get(name, ""), currency)
    if amount is None:
        raise Invalid(f"{label}: write an amount such as 120.00.")
    return amount


def _end_of_day(said: str) -> dt.datetime:
    try:
        day = dt.date.fromisoformat(said.strip())
    except ValueError:
        raise Invalid("Until is a day, such as 2027-01-31.") from None
    return read_moment(f"{day.isoformat()}T23:59:59Z")
