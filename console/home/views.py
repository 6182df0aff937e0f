"""The front door, the health page, and the one form in which every refusal and every error is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from console.core.actor import Role
from console.core.web import Request, actor_of, signed_in
from console.home.frame import url_of
from console.home.health import ready

# Where the day begins, by the first role a person has.
START = ((Role.REVIEWER, "reviews"), (Role.OPERATOR, "runs"), (Role.AUDITOR, "audit"), (Role.ADMIN, "integrations"))


@require_safe
@signed_in
def index(request: Request) -> HttpResponse:
    rooms = [url for role, name in START if request.actor.has(role) and (url := url_of(name))]
    return redirect(rooms[0] if rooms else "account")


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """200 whenever the web process answers, within ten seconds; what else runs is in the body."""
    return JsonResponse(ready(), headers={"Cache-Control": "no-store"})


@require_safe
@signed_in
def rail(request: Request) -> HttpResponse:
    """The piece that refetches itself when a count changed."""
    return render(request, "frame/_rail.html")


@dataclass(frozen=True, slots=True)
class Problem:
    """`status` and `code` for programs; `text` says what happened, `kept` and `advice` come from the tables below."""

    status: int
    code: str
    text: str
    detail: Mapping[str, object] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return TITLES.get(self.code) or TITLES.get(self.status, "This was not done")

    @property
    def kept(self) -> str:
        return KEPT.get(self.code, "Nothing was changed.")

    @property
    def advice(self) -> str:
        return ADVICE.get(self.code) or ADVICE.get(
            self.status, "Go back, change what the text names, and send it again."
        )


TITLES: Mapping[str | int, str] = {
    403: "You may not do this",
    404: "There is nothing here",
    409: "It changed meanwhile",
    422: "Something is missing or wrong",
    "step_up_required": "Confirm that it is you",
    "tampered": "This does not match what was signed",
    "form_expired": "This form is out of date",
    "fault": "Something went wrong on our side",
}
KEPT = {
    "tampered": "Nothing was done; an alarm was recorded.",
    "fault": "What was saved before is kept. Whether this last act was done is not certain: look before you repeat it.",
}
ADVICE: Mapping[str | int, str] = {
    403: "Ask an admin of your team for the role, or pass this to someone who has it.",
    404: "Check the address. If a colleague sent it, it may belong to a team that you are not in.",
    409: "Open it again to see how it stands now, then decide anew.",
    "step_up_required": "Use your passkey once more, then repeat the act.",
    "tampered": "Do not try again. Tell whoever runs this console; the audit log names the place.",
    "form_expired": "Open the page again and send the form once more. Your browser must accept cookies.",
    "fault": "Try again in a minute. If it stays, tell whoever runs this console at what time it happened.",
}


IN_PLACE = {"HX-Retarget": "#refusal", "HX-Reswap": "innerHTML", "HX-Push-Url": "false"}


def answer(request: HttpRequest, problem: Problem) -> HttpResponse:
    """JSON under /api/, a piece for htmx (shown in the frame's own place for refusals), a page otherwise."""
    if request.path.startswith("/api/"):
        error = {"code": problem.code, "text": problem.text, "detail": dict(problem.detail)}
        return JsonResponse({"error": error}, status=problem.status)
    context = {"problem": problem, "back": _back(request), "layout": _layout(request)}
    htmx = getattr(request, "htmx", None)
    if htmx and not htmx.boosted:
        piece = render(request, "errors/_refusal.html", context, status=problem.status)
        for name, value in IN_PLACE.items():
            piece.headers[name] = value
        return piece
    return render(request, "errors/refusal.html", context, status=problem.status)


def _layout(request: HttpRequest) -> str:
    return "frame/plain.html" if actor_of(request).kind == "anonymous" else "frame/base.html"


def _back(request: HttpRequest) -> str:
    """Where the person came from, when that is a page of ours; a form's own address may not answer GET."""
    came_from = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    ours = f"{came_from.scheme}://{came_from.netloc}" == settings.ORIGIN
    return came_from._replace(scheme="", netloc="").geturl() if ours and came_from.path != request.path else "/"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001  # passed by name
    return answer(request, Problem(404, "not_found", "No page and no row that you may see has this address."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, Problem(403, "forbidden", str(exception) or "Your roles do not include this."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001  # passed by name
    return answer(request, Problem(403, "form_expired", "The form carries no valid token of your session."))


def fault(request: HttpRequest) -> HttpResponse:
    """Without the frame and without context processors: whatever failed may be what they need."""
    problem = Problem(500, "fault", "The console met an error that nobody foresaw.")
    if request.path.startswith("/api/"):
        return answer(request, problem)
    return render(None, "errors/500.html", {"problem": problem}, status=500)
