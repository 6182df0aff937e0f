"""The pages of legal holds."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.holds import place_hold
from audit.models import Hold, Record
from audit.vocabulary import Kind
from console.accounts.models import Team
from console.core.clock import now
from examples.demo.people import acting
from tests.pages.conftest import Enter, everything_but_the_log

DAY = dt.date(2026, 3, 14)


@pytest.fixture
def theo(office: Team, enter: Enter) -> Client:
    return enter("theo")


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_without_holds_the_page_says_what_they_are_for_and_what_is_kept(theo: Client) -> None:
    page = text(theo.get("/audit/holds/"))
    assert "Nothing is held" in page
    assert "kept for 12 months after it is over" in page
    assert f"The oldest month here is {now():%Y-%m}" in page


def test_a_hold_is_placed_shown_and_released_by_somebody_else(theo: Client, mira: Client) -> None:
    answer = theo.post("/audit/holds/", {"since": "2026-03-14", "reason": "Claim <17>"})
    hold = Hold.objects.get()
    assert answer["Location"] == f"/audit/holds/{hold.pk}/"
    own = text(theo.get(answer["Location"]))
    assert "Claim &lt;17&gt;" in own
    assert "somebody else has to release it" in own
    assert "Release the hold" not in own
    listed = text(mira.get("/audit/holds/"))
    assert "Claim &lt;17&gt;" in listed
    assert "2026-03-14" in listed
    assert "and on" in listed
    assert "Release the hold" in text(mira.get(f"/audit/holds/{hold.pk}/"))
    assert mira.post(f"/audit/holds/{hold.pk}/release/", {"reason": "Settled"}).status_code == 302
    after = text(theo.get(f"/audit/holds/{hold.pk}/"))
    assert "Settled" in after
    assert "Mira" in after
    assert "Release the hold" not in text(mira.get(f"/audit/holds/{hold.pk}/"))
    assert '<span class="tag">released</span>' in text(theo.get("/audit/holds/"))


def test_what_a_hold_keeps_now_is_counted(theo: Client) -> None:
    place_hold(acting("theo"), now().date().replace(day=1), None, "Claim 17")
    page = text(theo.get("/audit/holds/"))
    assert f'1 month <span class="sub">{now():%Y-%m} and on</span>' in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"since": "yesterday", "reason": "x"}, "A day is written like"),
        ({"since": "2026-03-14", "until": "2026-03-13", "reason": "x"}, "The hold ends before it begins."),
        ({"since": "2026-03-14", "reason": ""}, "Say why"),
        ({"since": "2026-03-14", "reason": "x" * 2001}, "at most 2,000 characters"),
        ({}, "A day is written like"),
    ],
)
def test_what_is_missing_is_said_and_what_was_typed_stays(theo: Client, given: dict[str, str], said: str) -> None:
    answer = theo.post("/audit/holds/", {"until": "2026-05-05", **given} if "until" not in given else given)
    assert answer.status_code == 422
    assert said in text(answer)
    assert f'value="{given.get("until", "2026-05-05")}"' in text(answer)
    assert not Hold.objects.exists()


def test_releasing_needs_a_reason(theo: Client, mira: Client) -> None:
    hold = place_hold(acting("theo"), DAY, None, "Claim 17")
    answer = mira.post(f"/audit/holds/{hold.pk}/release/", {"reason": " "})
    assert answer.status_code == 422
    assert "Say why; who has to judge it later reads nothing else." in text(answer)
    assert Hold.objects.get().state == "placed"


def test_whoever_placed_it_is_refused_by_address_too(theo: Client) -> None:
    hold = place_hold(acting("theo"), DAY, None, "Claim 17")
    answer = theo.post(f"/audit/holds/{hold.pk}/release/", {"reason": "Settled"})
    assert answer.status_code == 403
    assert "somebody else has to release it" in text(answer)


@pytest.mark.parametrize("who", ["ana", "jonas", "noa"])
def test_others_are_refused_and_that_is_recorded(office: Team, enter: Enter, who: str) -> None:
    hold = place_hold(acting("theo"), DAY, None, "Claim 17")
    browser = enter(who)
    asked = [browser.get("/audit/holds/"), browser.post("/audit/holds/", {"since": "2026-03-14", "reason": "x"}),
             browser.get(f"/audit/holds/{hold.pk}/"), browser.post(f"/audit/holds/{hold.pk}/release/")]  # fmt: skip
    assert [answer.status_code for answer in asked] == [403] * 4
    assert Hold.objects.count() == 1
    assert Record.objects.filter(kind=Kind.ACCESS_REFUSED, actor=acting(who).id).count() == 2


def test_a_hold_of_another_team_does_not_exist(stranger: Client) -> None:
    hold = place_hold(acting("theo"), DAY, None, "Claim 17")
    assert "Claim 17" not in text(stranger.get("/audit/holds/"))
    assert stranger.get(f"/audit/holds/{hold.pk}/").status_code == 404
    assert stranger.post(f"/audit/holds/{hold.pk}/release/", {"reason": "x"}).status_code == 404


def test_only_what_is_offered_is_answered(theo: Client) -> None:
    hold = place_hold(acting("mira"), DAY, None, "Claim 17")
    assert theo.delete("/audit/holds/").status_code == 405
    assert theo.post(f"/audit/holds/{hold.pk}/").status_code == 405
    assert theo.get(f"/audit/holds/{hold.pk}/release/").status_code == 405
    for address in ("/audit/holds/", f"/audit/holds/{hold.pk}/"):
        assert Client(headers={"host": "localhost"}).get(address)["Location"] == f"/sign-in/?next={address}"


def test_looking_is_recorded_and_changes_nothing_else(theo: Client) -> None:
    hold = place_hold(acting("mira"), DAY, None, "Claim 17")
    before = everything_but_the_log()
    for address in ("/audit/holds/", f"/audit/holds/{hold.pk}/"):
        theo.get(address)
    assert everything_but_the_log() == before
    assert Record.objects.filter(kind=Kind.PAGE_READ, actor=acting("theo").id).count() == 2


def test_its_records_lead_to_it(theo: Client) -> None:
    hold = place_hold(acting("mira"), DAY, None, "Claim 17")
    assert f'href="/audit/holds/{hold.pk}/"' in text(theo.get("/audit/?kind=audit:hold:"))


def test_queries_do_not_grow_with_the_holds(theo: Client) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert theo.get("/audit/holds/").status_code == 200
        return len(captured)

    for _ in range(2):
        place_hold(acting("mira"), DAY, None, "Claim 17")
    count()
    few = count()
    for _ in range(30):
        place_hold(acting("mira"), DAY, None, "Claim 17")
    assert count() == few
