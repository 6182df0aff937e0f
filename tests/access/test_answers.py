"""What every answer carries, what every form asks for, and what happens to addresses that nobody gave out."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings

from approvals.models import Decision
from console.home.middleware import policy
from tests.access.conftest import BY_ROLE, Looks, Scene, browser
from tests.pages.conftest import everything_but_the_log
from tests.routes import ROUTES

READABLE = [name for name, route in ROUTES.items() if "GET" in route.methods]
FORMS = [name for name, route in ROUTES.items() if "POST" in route.methods and route.kind != "agent"]
WITH_ROWS = [name for name, route in ROUTES.items() if route.needs]
STRANGE = (
    "x", "run_", "rev_01", "0", "-1", "..", "x" * 3000, "' OR 1=1 --", "<script>", "%", "\u202e", "💥", "\x00",
    "a\x00b",     "00000000-0000-0000-0000-000000000000", "billing-care\n",
)  # fmt: skip
QUESTIONS = {
    "account_login": ("next",),
    "account_reauthenticate": ("next",),
    "openid_connect_login": ("next",),
    "openid_connect_callback": ("state", "code", "error"),
    "account_confirm_with": ("next",),
    "reviews": ("state", "after"),
    "review": ("span",),
    "delegations": ("give",),
    "undo": ("action", "run", "grantee"),
    "policy_change": ("trial", "afterwards"),
    "halts": ("scope", "name", "reason"),
    "runs": ("state", "workflow", "after", "before"),
    "run": ("span",),
    "workflow": ("version",),
    "workflow_publish": ("from",),
    "shadow": ("days",),
    "integration": ("q", "after"),
    "calls": ("state", "after"),
    "webhook": ("after",),
    "proposed_grants": ("integration",),
    "credential_authorized": ("state", "code", "error", "iss"),
    "audit": ("kind", "subject", "actor", "run", "since", "until", "after"),
    "holds": ("after",),
    "exports": ("after",),
    "export_request": ("kind", "subject", "actor", "run", "since", "until", "form"),
    "api-1:list_exports": ("after", "limit"),
    "api-1:list_runs": ("state", "workflow", "after", "limit"),
    "api-1:list_reviews": ("state", "after", "limit"),
    "api-1:get_workflow": ("version",),
    "api-1:list_records": ("kind", "subject", "actor", "run", "since", "until", "after", "limit"),
}


def check_headers(answer: Any, *, signed_in: bool = True) -> None:
    headers = answer.headers
    assert headers["Content-Security-Policy"] == policy(settings.ORIGIN)
    for part in ("default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    expected = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
                "Cross-Origin-Opener-Policy": "same-origin"}  # fmt: skip
    assert {name: headers.get(name) for name in expected} == expected
    if signed_in:
        assert "no-store" in headers["Cache-Control"]


@pytest.mark.parametrize("name", READABLE)
def test_every_answer_carries_the_strict_headers(looks: Looks, name: str) -> None:
    answers = {who: answer for (who, _, route), answer in looks.answers.items() if route == name}
    assert answers.keys() >= {*BY_ROLE.values(), "olga", "lea", ""}
    for who, answer in answers.items():
        assert answer.status_code < 500, who
        check_headers(answer, signed_in=who != "")


def test_refusals_and_faults_carry_them_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = browser("ana")
    for answer in (ana.get("/nowhere/"), ana.get("/audit/"), ana.post("/runs/"), ana.get("/api/v1/nowhere"),
                   browser("ana", csrf=True).post("/account/team/")):  # fmt: skip
        assert answer.status_code in {403, 404, 405}
        check_headers(answer)
    monkeypatch.setattr("approvals.views.queue", fail)
    ana.raise_request_exception = False
    answer = ana.get("/reviews/")
    assert answer.status_code == 500
    check_headers(answer)


def fail(*_: object, **__: object) -> None:
    raise RuntimeError("for the test")


@pytest.mark.parametrize("name", FORMS)
def test_form_without_its_token_is_refused_and_does_nothing(scene: Scene, name: str) -> None:
    for username in ("ana", "mira", ""):
        client = browser(username, csrf=True)
        before = everything_but_the_log()
        for headers in ({}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            answer = client.post(scene.address(name), {"verdict": "refuse", "reason": "x"}, headers=headers)
            assert answer.status_code == 403
            assert "This form is out of date" in answer.content.decode()
        assert everything_but_the_log() == before


@pytest.mark.parametrize("name", WITH_ROWS)
def test_strange_rows_are_not_found(scene: Scene, name: str) -> None:
    known, strange = scene.row(ROUTES[name].needs), scene.address(name)
    for username in ("ana", "mira"):
        client = browser(username)
        for given in STRANGE:
            address = strange.replace(known, quote(given, safe=""), 1)
            for method in ("GET", "POST"):
                assert client.generic(method, address).status_code in {302, 400, 403, 404, 405, 414, 422}, (
                    method,
                    given,
                )


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_strange_questions_are_answered_or_refused(scene: Scene, name: str) -> None:
    client = browser("mira")
    for query in QUESTIONS[name]:
        for given in (*STRANGE, "9" * 40, "2026-02-30", "2026-11-20T00:00:00~", "2026-11-20T00:00:00Z~x"):
            answer = client.get(scene.address(name), {query: given})
            assert answer.status_code in {200, 302, 400, 404, 422}, (query, given)


ASSERTIONS = (
    "1", "null", "[]", "{}", "[[]]", '{"id": 1}', '{"id": "\\ud800", "rawId": "\\ud800"}', '{"response": []}', "{",
    "\x00",
    '{"id": "x", "rawId": "x", "type": "public-key", "response": {"clientDataJSON": "e30", "authenticatorData": "", '
    '"signature": "é"}}',
)  # fmt: skip


@pytest.mark.parametrize("assertion", ASSERTIONS)
def test_strange_signatures_are_refused(scene: Scene, assertion: str) -> None:
    ana, address = browser("ana"), scene.address("review_decision")
    prepared = ana.post(scene.address("review_challenge"), {"verdict": "approve"}).json()["prepared"]
    for said in (prepared, "", "x", prepared + "x", "\x00"):
        answer = ana.post(address, {"verdict": "approve", "prepared": said, "assertion": assertion})
        assert answer.status_code in {400, 403, 409, 422}
    assert not Decision.objects.exists()


@pytest.mark.parametrize("assertion", ASSERTIONS)
def test_strange_passkeys_do_not_sign_in(scene: Scene, assertion: str) -> None:
    visitor = browser()
    assert visitor.get("/sign-in/passkey/", headers={"accept": "application/json"}).status_code == 200
    answer = visitor.post("/sign-in/passkey/", {"credential": assertion})
    assert answer.status_code in {200, 302, 400, 422}
    assert "_auth_user_id" not in visitor.session


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800".encode("utf-8", "surrogatepass")])
def test_text_that_cannot_be_stored_is_refused(scene: Scene, text: str | bytes) -> None:
    ana, mira = browser("ana"), browser("mira")
    before = everything_but_the_log()
    asked = [
        (ana, scene.address("review_decision"), {"verdict": "approve", "reason": text, "password": text}),
        (ana, scene.address("review_challenge"), {"verdict": text, "reason": text}),
        (mira, scene.address("run_start", "cancel-subscription"), {"subscription": "\x00", "reason": text}),
        (mira, scene.address("workflow_publish"), {"source": text}),
        (
            mira,
            scene.address("connect_openapi"),
            {"document": text, "title": text, "slug": text, "base_url": text, "credential_type": text},
        ),
        (mira, scene.address("account_team"), {"team": text}),
        (browser(), "/sign-in/", {"login": text, "password": text}),
    ]
    for client, address, fields in asked:
        answer = client.post(address, dict(fields.items()))
        assert answer.status_code in {200, 302, 400, 403, 422}, address
    assert everything_but_the_log() == before


def test_refusal_with_a_reason_that_cannot_be_stored_is_refused(scene: Scene) -> None:
    answer = browser("ana").post(scene.address("review_decision"), {"verdict": "refuse", "reason": "a\x00b"})
    assert answer.status_code in {400, 422}
    assert not Decision.objects.exists()


def test_programs_get_json_whatever_goes_wrong(scene: Scene) -> None:
    for address in ("/api/v1/runs/%00", "/api/v1/runs?workflow=%00", "/api/v1/records?kind=%00"):
        answer = browser("mira").get(address)
        assert answer.status_code in {200, 400, 404, 422}
        assert isinstance(json.loads(answer.content), dict)
