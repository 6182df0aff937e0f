"""The page that erases, and the record's page afterwards."""

import datetime as dt
import re
import uuid
from typing import Any

import pytest
from django.test import Client

from audit.holds import place_hold
from audit.models import Disclosure, Record
from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import Team
from examples.demo.people import acting
from tests.pages.conftest import Enter

BASIS = "GDPR Art. 17, request 12"


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


@pytest.fixture
def identity(office: Team) -> uuid.UUID:
    personal = {"name": "Zoë <b>", "reason": "moved away"}
    return uuid.UUID(record(Kind.DECISION_MADE, subject="dec_1", actor=acting("ana"), personal=personal))


def text(answer: Any) -> str:
    return str(answer.content.decode())


def left(identity: uuid.UUID) -> list[str]:
    return sorted(Disclosure.objects.filter(record_id=identity).values_list("path", flat=True))


def test_an_admin_sees_what_goes_erases_it_and_is_shown_who_and_why(mira: Client, identity: uuid.UUID) -> None:
    address = f"/audit/{identity}/erasure/"
    assert f'href="{address}"' in text(mira.get(f"/audit/{identity}/"))
    page = text(mira.get(address))
    assert "Zoë &lt;b&gt;" in page
    assert "moved away" in page
    assert re.findall(r'name="path" value="(\w+)"', page) == ["name", "reason"]
    answer = mira.post(address, {"path": ["reason"], "basis": BASIS})
    assert answer["Location"] == f"/audit/{identity}/"
    assert left(identity) == ["name"]
    telling = Record.objects.get(kind=Kind.DISCLOSURE_ERASED)
    page = text(mira.get(f"/audit/{identity}/"))
    assert f'erased; every proof stays valid</span> <a class="link" href="/audit/{telling.pk}/">' in page
    assert "moved away" not in page
    assert BASIS in text(mira.get(f"/audit/{telling.pk}/"))
    assert mira.post(address, {"path": ["name"], "basis": BASIS}).status_code == 302
    assert f'href="{address}"' not in text(mira.get(f"/audit/{identity}/"))
    assert "Nothing is left to erase" in text(mira.get(address))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"path": ["name"]}, "Say on which basis"),
        ({"path": ["name"], "basis": "x" * 2001}, "Keep the basis under 2,000"),
        ({"basis": BASIS}, "Choose what is to be erased."),
    ],
)
def test_what_is_missing_is_said(mira: Client, identity: uuid.UUID, given: dict[str, Any], said: str) -> None:
    answer = mira.post(f"/audit/{identity}/erasure/", given)
    assert answer.status_code == 422
    assert said in text(answer)
    assert re.findall(r'name="path" value="(\w+)" checked', text(answer)) == given.get("path", [])
    assert left(identity) == ["name", "reason"]


def test_what_is_gone_meanwhile_is_a_conflict(mira: Client, identity: uuid.UUID) -> None:
    answer = mira.post(f"/audit/{identity}/erasure/", {"path": ["name", "address"], "basis": BASIS})
    assert answer.status_code == 409
    assert left(identity) == ["name", "reason"]


def test_a_hold_is_named_instead_of_the_form(mira: Client, identity: uuid.UUID) -> None:
    hold = place_hold(acting("theo"), dt.date(2026, 1, 1), None, "Claim 17")
    page = text(mira.get(f"/audit/{identity}/erasure/"))
    assert f'href="/audit/holds/{hold.pk}/"' in page
    assert "Erase for good" not in page
    assert mira.post(f"/audit/{identity}/erasure/", {"path": ["name"], "basis": BASIS}).status_code == 409
    assert left(identity) == ["name", "reason"]


@pytest.mark.parametrize("who", ["theo", "ana", "jonas", "noa"])
def test_others_are_refused_and_that_is_recorded(office: Team, identity: uuid.UUID, enter: Enter, who: str) -> None:
    browser = enter(who)
    address = f"/audit/{identity}/erasure/"
    assert [browser.get(address).status_code, browser.post(address, {"path": ["name"], "basis": BASIS}).status_code] \
        == [403, 403]  # fmt: skip
    assert left(identity) == ["name", "reason"]
    assert Record.objects.filter(kind=Kind.ACCESS_REFUSED, actor=acting(who).id).count() == 1


def test_an_auditor_is_not_offered_it(office: Team, identity: uuid.UUID, enter: Enter) -> None:
    assert "/erasure/" not in text(enter("theo").get(f"/audit/{identity}/"))


def test_records_of_another_team_do_not_exist(stranger: Client, identity: uuid.UUID) -> None:
    address = f"/audit/{identity}/erasure/"
    assert stranger.get(address).status_code == 404
    assert stranger.post(address, {"path": ["name"], "basis": BASIS}).status_code == 404
    assert left(identity) == ["name", "reason"]


def test_only_a_form_is_answered_and_visitors_sign_in(mira: Client, identity: uuid.UUID) -> None:
    address = f"/audit/{identity}/erasure/"
    assert mira.delete(address).status_code == 405
    assert Client(headers={"host": "localhost"}).get(address)["Location"] == f"/sign-in/?next={address}"
