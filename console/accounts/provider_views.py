"""The way to a provider of OpenID Connect and back."""

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from console.accounts.openid import Protocol, Provider
from console.accounts.providers import find_provider
from console.core.web import Request, signed_in


@never_cache
@require_GET
def sign_in(request: HttpRequest, slug: str) -> HttpResponse:
    """By a link and not a form: the pages' own rules let no form lead to another site. It changes nothing here."""
    return leave(request, slug, "sign-in")


@never_cache
@require_GET
@signed_in
def confirm(request: Request, slug: str) -> HttpResponse:
    return leave(request, slug, "confirm")


def leave(request: HttpRequest, slug: str, purpose: str) -> HttpResponse:
    """Afterwards only to a page of ours: the library leaves out a `next` that leads elsewhere."""
    next_url = get_next_redirect_url(request) or ""
    return Provider(request, find_provider(slug)).send(request, purpose=purpose, next_url=next_url)


@never_cache
@require_GET
def back(request: HttpRequest, slug: str) -> HttpResponse:
    view = OAuth2CallbackView.adapter_view(Protocol(request, find_provider(slug)))
    answer: HttpResponse = view(request)
    return answer
