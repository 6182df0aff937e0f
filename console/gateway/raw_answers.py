"""What a program that speaks to another system's API is answered: that system's answer, or a problem (RFC 9457)."""

import hashlib
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.urls import reverse

from approvals.models import Action
from console.gateway.acts import review_of
from console.gateway.api import AT_ONCE
from integrations.headers import VALUE

BODILESS = (204, 304)  # RFC 9110 §6.4.1
NOT_DONE = {"refused": 403, "expired": 403, "withdrawn": 409, "stale": 409, "failed": 502}
# Whatever a page of the other side says, no browser runs it under our name.
ALWAYS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("X-Content-Type-Options", "nosniff"),
)
_CHARSET = re.compile(r"(?i)charset=\"?(?!utf-?8\b)")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]

    @property
    def lines(self) -> list[tuple[bytes, bytes]]:
        length = () if self.status in BODILESS else (("Content-Length", str(len(self.body))),)
        return [(name.lower().encode(), value.encode("ascii")) for name, value in (*self.headers, *length, *ALWAYS)]


def answer_of(action: Action) -> Answer:
    """Of one that has settled, or waits."""
    told = (("Countersign-Action", action.id), ("Countersign-State", action.state))
    if not action.settled:
        return _waiting(action, told)
    outcome = action.outcome or {}
    if action.state in ("succeeded", "failed") and outcome.get("status"):
        return _as_received(outcome, told)
    status = AT_ONCE.get(outcome.get("code", ""), NOT_DONE.get(action.state, 502))
    return problem(status, str(outcome.get("code", action.state)), str(outcome.get("text", "")), told, action=action.id)


def _as_received(outcome: dict[str, Any], told: tuple[tuple[str, str], ...]) -> Answer:
    """Status and body of the other side. JSON is given back as the same value; of other text the headers say when it
    is not every byte that came, because it was cut, held a secret, or was no text."""
    status, body, kind = int(outcome["status"]), outcome.get("body"), str(outcome.get("content_type", ""))
    written = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    forms = [body.encode(), written] if isinstance(body, str) else [written]
    whole = [one for one in forms if hashlib.sha256(one).hexdigest() == outcome.get("receipt_digest")]
    if not whole and (isinstance(body, str) or not _is_json(kind)):
        told = (*told, ("Countersign-Body", "altered"))
    kind = kind.partition(";")[0] + "; charset=utf-8" if _CHARSET.search(kind) else kind
    typed = (("Content-Type", kind),) if VALUE.fullmatch(kind) and status not in BODILESS else ()
    return Answer(status, b"" if status in BODILESS else [*whole, *forms][0], (*told, *typed))


def _is_json(kind: str) -> bool:
    return kind.partition(";")[0].strip().lower().endswith(("/json", "+json"))


def _waiting(action: Action, told: tuple[tuple[str, str], ...]) -> Answer:
    """202: nothing that the other side would answer. It is for the agent to come back, not to send it again."""
    review, place = review_of(action), reverse("api-1:get_action", args=[action.id])
    link = settings.ORIGIN + reverse("review", args=[review.id]) if review else None
    text = "Not done yet. Look at Location what becomes of it, and do not send the request again."
    body = {"countersign": {"action": action.id, "state": action.state, "text": text, "location": place,
                            "review": link}}  # fmt: skip
    headers = (*told, ("Location", place), ("Retry-After", "1"), ("Content-Type", "application/json"))
    return Answer(202, json.dumps(body).encode(), headers)


def problem(status: int, code: str, text: str, told: tuple[tuple[str, str], ...] = (), **more: object) -> Answer:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": text, "code": code}
    headers = (*told, ("Content-Type", "application/problem+json"))
    if status == 401:
        headers = (*headers, ("WWW-Authenticate", "Bearer"))
    return Answer(status, json.dumps({**body, **more}).encode(), headers)
