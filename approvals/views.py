"""The review room: queue, sheet, and the one act. Each view answers the whole page or the piece that htmx asks for."""

import json
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from approvals.access import access_review
from approvals.care.drills import decide_drill, open_drills, prepare_drill, review_of
from approvals.change_form import arguments_of
from approvals.dossier import make_dossier
from approvals.models import Drill, Review
from approvals.queries import read_sheet
from approvals.queue import how_many_wait, next_waiting, queue
from approvals.signoff import ByPasskey, ByPassword, BySession, Proof, prepare_decision, signoff
from audit.read import record_read
from console.core.actor import Role
from console.core.errors import Invalid, Refusal
from console.core.web import Request, is_piece, role_required

IN_PLACE = {"HX-Retarget": "#decide", "HX-Reswap": "outerHTML", "HX-Push-Url": "false"}


@require_safe
@role_required(*Role)
def reviews(request: Request) -> HttpResponse:
    """The queue. Wide pages fetch its first sheet themselves, so that only what is shown counts as read."""
    listed = queue(request.actor, request.GET.get("state", ""), request.GET.get("after", ""))
    if not listed.state:
        request.counted = {"reviews": listed.waiting + listed.afterwards}
    if _asks_for(request, "queue"):
        return render(request, "reviews/_queue.html", {"queue": listed, "open_id": _open_id(request)})
    return render(request, "reviews/queue.html", {"queue": listed, "open_id": listed.first_id})


@require_safe
@role_required(*Role)
def review(request: Request, review_id: str) -> HttpResponse:
    sheet = read_sheet(request.actor, review_id)
    context: dict[str, Any] = {"sheet": sheet, "open_id": review_id}
    if _asks_for(request, "state"):
        return render(request, "reviews/_state_piece.html", context)
    if "X-Prefetch" not in request.headers:
        record_read(actor=request.actor, page="review", subject=review_id)
    if _asks_for(request, "main"):
        return render(request, "reviews/_sheet_piece.html", context)
    return render(request, "reviews/review.html", context | {"queue": queue(request.actor)})


@require_POST
@role_required(*Role)
def challenge(request: Request, review_id: str) -> JsonResponse:
    """What to sign, for the browser. Refusals are said in the same form, beside the button."""
    try:
        if drill := open_drills(request.actor).filter(pk=review_id).first():
            said = {"verdict": _verdict(request), "reason": request.POST.get("reason", "").strip()}
            return JsonResponse(prepare_drill(drill, **said, actor=request.actor))
        verdict, reason = _verdict(request), _reason(request, access_review(request.actor, review_id))
        return JsonResponse(prepare_decision(review_id, verdict=verdict, reason=reason, actor=request.actor))
    except Refusal as refusal:
        told = {"code": refusal.code, "text": refusal.text, "detail": refusal.detail}
        return JsonResponse(told, status=refusal.status)


@sensitive_post_parameters("password")
@require_POST
@role_required(*Role)
def decide(request: Request, review_id: str) -> HttpResponse:
    if drill := open_drills(request.actor).filter(pk=review_id).first():
        return _decide_drill(request, drill)
    wanted = access_review(request.actor, review_id)
    try:
        verdict, reason = _verdict(request), _reason(request, wanted)
        changed = arguments_of(wanted.action, request.POST.dict()) if verdict == "change" else None
        done = signoff(wanted.id, verdict=verdict, reason=reason, arguments=changed, proof=_proof(request),
                       actor=request.actor, unfolded=request.POST.get("unfolded", "").split())  # fmt: skip
    except Refusal as refusal:
        return _refused(request, review_id, refusal)
    return _go_on(request, done, verdict)


@require_safe
@role_required(*Role)
def dossier(request: Request, review_id: str) -> HttpResponse:
    """A file to keep, never a page of this site: it brings a script of its own."""
    made = make_dossier(request.actor, review_id)
    disposition = f'attachment; filename="dossier-{made.action.id}.html"'
    return HttpResponse(made.page, headers={"Content-Disposition": disposition})


def _decide_drill(request: Request, drill: Drill) -> HttpResponse:
    """What was planted is told at once."""
    try:
        verdict, reason = _verdict(request), request.POST.get("reason", "").strip()
        changed = arguments_of(review_of(drill).action, request.POST.dict()) if verdict == "change" else None
        decide_drill(drill, verdict=verdict, reason=reason, arguments=changed, proof=_proof(request),
                     actor=request.actor)  # fmt: skip
    except Refusal as refusal:
        return _refused(request, drill.pk, refusal)
    address = reverse("drill", args=[drill.pk])
    return HttpResponseClientRedirect(address) if is_piece(request) else redirect(address)


def _verdict(request: HttpRequest) -> str:
    return request.POST.get("verdict", "")


def _reason(request: HttpRequest, review: Review) -> str:
    """Whoever says that something happened also says how they know."""
    reason = request.POST.get("reason", "").strip()
    if review.kind == "doubt" and not reason and request.POST.get("verdict") != "recuse":
        raise Invalid("Say how you know; it is kept beside the receipt.", code="reason_needed")
    return reason


def _proof(request: HttpRequest) -> Proof:
    if assertion := request.POST.get("assertion"):
        try:
            return ByPasskey(request.POST.get("prepared", ""), dict(json.loads(assertion)))
        except (ValueError, TypeError):
            raise Invalid("The passkey's answer is not in the form that browsers send.", code="bad_signature") from None
    if password := request.POST.get("password"):
        return ByPassword(password, request.META.get("REMOTE_ADDR", ""))
    return BySession()


def _refused(request: Request, review_id: str, refusal: Refusal) -> HttpResponse:
    """The same bar again: what was typed is still there, except a password."""
    sheet = read_sheet(request.actor, review_id, request.POST.dict())
    context: dict[str, Any] = {"sheet": sheet, "open_id": review_id, "problem": refusal, "typed": request.POST}
    if is_piece(request):
        response = render(request, "reviews/_decide.html", context, status=refusal.status)
        for name, value in IN_PLACE.items():
            response.headers[name] = value
        return response
    context["queue"] = queue(request.actor)
    return render(request, "reviews/review.html", context, status=refusal.status)


def _go_on(request: Request, done: Review, verdict: str) -> HttpResponse:
    """To what waits next. The vote that was just given is said once, politely."""
    following = next_waiting(request.actor, done)
    address = reverse("review", args=[following.id]) if following else reverse("reviews")
    said = {"review": done, "verdict": verdict, "left": how_many_wait(request.actor)}
    if not is_piece(request):
        messages.success(request, _SAID[verdict] if done.state != "open" or verdict == "recuse" else _KEPT)
        return redirect(address)
    context: dict[str, Any] = {
        "queue": queue(request.actor),
        "said": said,
        "open_id": following.id if following else "",
    }
    if following:
        context["sheet"] = read_sheet(request.actor, following.id)
        record_read(actor=request.actor, page="review", subject=following.id)
    response = render(request, "reviews/_after_piece.html", context)
    response.headers["HX-Push-Url"] = address
    return response


_SAID = {"approve": "Your decision is signed and kept.", "refuse": "Refused; your reason goes back to the run.",
         "recuse": "You left it to others.", "change": "Changed; somebody else signs it as it is now."}  # fmt: skip
_KEPT = "Your decision is kept; others are still asked."


def _asks_for(request: HttpRequest, target: str) -> bool:
    return is_piece(request) and request.headers.get("HX-Target") == target


def _open_id(request: HttpRequest) -> str:
    """The review that is open beside the queue while the queue fetches itself anew."""
    try:
        found = resolve(urlsplit(request.headers.get("HX-Current-URL", "")).path)
    except Resolver404:
        return ""
    return str(found.kwargs.get("review_id", "")) if found.url_name == "review" else ""
