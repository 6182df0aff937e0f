"""A person's own page: where they are told, when, and what was sent to them lately."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from console.core.errors import Conflict, Invalid
from console.core.web import Request, signed_in
from console.notices.forms import PreferenceForm, zones
from console.notices.people import (
    confirm_address,
    find_address,
    remove_address,
    send_trial,
    set_address,
    set_preference,
)
from console.notices.queries import my_notices

FORM = require_http_methods(["GET", "HEAD", "POST"])


@FORM
@never_cache
@signed_in
def notices(request: Request) -> HttpResponse:
    form = PreferenceForm(request.POST) if request.method == "POST" else None
    if form and form.is_valid():
        set_preference(form.wanted(), actor=request.actor)
        messages.success(request, "Kept.")
        return redirect("notices")
    mine = my_notices(request.actor)
    context = {"mine": mine, "form": form or PreferenceForm.of(mine.preference), "zones": zones(),
               "mail": bool(settings.MAIL_FROM)}  # fmt: skip
    return render(request, "notices/mine.html", context)


@require_POST
@signed_in
def address(request: Request) -> HttpResponse:
    given = request.POST.get("email", "")
    return _then_back(request, lambda: set_address(given, actor=request.actor), "A letter is on its way to it.")


@require_POST
@signed_in
def remove(request: Request) -> HttpResponse:
    return _then_back(request, lambda: remove_address(actor=request.actor), "It is forgotten.")


@require_POST
@signed_in
def trial(request: Request) -> HttpResponse:
    return _then_back(request, lambda: send_trial(actor=request.actor), "A test is on its way.")


def _then_back(request: Request, act: Callable[[], object], said: str) -> HttpResponseRedirect:
    try:
        act()
    except (Invalid, Conflict) as refusal:
        messages.error(request, refusal.text)
    else:
        messages.success(request, said)
    return redirect("notices")


@FORM
@never_cache
@signed_in
def confirm(request: Request, token: str) -> HttpResponse:
    """The letter's link opens a page; what confirms is the button on it, which no program presses."""
    if request.method == "POST":
        confirm_address(token, actor=request.actor)
        messages.success(request, "This address is confirmed.")
        return redirect("notices")
    row = find_address(token, actor=request.actor)
    return render(request, "notices/confirm.html", {"address": row})
