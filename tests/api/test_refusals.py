"""Every answer of /api/ that is not what was asked for has one form, whoever made it: router, guard, form or act."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from audit.models import Record
from console.accounts.models import Team, User
from console.accounts.tokens import issue_token
from console.core.clock import now
from examples.demo.people import acting
from tests.pages.conftest import Enter, everything_but_the_log

LISTS = ("/api/v1/runs", "/api/v1/reviews", "/api/v1/workflows", "/api/v1/records")
ONES = (
    "/api/v1/runs/run_x",
    "/api/v1/reviews/rev_x",
    "/api/v1/workflows/nothing",
    "/api/v1/records/01a1fba6-2561-7df0-adea-4f2079425407",
)


def code(answer: Any) -> tuple[int, str]:
    """Status and code, after checking that nothing else is in the answer."""
    body = answer.json()
    assert list(body) == ["error"]
    assert sorted(body["error"]) == ["code", "detail", "text"]
    assert body["error"]["text"].strip()
    return answer.status_code, body["error"]["code"]


def bearer(secret: str) -> Client:
    return Client(headers={"host": "localhost", "authorization": f"Bearer {secret}"})


def token_of(username: str, team: Team) -> str:
    user = User.objects.get(username=username)
    _, secret = issue_token(user, team, actor=acting(username), expires=now() + dt.timedelta(days=1), label="t")
    return secret


@pytest.mark.parametrize("address", [*LISTS, *ONES])
def test_nobody_is_asked_to_sign_in(db: None, address: str) -> None:
    for visitor in (Client(headers={"host": "localhost"}), bearer("cst_" + "x" * 43), bearer("nonsense")):
        answer = visitor.get(address)
        assert code(answer) == (401, "not_signed_in")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("address", [*LISTS, *ONES])
def test_without_a_role_nothing_is_read(office: Team, enter: Enter, address: str) -> None:
    assert code(enter("noa").get(address)) == (403, "forbidden")


@pytest.mark.parametrize("who", ["ana", "jonas"])
def test_log_is_for_auditors_and_admins_and_others_are_recorded(office: Team, enter: Enter, who: str) -> None:
    browser = enter(who)
    for address in (LISTS[3], LISTS[3], ONES[3]):
        assert code(browser.get(address)) == (403, "forbidden")
    assert Record.objects.filter(kind="audit:access:refused", actor=acting(who).id).count() == 2


@pytest.mark.parametrize("address", ONES)
def test_what_is_not_there_is_not_found(office: Team, enter: Enter, address: str) -> None:
    assert code(enter("mira").get(address)) == (404, "not_found")


@pytest.mark.parametrize("address", ["/api/v1/", "/api/v1/nothing", "/api/", "/api/v2/runs", "/api/v1/records/x"])
def test_unknown_addresses_are_not_found_for_anybody(office: Team, enter: Enter, address: str) -> None:
    assert code(enter("mira").get(address)) == (404, "not_found")
    assert code(Client(headers={"host": "localhost"}).get(address)) == (404, "not_found")


@pytest.mark.parametrize("address", [*LISTS, *ONES, "/api/v1/openapi.json"])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_is_written(office: Team, enter: Enter, address: str, method: str) -> None:
    mira = enter("mira")
    before = everything_but_the_log()
    answer = getattr(mira, method)(address)
    assert code(answer) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]
    assert everything_but_the_log() == before


def test_token_that_writes_is_refused_in_the_same_form(office: Team) -> None:
    assert code(bearer(token_of("mira", office)).post("/api/v1/runs")) == (403, "forbidden")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "state=odd", "after=x", "after=2026-11-20T00:00:00~x", f"after={'x' * 300}"],
)
def test_parameters_that_make_no_sense_are_named(office: Team, enter: Enter, query: str) -> None:
    status, said = code(enter("mira").get(f"/api/v1/runs?{query}"))
    assert (status, said in {"invalid", "invalid_cursor"}) == (422, True)


def test_every_wrong_parameter_is_listed(office: Team, enter: Enter) -> None:
    answer = enter("theo").get("/api/v1/records?since=yesterday&limit=0")
    assert code(answer) == (422, "invalid")
    places = [problem["place"] for problem in answer.json()["error"]["detail"]["problems"]]
    assert sorted(places) == ["limit", "since"]


@pytest.mark.parametrize("version", ["0", "x", str(2**31)])
def test_version_must_be_a_number_that_can_be(office: Team, enter: Enter, version: str) -> None:
    assert code(enter("mira").get(f"/api/v1/workflows/billing-care?version={version}"))[0] == 422


def test_version_that_is_not_there_is_not_found(office: Team, enter: Enter) -> None:
    assert code(enter("mira").get("/api/v1/workflows/billing-care?version=7")) == (404, "not_found")


def test_token_reads_as_its_person_does(office: Team) -> None:
    theo, ana = bearer(token_of("theo", office)), bearer(token_of("ana", office))
    assert [theo.get(address).status_code for address in LISTS] == [200, 200, 200, 200]
    assert [ana.get(address).status_code for address in LISTS] == [200, 200, 200, 403]
