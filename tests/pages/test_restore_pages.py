"""The page on which two admins sign that a backup was put back on purpose."""

import json
from typing import Any

import pytest
from django.test import Client

from audit.models import Record, Tree
from audit.trees import log_name
from audit.verify import EMPTY
from audit.vocabulary import Kind
from console.accounts.models import Team, User
from console.accounts.people import create_user, set_membership
from console.core.actor import system
from console.home.models import RestoreSignature
from examples.demo.people import acting
from tests.accounts.authenticator import SoftAuthenticator
from tests.audit.growing import Log
from tests.pages.conftest import Enter

ADDRESS = "/audit/restore/"


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


@pytest.fixture
def behind(office: Team) -> Tree:
    """The signer remembers ten leaves, and none is here."""
    origin = f"{log_name()}/1"
    return Tree.objects.create(log=log_name(), number=1, origin=origin, root=EMPTY, problem="Ten were signed.",
                               remembered=Log(origin).grow(10).note())  # fmt: skip


@pytest.fixture
def second(office: Team, enter: Enter) -> Client:
    user = create_user("max", "Max Weber", actor=system("tests"))
    set_membership(user, office, roles=["admin"], groups=[], actor=system("tests"))
    return enter("max")


def key_of(username: str) -> SoftAuthenticator:
    key = SoftAuthenticator()
    key.register(User.objects.get(username=username), acting(username))
    return key


def sign(browser: Client, key: SoftAuthenticator, reason: str = "The <disk>") -> Any:
    told = browser.post(f"{ADDRESS}challenge/", {"reason": reason}).json()
    answer = json.dumps(key.sign_options(told["options"]))
    given = {"reason": reason, "prepared": told["prepared"], "assertion": answer}
    return browser.post(f"{ADDRESS}signature/", given)


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_while_the_log_goes_on_there_is_nothing_to_sign(mira: Client) -> None:
    assert "There is nothing to sign" in text(mira.get(ADDRESS))
    assert mira.post(f"{ADDRESS}challenge/", {"reason": "x"}).json()["code"] == "not_restored"
    assert ADDRESS not in text(mira.get("/audit/"))


def test_another_problem_is_not_settled_here(mira: Client, behind: Tree) -> None:
    Tree.objects.update(remembered="")
    assert "This is nothing that signatures of admins could settle." in text(mira.get(ADDRESS))


def test_the_page_says_what_happened_and_the_notice_leads_to_it(mira: Client, behind: Tree, enter: Enter) -> None:
    assert f'href="{ADDRESS}"' in text(mira.get("/audit/"))
    page = text(mira.get(ADDRESS))
    assert f"10 records of {log_name()}/1" in page
    assert f"0 records of {log_name()}/1" in page
    assert "10 signed records" in page
    assert f"{log_name()}/2" in page
    assert "Then do not sign" in page
    assert "Add a passkey" in page
    auditor = text(enter("theo").get("/audit/"))
    assert ADDRESS not in auditor
    assert "Two admins have to look at it." in auditor


def test_two_admins_sign(mira: Client, second: Client, behind: Tree) -> None:
    keys = {"mira": key_of("mira"), "max": key_of("max")}
    assert "Hold to sign" in text(mira.get(ADDRESS))
    assert sign(mira, keys["mira"])["Location"] == ADDRESS
    page = text(mira.get(ADDRESS))
    assert "You have signed. Another admin has to sign as well" in page
    assert "Hold to sign" not in page
    seen = text(second.get(ADDRESS))
    assert "The &lt;disk&gt;" in seen
    assert "1 of two" in seen
    assert sign(second, keys["max"])["Location"] == ADDRESS
    assert f"The sequencer opens {log_name()}/2 in a moment." in text(second.get(ADDRESS))
    assert RestoreSignature.objects.count() == Record.objects.filter(kind=Kind.RESTORE_SIGNED).count() == 2


def test_what_goes_wrong_is_said_beside_the_form(mira: Client, behind: Tree) -> None:
    key = key_of("mira")
    assert mira.post(f"{ADDRESS}challenge/", {"reason": " "}).json()["text"] == "Say why the backup was put back."
    told = mira.post(f"{ADDRESS}challenge/", {"reason": "Disk"}).json()
    for prepared, assertion in (
        (told["prepared"], "x"),
        (told["prepared"], "[]"),
        ("x", json.dumps(key.sign_options(told["options"]))),
        (told["prepared"], json.dumps(key.sign(b"x" * 32))),
    ):
        answer = mira.post(f"{ADDRESS}signature/", {"reason": "Disk", "prepared": prepared, "assertion": assertion})
        assert answer.status_code == 422
        assert 'role="alert"' in text(answer)
    assert ">Disk</textarea>" in text(answer)
    assert not RestoreSignature.objects.exists()


@pytest.mark.parametrize("who", ["theo", "ana", "jonas", "noa"])
def test_others_are_refused_and_that_is_recorded(behind: Tree, enter: Enter, who: str) -> None:
    browser = enter(who)
    asked = [browser.get(ADDRESS), browser.post(f"{ADDRESS}challenge/"), browser.post(f"{ADDRESS}signature/")]
    assert [answer.status_code for answer in asked] == [403] * 3
    assert Record.objects.filter(kind=Kind.ACCESS_REFUSED, actor=acting(who).id).count() == 1


def test_an_admin_of_another_team_may_sign_for_the_installation(behind: Tree, stranger: Client) -> None:
    """The log is of all teams. They see its numbers, and nothing of this team."""
    page = text(stranger.get(ADDRESS))
    assert "10 signed records" in page
    assert "Mira" not in page


def test_only_what_is_offered_is_answered(mira: Client) -> None:
    assert mira.post(ADDRESS).status_code == 405
    assert mira.get(f"{ADDRESS}challenge/").status_code == 405
    assert mira.get(f"{ADDRESS}signature/").status_code == 405
    assert Client(headers={"host": "localhost"}).get(ADDRESS)["Location"] == f"/sign-in/?next={ADDRESS}"
