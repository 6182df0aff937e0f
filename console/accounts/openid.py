"""The sign-in library's OpenID Connect, made as strict as the protocol allows.

Taken from it: state in the session, PKCE, the exchange of the code. What it leaves open is closed here: providers come
from the settings and never from a table, discovery has to name the configured issuer, nothing is asked over plain
http, no redirect is followed, claims are those of the verified ID token alone, and nobody is known by an address of
e-mail.
"""

import datetime as dt
import secrets
from typing import Any, NoReturn, cast

import requests
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base.constants import AuthError
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from console.accounts.arrival import arrive
from console.accounts.id_tokens import check_nonce, verify_id_token
from console.accounts.providers import IdentityProvider, is_safe
from console.accounts.receivers import refuse_session
from console.core.clock import now
from console.core.errors import Forbidden, Refusal

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
TIMEOUT = 5  # seconds for each request to a provider


class Unreachable(Refusal):
    status = 502
    code = "provider_unreachable"


class Session(requests.Session):
    """Speaks to the configured provider, and goes nowhere else because an answer says so."""

    def request(self, method: str, url: str | bytes, *given: Any, **named: Any) -> requests.Response:
        if not is_safe(str(url)):
            raise requests.exceptions.InvalidSchema(f"{url!r} is not https.")
        answer = super().request(method, url, *given, **{**named, "timeout": TIMEOUT, "allow_redirects": False})
        if answer.is_redirect:
            raise requests.exceptions.TooManyRedirects(f"{url!r} leads elsewhere.")
        return answer


class Protocol(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # the library brings no types
    def __init__(self, request: HttpRequest, provider: IdentityProvider) -> None:
        super().__init__(request, provider.slug)
        self.identity_provider = provider

    def get_provider(self) -> "Provider":
        return Provider(self.request, self.identity_provider)

    @property
    def openid_config(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0 §4.3: whoever answers for another issuer than the configured one is not it."""
        config = super().openid_config
        if not isinstance(config, dict) or config.get("issuer") != self.identity_provider.issuer:
            raise OAuth2Error("The provider names itself otherwise than the settings do.")
        if not all(isinstance(config.get(one), str) and is_safe(config[one]) for one in ENDPOINTS):
            raise OAuth2Error("The provider lacks an address, or asks for plain http.")
        return config

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """By the setting, not by what the request's Host says."""
        return settings.ORIGIN + reverse("openid_connect_callback", args=[self.provider_id])

    @property
    def basic_auth(self) -> bool:
        """Where the provider does not say, it is meant (OpenID Connect Discovery 1.0 §3)."""
        methods = self.openid_config.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return "client_secret_post" not in methods

    def get_access_token_data(self, *given: Any, **named: Any) -> Any:
        try:
            return super().get_access_token_data(*given, **named)
        except (LookupError, TypeError, ValueError) as fault:  # the library reads an answer as if it were in form
            raise OAuth2Error("The provider's answer is not in form.") from fault

    def parse_token(self, data: object) -> SocialToken:
        """None is kept: nothing is asked of the provider after the sign-in."""
        return SocialToken()

    def complete_login(self, request: HttpRequest, app: SocialApp, token: object, **named: Any) -> SocialLogin:
        claims = self.claims(str(named["response"].get("id_token", "")))
        return self.get_provider().sociallogin_from_response(request, {"id_token": claims})

    def claims(self, id_token: str) -> dict[str, Any]:
        with Session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
        try:
            given = self.identity_provider
            return verify_id_token(id_token, answer.json(), issuer=given.issuer, client_id=given.client_id)
        except ValueError as fault:
            raise OAuth2Error(str(fault)) from fault


class Arrival(SocialLogin):  # type: ignore[misc]  # the same
    def lookup(self) -> None:
        """Not in the library's tables, and by no e-mail: `arrival` finds people by issuer and subject."""


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # the same
    def __init__(self, request: HttpRequest, provider: IdentityProvider) -> None:
        self.identity_provider = provider
        app = SocialApp(
            provider=self.id,
            provider_id=provider.slug,
            name=provider.name,
            client_id=provider.client_id,
            secret=provider.secret,
            settings={
                "server_url": provider.issuer.rstrip("/"),
                "oauth_pkce_enabled": True,
                "scope": provider.scopes.split(),
            },
        )
        super().__init__(request, app=app)

    def get_oauth2_adapter(self, request: HttpRequest) -> Protocol:
        return Protocol(request, self.identity_provider)

    def sociallogin_from_response(self, request: HttpRequest, response: dict[str, Any]) -> SocialLogin:
        login = super().sociallogin_from_response(request, response)
        return Arrival(user=login.user, account=login.account, provider=self)

    def extract_common_fields(self, data: object) -> dict[str, object]:
        return {}

    def extract_email_addresses(self, data: object) -> list[object]:
        return []

    def send(self, request: HttpRequest, *, purpose: str, next_url: str) -> HttpResponse:
        """To the provider. `confirm` has it ask for the password or whatever it asks for, even with a session there."""
        nonce = secrets.token_urlsafe(32)
        again = {"prompt": "login", "max_age": "0"} if purpose == "confirm" else {}
        try:
            answer = self.redirect(
                request, "login", next_url=next_url, auth_params={"nonce": nonce, **again},
                nonce=nonce, purpose=purpose, asked=now().timestamp(),
            )  # fmt: skip
        except (OAuth2Error, requests.RequestException, LookupError) as fault:
            SocialAdapter(request).on_authentication_error(request, self, exception=fault)
        return cast(HttpResponse, answer)


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # the same
    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[object]:
        return []

    def get_requests_session(self) -> Session:
        return Session()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> NoReturn:
        """Here the library's way ends: who may come in is our own question."""
        state = sociallogin.state
        asked = dt.datetime.fromtimestamp(state["asked"], dt.UTC)
        claims = sociallogin.account.extra_data["id_token"]
        provider: IdentityProvider = sociallogin.provider.identity_provider
        next_url = str(state.get("next") or "")
        try:
            check_nonce(claims, state["nonce"])
        except ValueError as fault:
            raise OAuth2Error(str(fault)) from fault
        raise ImmediateHttpResponse(
            arrive(request, provider, claims, purpose=state["purpose"], asked=asked, next_url=next_url)
        )

    def on_authentication_error(
        self, request: HttpRequest, provider: Provider, error: str = AuthError.UNKNOWN,
        exception: Exception | None = None, extra_context: object = None,
    ) -> NoReturn:  # fmt: skip
        """A refusal is told on a page and in the log. What the provider wrote about it is not shown: anybody can call
        this address with any text."""
        if error == AuthError.CANCELLED:
            messages.info(request, "Signing in was cancelled.")
            raise ImmediateHttpResponse(redirect("account_login"))
        with transaction.atomic():
            refuse_session(request, None, method="openid_connect")
        name = provider.identity_provider.name
        if isinstance(exception, requests.RequestException):
            raise Unreachable(f"{name} does not answer as it should.") from exception
        raise Forbidden(f"Signing in with {name} did not work. Begin once more.", code="sign_in_failed") from exception
