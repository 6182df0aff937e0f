"""What goes out with every answer, and how refusals are told."""

import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.db import Error, transaction
from django.http import HttpRequest, HttpResponseBase

from audit.record import record
from audit.vocabulary import Kind
from console.core.errors import Refusal, Tampered
from console.core.web import actor_of
from console.home.views import Problem, answer

_log = logging.getLogger(__name__)

Answer = Callable[[HttpRequest], HttpResponseBase]


def policy(origin: str) -> str:
    """Older Safari does not count a websocket as 'self', so it is named."""
    parts = urlsplit(origin)
    socket = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            f"connect-src 'self' {socket}",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


class ContentSecurityPolicy:
    """Nothing inline, nothing from elsewhere; and no page of a signed-in person stays in a cache."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response
        self.headers = {
            "Content-Security-Policy": policy(settings.ORIGIN),
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), "
            "publickey-credentials-get=(self), publickey-credentials-create=(self)",
            "Cross-Origin-Opener-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        if actor_of(request).kind != "anonymous":
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def holds_nul(request: HttpRequest) -> bool:
    """PostgreSQL stores no NUL. Said once and here, because every id and every text of a request ends there."""
    texts = [request.path_info]
    for given in (request.GET, request.POST):
        texts += [text for name, values in given.lists() for text in (name, *values)]
    return any("\0" in text for text in texts)


class Refusals:
    """Turns a refusal into an answer: JSON for programs, a piece for htmx, a page otherwise."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if holds_nul(request):
            return answer(request, Problem(400, "bad_text", "The request holds a NUL, which no text here may have."))
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        match exception:
            case Refusal():
                problem = Problem(exception.status, exception.code, exception.text, exception.detail)
            case Tampered():
                _raise_alarm(request, exception)
                problem = Problem(409, "tampered", "What is stored does not match what was signed.")
            case _:
                return None
        return answer(request, problem)


def _raise_alarm(request: HttpRequest, error: Tampered) -> None:
    """In a transaction of its own: the one that met the tampering is rolled back. Its text goes to the log only."""
    _log.critical("Tampered: %s (%s %s)", error, request.method, request.path)
    actor = actor_of(request)
    try:
        with transaction.atomic():
            record(
                Kind.ALARM_TAMPERED,
                subject=request.path,
                actor=actor,
                team=actor.team,
                detail={"what": str(error)[:500]},
            )
    except (Error, ValueError):
        _log.critical("The alarm above could not be recorded", exc_info=True)
