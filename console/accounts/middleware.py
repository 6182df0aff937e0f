"""Fills `request.actor`, by which every room knows who asks, and `request.memberships`, for the choice of team. A
session that is gone leaves the cookie alone."""

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.sessions import middleware as django_sessions
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin

from console.accounts.actors import memberships_of, session_actor, token_actor
from console.accounts.limits import has_ended, is_use, note_use
from console.accounts.models import Membership, User
from console.core.actor import ANONYMOUS, Actor
from console.core.clock import now

READING = {"GET", "HEAD", "OPTIONS"}


class SessionMiddleware(django_sessions.SessionMiddleware):
    """Does not delete the cookie of a session that it did not find, as Django does: whoever signs in gets a new session
    in place of the old one, and an answer that was still on its way with the old one would sign them out again."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response = super().process_response(request, response)
        if request.session.is_empty() and not request.session.modified:
            response.cookies.pop(settings.SESSION_COOKIE_NAME, None)
        return response


class SessionLimits(MiddlewareMixin):
    """Signs out whose session is over. It stands before whatever asks who is there."""

    def process_request(self, request: HttpRequest) -> None:
        if not request.user.is_authenticated:
            return
        if has_ended(request.session, now()):
            with transaction.atomic():
                logout(request)
        elif is_use(request):
            note_use(request.session, now())


class ActorMiddleware(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        actor, memberships = identify(request)
        vars(request).update(actor=actor, memberships=memberships)
        if actor.auth == "token" and request.method not in READING:
            return refuse_writing()
        return None


def identify(request: HttpRequest) -> tuple[Actor, list[Membership]]:
    """A token counts under /api/ only, and hides a session that came along: a request has one identity."""
    header = request.headers.get("Authorization", "")
    if header.startswith("Bearer cst_"):
        return (token_actor(header) if request.path.startswith("/api/") else ANONYMOUS), []
    user = request.user
    if not isinstance(user, User):
        return ANONYMOUS, []
    memberships = memberships_of(user)
    return session_actor(request, user, memberships), memberships


def refuse_writing() -> HttpResponse:
    """Here rather than in each route, so that a new route cannot forget it."""
    error = {"code": "forbidden", "text": "A token only reads. Sign in to change something.", "detail": {}}
    return JsonResponse({"error": error}, status=403)
