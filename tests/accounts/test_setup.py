"""The first administrator."""

import threading
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from audit.models import Record
from console.accounts.models import Membership, SetupLink, Team, User
from console.accounts.setup import finish_setup, offer_setup
from console.core.clock import now
from console.core.errors import NotFound
from tests.accounts.conftest import PASSWORD

ANSWERS = {"team": "Accounts payable", "name": "Ada Lovelace", "username": "ada", "password": PASSWORD}
HOST = "localhost:8000"


@pytest.fixture(autouse=True)
def served_from_localhost(settings: Any) -> None:
    settings.ORIGIN, settings.ALLOWED_HOSTS = f"http://{HOST}", ["localhost"]


@pytest.fixture
def browser() -> Client:
    return Client(headers={"host": HOST})


def printed() -> str:
    out = StringIO()
    call_command("setup_link", stdout=out)
    return out.getvalue()


def test_command_prints_a_link_until_somebody_has_an_account(db: None, browser: Client) -> None:
    line = printed()
    assert line.startswith(f"set up the first administrator: http://{HOST}/setup/")
    link = line.rsplit(HOST)[-1].strip()
    assert browser.get(link).status_code == 200
    assert browser.post(link, ANSWERS)["Location"] == "/account/passkeys/add/"
    assert printed() == ""


def test_setup_makes_an_administrator_who_may_add_a_passkey_at_once(db: None, browser: Client) -> None:
    browser.post(f"/setup/{offer_setup()}/", ANSWERS)
    membership = Membership.objects.get()
    assert (membership.user.username, membership.team.slug) == ("ada", "accounts-payable")
    assert "admin" in membership.roles
    assert browser.get("/account/passkeys/add/").status_code == 200
    assert Record.objects.filter(kind="accounts:setup:finished").count() == 1


def test_only_the_digest_of_the_link_is_kept(db: None) -> None:
    token = offer_setup()
    assert token is not None
    assert token.encode() not in bytes(SetupLink.objects.get().sha256)


def test_wrong_answers_keep_the_link(db: None, browser: Client) -> None:
    link = f"/setup/{offer_setup()}/"
    answer = browser.post(link, {**ANSWERS, "password": "short", "username": "Ada L"})
    assert b"too short" in answer.content
    assert not User.objects.exists()
    assert browser.post(link, ANSWERS).status_code == 302


def test_used_ended_and_made_up_links_do_not_exist(db: None, browser: Client) -> None:
    old, good = f"/setup/{offer_setup()}/", f"/setup/{offer_setup()}/"
    SetupLink.objects.filter(pk=SetupLink.objects.order_by("id")[0].pk).update(expires_at=now())
    assert browser.get(old).status_code == 404
    assert browser.get("/setup/made-up/").status_code == 404
    browser.post(good, ANSWERS)
    assert Client(headers={"host": HOST}).get(good).status_code == 404
    assert Client(headers={"host": HOST}).post(good, {**ANSWERS, "username": "eve"}).status_code == 404


@pytest.mark.parametrize("links", [1, 2])
def test_race_makes_one_administrator(committed: str, links: int) -> None:
    tokens = [str(offer_setup()) for _ in range(links)]
    outcomes: list[str] = []
    together = threading.Barrier(4)

    def use(number: int) -> None:
        together.wait()
        try:
            finish_setup(tokens[number % links], **{**ANSWERS, "username": f"ada{number}"})
            outcomes.append("made")
        except NotFound:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "refused", "refused", "refused"]
    assert (User.objects.count(), Team.objects.count()) == (1, 1)
