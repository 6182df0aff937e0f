"""Guards for views. They know people only by `request.actor`, which a middleware fills."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django_htmx.http import HttpResponseClientRedirect

from console.core.actor import ANONYMOUS, Actor, Role

P = ParamSpec("P")


class Request(HttpRequest):
    """What a guarded view receives."""

    actor: Actor
    counted: dict[str, int]  # how much waits in a room, by its `url_name`, where the page has counted it already


def actor_of(request: HttpRequest) -> Actor:
    return getattr(request, "actor", ANONYMOUS)


def is_piece(request: HttpRequest) -> bool:
    """A part of the page fetches itself anew."""
    htmx = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def signed_in(
    view: Callable[Concatenate[Request, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Anonymous visitors are led to the sign-in page and back; programs under /api/ get 401."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if actor_of(request).kind == ANONYMOUS.kind:
            return ask_to_sign_in(request)
        return view(cast(Request, request), *args, **kwargs)

    return guarded


def role_required(
    *roles: Role,
) -> Callable[
    [Callable[Concatenate[Request, P], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, P], HttpResponseBase],
]:
    """Like `signed_in`; then raises Forbidden unless the actor has one of these roles in their team."""

    def decorate(
        view: Callable[Concatenate[Request, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @wraps(view)
        def guarded(request: Request, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            request.actor.require(*roles)
            return view(request, *args, **kwargs)

        return signed_in(guarded)

    return decorate


def ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    if request.path.startswith("/api/"):
        error = {"code": "not_signed_in", "text": "Sign in, or send a token that is still good.", "detail": {}}
        return JsonResponse({"error": error}, status=401, headers={"WWW-Authenticate": "Bearer"})
    if "HX-Request" in request.headers:
        # A piece of a page must not be replaced by a sign-in form: the whole page goes there and comes back.
        parts = urlsplit(request.headers.get("HX-Current-URL", "/"))
        page = parts.path + (f"?{parts.query}" if parts.query else "")
        return HttpResponseClientRedirect(redirect_to_login(page).url)
    return redirect_to_login(request.get_full_path())
