"""Delegations: who gives them, who ends them, and what ends them by itself."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from approvals.delegations import end_delegation, end_delegations, give_delegation
from approvals.models import Delegation
from audit.models import Record
from console.accounts.models import Membership, Team
from console.accounts.people import deactivate_user
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid, NotFound, Refusal, StepUpRequired
from examples.demo.people import acting
from tests.pages.conftest import DOOR, PASSWORD, Enter, Hold
from tests.pages.delegating import DAY, ONE, approve, give, insert, proven, role, sees, user, wanted
from tests.pages.delegating import staff as staff

pytestmark = pytest.mark.usefixtures("staff")


def lose_role(who: str) -> None:
    role(who, "operator", groups=("finance",))


def leave(who: str) -> None:
    Membership.objects.filter(user__username=who).delete()


def close(who: str) -> None:
    deactivate_user(user(who), actor=DOOR)


@pytest.mark.parametrize("end", [lose_role, leave, close])
def test_it_ends_with_the_delegators_own_power(hold: Hold, end: Any) -> None:
    review = hold(slots=[ONE])
    given = give()
    end("ada")
    assert not sees(review, "bo")  # at once
    with pytest.raises(NotFound):
        approve(review, "bo")
    assert end_delegations() == 1
    given.refresh_from_db()
    assert given.state == "ended"


@pytest.mark.parametrize("end", [lose_role, leave, close])
def test_it_ends_with_the_delegates(hold: Hold, end: Any, office: Team) -> None:
    given = give()
    end("bo")
    assert end_delegations() == 1
    assert end_delegations() == 0
    if end is not close:
        role("bo", "reviewer")
        assert not sees(hold(slots=[ONE]), "bo")  # it does not come back with the role
    given.refresh_from_db()
    assert json.loads(bytes(Record.objects.get(kind="approvals:delegation:ended").leaf))["detail"] == {
        "why": "no_reviewer"}  # fmt: skip


def test_it_begins_and_ends_in_its_time(hold: Hold) -> None:
    review = hold(slots=[ONE])
    given = give(begins=now() + DAY, ends=now() + 2 * DAY)
    assert not sees(review, "bo")
    end_delegation(given.pk, actor=acting("ada"))
    insert(begins_at=now() - 2 * DAY, ends_at=now() - DAY)
    assert not sees(review, "bo")
    give("ada", "cy")  # what is over and not ended yet stands in nobody's way
    assert list(Delegation.objects.order_by("given_at").values_list("state", flat=True)) == ["ended"] * 2 + ["given"]


def test_a_row_that_the_console_did_not_attest_gives_nothing(hold: Hold) -> None:
    review = hold(slots=[ONE])
    given = insert(attestation=bytes(64))
    assert not sees(review, "bo")
    with pytest.raises(NotFound):
        approve(review, "bo")
    assert Record.objects.of(given.pk).filter(kind="console:alarm:tampered").count() == 1


REFUSED: dict[str, tuple[dict[str, Any], type[Refusal]]] = {
    "to oneself": ({"to": "ada"}, Invalid),
    "to somebody who is no reviewer": ({"to": "jonas"}, Invalid),
    "without an end that is to come": ({"ends": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, Invalid),
    "for too long": ({"ends": dt.datetime(2099, 1, 1, tzinfo=dt.UTC)}, Invalid),
    "an amount without a currency": ({"at_most": 5}, Invalid),
    "a currency without an amount": ({"currency": "eur"}, Invalid),
    "nothing": ({"at_most": 0, "currency": "eur"}, Invalid),
    "a category that there is not": ({"categories": ["whatever"]}, Invalid),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_given(name: str) -> None:
    given, refusal = REFUSED[name]
    with pytest.raises(refusal):
        give(**given)
    assert not Delegation.objects.exists()


def test_it_takes_a_reviewer_who_has_just_proved_who_they_are() -> None:
    stale = replace(acting("ada"), stepped_up_at=now() - dt.timedelta(minutes=10))
    for actor, refusal in ((acting("ada"), StepUpRequired), (stale, StepUpRequired), (proven("jonas"), Forbidden),
                           (replace(proven("ada"), auth="token"), Forbidden)):  # fmt: skip
        with pytest.raises(refusal):
            give_delegation(wanted(), actor=actor)
    with pytest.raises(Conflict, match="End that first"):
        [give(), give("ada", "cy")]


def test_the_delegator_or_an_admin_ends_it(hold: Hold) -> None:
    review, given = hold(slots=[ONE]), give()
    for who in ("bo", "cy", "jonas"):
        with pytest.raises(NotFound):
            end_delegation(given.pk, actor=acting(who))
    end_delegation(given.pk, actor=acting("mira"))
    assert not sees(review, "bo")
    with pytest.raises(Conflict):
        end_delegation(given.pk, actor=acting("ada"))
    end_delegation(give().pk, actor=acting("ada"))


def confirmed(enter: Enter, who: str) -> Any:
    browser = enter(who)
    assert browser.post("/confirm/", {"password": PASSWORD, "next": "/account/"})["Location"] == "/account/"
    return browser


def test_the_page_asks_who_it_is_and_gives_and_ends(enter: Enter, hold: Hold) -> None:
    ada = enter("ada")
    assert ada.get("/account/delegations/?give=1")["Location"].startswith("/confirm/")
    ends = (now() + DAY).strftime("%Y-%m-%dT%H:%M")
    form = {"delegate": user("bo").pk, "begins": now().strftime("%Y-%m-%dT%H:%M"), "ends": ends, "at_most": "500.00",
            "currency": "eur", "categories": ["financial"], "away": "on"}  # fmt: skip
    stale = ada.post("/account/delegations/give/", form)
    assert (stale.status_code, Delegation.objects.count()) == (403, 0)
    assert "Confirm that it is you" in stale.content.decode()
    ada = confirmed(enter, "ada")
    assert "Let them sign in my place" in ada.get("/account/delegations/?give=1").content.decode()
    assert ada.post("/account/delegations/give/", form | {"at_most": "5.001"}).status_code == 422
    assert ada.post("/account/delegations/give/", form)["Location"] == "/account/delegations/"
    [given] = Delegation.objects.all()
    assert (given.at_most, given.currency, given.categories, given.away) == (50_000, "eur", ["financial"], True)
    for who, heading in (
        ("ada", "Who signs in your place"),
        ("bo", "For whom you sign"),
        ("mira", "Others of your team"),
    ):
        page = enter(who).get("/account/delegations/").content.decode()
        assert heading in page
        assert "<bdi>Bo</bdi> for <bdi>Ada</bdi>" in page
    assert enter("cy").get("/account/delegations/").content.decode().count("<bdi>Ada</bdi>") == 0
    assert ada.post(f"/account/delegations/{given.pk}/end/")["Location"] == "/account/delegations/"
    assert "Ended" in ada.get("/account/delegations/").content.decode()
