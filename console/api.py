"""/api/v1: what a person's program may read, and where agents ask. It decides nothing, and answers every refusal in
one form."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, URLResolver
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security.base import AuthBase

from approvals.api import router as reviews
from audit.api import router as records
from audit.exports.api import router as exports
from console.core.actor import ANONYMOUS, Actor
from console.core.web import actor_of, ask_to_sign_in
from console.gateway.api import router as actions
from console.gateway.proposals_api import router as proposals
from console.runs.api import router as runs
from console.shadow.api import router as observations
from console.workflows.api import router as workflows

ABOUT = """Reads runs, reviews, workflows and the audit log of one team, and lets agents ask for actions.

Send `Authorization: Bearer cst_…` with a token, or use the session of a browser. A token reads and never decides.
Agents send `Authorization: Bearer cag_…`, which opens `/actions`, `/operations`,
`/grant-proposals` and `/observations` alone: an agent asks, and the
console does what is permitted. Times are RFC 3339 in UTC, money is whole minor units with its currency. Lists give
`next`, which goes into `after`. Every answer that is not what was asked for has the form
`{"error": {"code", "text", "detail"}}`.
"""


class SignedIn(AuthBase):
    """The middleware has found out who asks; here it only counts that it is somebody."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Actor | None:
        actor = actor_of(request)
        return actor if actor.kind != ANONYMOUS.kind else None


class Api(NinjaAPI):
    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        """As the library makes them, except that 405 has the form of every other refusal."""
        patterns, app, namespace = super().urls
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = in_one_form(pattern.callback)
        return patterns, app, namespace


def in_one_form(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        allowed = response.headers["Allow"]
        refusal = refuse(request, 405, "method_not_allowed", f"This address answers {allowed} only.")
        refusal.headers["Allow"] = allowed
        return refusal

    return answered


api = Api(
    title="Countersign",
    version="1",
    description=ABOUT,
    docs_url=None,  # the library's page of documentation loads scripts from elsewhere, which our policy forbids
    docs_decorator=require_safe,
    auth=SignedIn(),
)
for router in (runs, reviews, workflows, records, exports, actions, proposals, observations):
    api.add_router("", router)


def refuse(request: HttpRequest, status: int, code: str, text: str, **detail: object) -> HttpResponse:
    return api.create_response(request, {"error": {"code": code, "text": text, "detail": detail}}, status=status)


@api.exception_handler(AuthenticationError)
def not_signed_in(request: HttpRequest, _: AuthenticationError) -> HttpResponse:
    return ask_to_sign_in(request)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """The first thing that is wrong in words; all of them in the detail."""
    problems = [{"place": _place(one), "text": str(one["msg"])} for one in error.errors]
    text = f"{problems[0]['place']}: {problems[0]['text']}."
    return refuse(request, 422, "invalid", text, problems=problems)


def _place(error: Mapping[str, Any]) -> str:
    """The parameter's name: what comes before it are names of ours."""
    return str(error["loc"][-1])


@api.exception_handler(Http404)
def not_found(request: HttpRequest, _: Http404) -> HttpResponse:
    return refuse(request, 404, "not_found", "There is nothing at this address.")


@api.exception_handler(HttpError)
def refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    return refuse(request, error.status_code, "refused", str(error))


@api.exception_handler(RequestDataTooBig)
def too_large(request: HttpRequest, _: RequestDataTooBig) -> HttpResponse:
    return refuse(request, 413, "too_large", f"A body has at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes.")
