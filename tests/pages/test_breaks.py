"""How much one person decides within an hour."""

import datetime as dt
import json
from typing import Any

import pytest

from approvals.care import breaks
from approvals.care.settings import set_care
from approvals.models import Decision, Review
from approvals.signoff import ByPassword, BySession, prepare_decision, signoff
from audit.models import Record
from console.accounts.models import Team
from console.core.clock import now
from console.core.errors import Conflict, Invalid
from examples.demo.people import acting
from tests.pages.conftest import PASSWORD, Enter, Hold, add_reviewer


def approve(review: Review) -> str:
    return signoff(review.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting("ana")).state


def refuse(review: Review) -> str:
    return signoff(review.id, verdict="refuse", reason="No.", proof=BySession(), actor=acting("ana")).state


@pytest.fixture
def two_an_hour(office: Team, ana: Any) -> None:
    set_care(samples=0, most_an_hour=2, drill_every=0, actor=acting("mira"))


def test_without_a_setting_there_is_no_end(hold: Hold, ana: Any) -> None:
    assert [approve(hold()) for _ in range(5)] == ["approved"] * 5


@pytest.mark.usefixtures("two_an_hour")
def test_beyond_it_nothing_is_approved_and_refusing_goes_on(hold: Hold, office: Team) -> None:
    add_reviewer(office, "bea")
    approve(hold())
    refuse(hold())
    third = hold()
    for act in (lambda: approve(third),
                lambda: prepare_decision(third.id, verdict="approve", reason="", actor=acting("ana"))):  # fmt: skip
        with pytest.raises(Conflict, match="1 other can sign this") as refused:
            act()
        assert refused.value.code == "too_many_at_once"
    assert Decision.objects.count() == 2
    assert refuse(third) == "refused"


@pytest.mark.usefixtures("two_an_hour")
def test_what_was_left_to_others_costs_nothing_and_time_gives_it_back(
    hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    signoff(hold().id, verdict="recuse", proof=BySession(), actor=acting("ana"))
    assert [approve(hold()) for _ in range(2)] == ["approved"] * 2
    with pytest.raises(Conflict):
        approve(hold())
    monkeypatch.setattr(breaks, "now", lambda: now() + dt.timedelta(hours=1, seconds=1))
    assert approve(hold()) == "approved"


@pytest.mark.usefixtures("two_an_hour")
def test_the_pages_say_so_and_keep_the_way_to_refuse(hold: Hold, enter: Enter, ana: Any) -> None:
    review = hold()
    before = ana.get(f"/reviews/{review.id}/").content.decode()
    approve(hold())
    approve(hold())
    sheet, queue = (ana.get(page).content.decode() for page in (f"/reviews/{review.id}/", "/reviews/"))
    parts = ("Approve with your password", "Take a break", "Why do you refuse?")
    assert [[part in page for part in parts] for page in (before, sheet)] == [[True, False, True], [False, True, True]]
    assert "You have decided 2 within an hour" in queue
    assert "You have decided" not in enter("mira").get("/reviews/").content.decode()


def test_it_is_for_admins_to_set_and_recorded(office: Team) -> None:
    with pytest.raises(Invalid):
        set_care(samples=0, most_an_hour=1_001, drill_every=0, actor=acting("mira"))
    set_care(samples=3, most_an_hour=20, drill_every=0, actor=acting("mira"))
    told = Record.objects.get(kind="approvals:care:set")
    assert json.loads(bytes(told.leaf))["detail"] == {"samples": 3, "most_an_hour": 20, "drill_every": 0}
