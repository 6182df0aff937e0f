"""The pages of one's own account, and the page of the first administrator."""

import datetime as dt
from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import record_authentication
from allauth.account.views import LoginView
from allauth.mfa.webauthn.views import AddWebAuthnView
from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.models import Record
from audit.vocabulary import Kind
from console.accounts.access import access_passkey
from console.accounts.actors import TEAM_KEY
from console.accounts.enrolment import revoke_passkey
from console.accounts.forms import SetupForm, TeamForm
from console.accounts.limits import SESSION_KEY
from console.accounts.makes import proven_model, roots
from console.accounts.models import Membership, Passkey
from console.accounts.providers import providers
from console.accounts.setup import find_link, finish_setup
from console.core.web import Request, signed_in

SESSIONS = (Kind.SESSION_OPENED, Kind.SESSION_CLOSED, Kind.SESSION_REFUSED)


@never_cache
@require_safe
@signed_in
def account(request: Request) -> HttpResponse:
    memberships: list[Membership] = vars(request)["memberships"]
    opened = request.session.get(SESSION_KEY, {}).get("opened")
    passkeys = list(Passkey.objects.filter(user=request.actor.id).order_by("-enrolled_at"))
    context = {
        "person": request.user,
        "passkeys": passkeys,
        "vouched": {one.id for one in passkeys if proven_model(one)},
        "membership": next((one for one in memberships if one.team_id == request.actor.team), None),
        "memberships": memberships,
        "opened": opened and dt.datetime.fromisoformat(opened),
        "history": Record.objects.of(request.actor.id).filter(kind__in=SESSIONS)[:10],
    }
    return render(request, "accounts/account.html", context)


@require_POST
@signed_in
def choose_team(request: Request) -> HttpResponse:
    memberships: list[Membership] = vars(request)["memberships"]
    form = TeamForm(request.POST, choices=[(one.team_id, one.team.name) for one in memberships])
    if form.is_valid():
        request.session[TEAM_KEY] = form.cleaned_data["team"]
    return redirect("account")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@reauthentication_required(app="allauth.mfa")  # type: ignore[untyped-decorator]  # the library brings no types
def remove_passkey(request: Request, passkey_id: str) -> HttpResponse:
    passkey = access_passkey(passkey_id, actor=request.actor)
    if request.method == "POST":
        revoke_passkey(passkey, why=request.POST.get("why", "")[:500], actor=request.actor)
        return redirect("account")
    return render(request, "accounts/remove_passkey.html", {"passkey": passkey})


class SignIn(LoginView):  # type: ignore[misc]  # the library brings no types
    def get_context_data(self, **given: object) -> dict[str, object]:
        return {**super().get_context_data(**given), "providers": providers()}


class AddPasskey(AddWebAuthnView):  # type: ignore[misc]  # the same
    def get_context_data(self, **given: object) -> dict[str, object]:
        """The maker is asked to vouch for the model where there are certificates to check that by. Browsers tell their
        users, so nobody is asked in vain."""
        context: dict[str, Any] = super().get_context_data(**given)
        if roots():
            options = context["js_data"]["creation_options"]
            options["publicKey"] = {**options["publicKey"], "attestation": "direct"}
        return context

    def get_success_url(self) -> str:
        """New recovery codes are shown first; later keys lead back to the account."""
        return reverse("mfa_view_recovery_codes" if self.did_generate_recovery_codes else "account")


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest, token: str) -> HttpResponse:
    find_link(token)
    form = SetupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return begin(request, token, form)
    return render(request, "accounts/setup.html", {"form": form})


def begin(request: HttpRequest, token: str, form: SetupForm) -> HttpResponseRedirect:
    """The password was chosen this minute, so it need not be typed again before the first passkey."""
    user = finish_setup(token, **form.cleaned_data)
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    record_authentication(request, user, method="password", reauthenticated=True)
    return redirect("mfa_add_webauthn")


@require_safe
def to_account(_: HttpRequest) -> HttpResponse:
    """Where the library has pages of its own, which here are parts of the account page."""
    return redirect("account")
