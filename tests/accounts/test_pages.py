"""Signing in, adding and removing passkeys, and one's own account, as a browser walks through them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from audit.models import Record
from console.accounts.enrolment import build, verify_registration
from console.accounts.models import Passkey, Team, User
from console.accounts.people import deactivate_user, set_membership
from tests.accounts.authenticator import SoftAuthenticator
from tests.accounts.conftest import PASSWORD, SYSTEM, acting

HOST = "localhost:8000"


@pytest.fixture(autouse=True)
def fresh(settings: Any) -> Iterator[None]:
    settings.ORIGIN, settings.RP_ID, settings.ALLOWED_HOSTS = f"http://{HOST}", "localhost", ["localhost"]
    cache.clear()  # attempts are counted there
    yield
    cache.clear()


@pytest.fixture
def browser() -> Client:
    return Client(headers={"host": HOST})


def sign_in(browser: Client, username: str = "ada", password: str = PASSWORD) -> Any:
    return browser.post("/sign-in/", {"login": username, "password": password})


def confirm(browser: Client) -> Any:
    return browser.post("/confirm/", {"password": PASSWORD, "next": "/account/"})


def options(answer: Any) -> dict[str, Any]:
    found = re.search(rb'<script type="application/json">(.*?)</script>', answer.content, re.S)
    assert found
    return dict(json.loads(found[1]))


def add_passkey(browser: Client, soft: SoftAuthenticator, **wrong: Any) -> Any:
    asked = options(browser.get("/account/passkeys/add/"))["creation_options"]["publicKey"]
    credential = soft.attest(base64url_to_bytes(asked["challenge"]), **wrong)
    return browser.post("/account/passkeys/add/", {"name": "Laptop", "credential": json.dumps(credential)})


def kinds(user: User) -> list[str]:
    told = Record.objects.of(user.id).filter(kind__startswith="accounts:session:")
    return list(told.order_by("at").values_list("kind", flat=True))


@pytest.fixture
def enrolled(ada: User, authenticator: SoftAuthenticator) -> SoftAuthenticator:
    """Ada has added this one by the page and signed out."""
    browser = Client(headers={"host": HOST})
    sign_in(browser)
    confirm(browser)
    assert add_passkey(browser, authenticator).status_code == 302
    browser.post("/sign-out/")
    return authenticator


def test_late_answer_to_the_old_session_leaves_the_cookie_of_the_new_one(
    ada: User, browser: Client, settings: Any
) -> None:
    """A page that is being left may still be fetching a piece of itself."""
    sign_in(browser)
    late = Client(headers={"host": HOST})
    late.cookies[settings.SESSION_COOKIE_NAME] = browser.cookies[settings.SESSION_COOKIE_NAME].value
    assert late.get("/account/").status_code == 200
    browser.post("/sign-out/")
    assert browser.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == 0
    answer = late.get("/account/")
    assert (answer.status_code, settings.SESSION_COOKIE_NAME in answer.cookies) == (302, False)


def test_password_signs_in_and_out_and_is_recorded(ada: User, browser: Client) -> None:
    assert sign_in(browser)["Location"] == "/"
    assert b"Ada Lovelace" in browser.get("/account/").content
    browser.post("/sign-out/")
    assert browser.get("/account/")["Location"] == "/sign-in/?next=/account/"
    assert kinds(ada) == ["accounts:session:opened", "accounts:session:closed"]
    told = [
        json.loads(bytes(entry.leaf))
        for entry in Record.objects.of(ada.id).filter(kind__startswith="accounts:session:")
    ]
    assert told[0]["detail"]["session"] == told[1]["detail"]["session"] != ""


def test_username_in_capitals_signs_in_too(ada: User, browser: Client) -> None:
    assert sign_in(browser, "Ada").status_code == 302


def test_wrong_password_is_told_in_words_and_recorded_without_the_name(ada: User, browser: Client) -> None:
    answer = sign_in(browser, password="wrong")
    assert b"The username or the password is not right." in answer.content
    entry = Record.objects.get(kind="accounts:session:refused")
    leaf = json.loads(bytes(entry.leaf))
    assert (leaf["object"], leaf["actor"]["type"], set(leaf["c"])) == (ada.id, "anonymous", {"address", "username"})
    assert b'"ada"' not in bytes(entry.leaf)


def test_name_that_nobody_has_is_not_kept_at_all(ada: User, browser: Client) -> None:
    """It may be a password, typed into the wrong field."""
    sign_in(browser, "my secret password", "x")
    leaf = json.loads(bytes(Record.objects.get(kind="accounts:session:refused").leaf))
    assert (leaf["object"], set(leaf["c"])) == ("", {"address"})


def test_too_many_attempts_are_stopped(ada: User, browser: Client) -> None:
    for _ in range(5):
        sign_in(browser, password="wrong")
    assert b"too many attempts" in sign_in(browser).content


def test_closed_account_does_not_sign_in(ada: User, browser: Client) -> None:
    deactivate_user(ada, actor=SYSTEM)
    assert sign_in(browser)["Location"] == "/sign-in/closed/"
    assert browser.get("/sign-in/closed/").status_code == 200
    assert browser.get("/account/").status_code == 302


@pytest.mark.parametrize(
    "path", ["signup/", "sign-up/", "password/reset/", "email/", "accounts/signup/", "mfa/totp/activate/"]
)
def test_nothing_else_of_the_library_is_open(db: None, browser: Client, path: str) -> None:
    assert browser.get(f"/{path}").status_code == 404


PRIVATE = [
    "/account/",
    "/account/passkeys/add/",
    "/account/passkeys/pk_x/removal/",
    "/account/recovery-codes/",
    "/account/recovery-codes/new/",
    "/confirm/",
    "/confirm/code/",
    "/confirm/passkey/",
]


@pytest.mark.parametrize("path", PRIVATE)
def test_strangers_are_led_to_the_sign_in_page(db: None, browser: Client, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")


def test_adding_a_passkey_asks_for_a_fresh_proof(ada: User, browser: Client) -> None:
    sign_in(browser)
    assert browser.get("/account/passkeys/add/")["Location"].startswith("/confirm/")
    assert confirm(browser)["Location"] == "/account/"
    assert browser.get("/account/passkeys/add/").status_code == 200


def test_passkey_added_by_the_page_is_ours_too(ada: User, browser: Client, authenticator: SoftAuthenticator) -> None:
    sign_in(browser)
    confirm(browser)
    asked = options(browser.get("/account/passkeys/add/"))["creation_options"]["publicKey"]
    assert asked["rp"] == {"id": "localhost", "name": "Countersign"}
    assert asked["user"]["displayName"] == "Ada Lovelace"
    assert add_passkey(browser, authenticator)["Location"] == "/account/recovery-codes/"
    passkey = Passkey.objects.get(user=ada)
    assert (passkey.label, bytes(passkey.credential_id)) == ("Laptop", authenticator.credential_id)
    assert "Laptop" in browser.get("/account/").content.decode()


@pytest.mark.parametrize(
    "wrong", [{"origin": "http://localhost:9999"}, {"extra": {"crossOrigin": True}}, {"extra": {"topOrigin": "a"}}]
)
def test_passkey_that_only_the_library_would_take_is_nowhere(
    ada: User, browser: Client, authenticator: SoftAuthenticator, wrong: dict[str, Any]
) -> None:
    sign_in(browser)
    confirm(browser)
    assert add_passkey(browser, authenticator, **wrong).status_code == 422
    assert (Passkey.objects.count(), Authenticator.objects.count()) == (0, 0)


def test_recovery_codes_are_sealed_in_the_database(enrolled: SoftAuthenticator) -> None:
    seed = Authenticator.objects.get(type="recovery_codes").data["seed"]
    assert not re.fullmatch(r"[0-9a-f]{80}", seed)


def test_passkey_alone_signs_in(ada: User, enrolled: SoftAuthenticator, browser: Client) -> None:
    asked = browser.get("/sign-in/passkey/", headers={"accept": "application/json"}).json()["request_options"]
    answer = login_by(browser, enrolled, ada, asked["publicKey"]["challenge"])
    assert answer["Location"] == "/"
    assert kinds(ada)[-1] == "accounts:session:opened"


ELSEWHERE: dict[str, dict[str, Any]] = {
    "at another port": {"origin": "http://localhost:9999"},
    "in a frame": {"extra": {"crossOrigin": True}},
    "under another page": {"extra": {"topOrigin": "https://elsewhere.test"}},
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_passkey_that_signed_elsewhere_signs_nobody_in(
    ada: User, enrolled: SoftAuthenticator, browser: Client, where: str
) -> None:
    """The library takes each of them."""
    asked = browser.get("/sign-in/passkey/", headers={"accept": "application/json"}).json()["request_options"]
    login_by(browser, enrolled, ada, asked["publicKey"]["challenge"], **ELSEWHERE[where])
    assert browser.get("/account/").status_code == 302
    assert sign_in(browser)["Location"] == "/sign-in/second-step/"
    asked = options(browser.get("/sign-in/second-step/"))["request_options"]["publicKey"]
    assertion = enrolled.sign(base64url_to_bytes(asked["challenge"]), **ELSEWHERE[where])
    browser.post("/sign-in/second-step/", {"credential": json.dumps(assertion)})
    assert browser.get("/account/").status_code == 302


@pytest.mark.parametrize("where", ELSEWHERE)
def test_passkey_that_signed_elsewhere_confirms_nothing(
    ada: User, enrolled: SoftAuthenticator, browser: Client, where: str
) -> None:
    browser.force_login(ada)
    asked = options(browser.get("/confirm/passkey/"))["request_options"]["publicKey"]
    assertion = enrolled.sign(base64url_to_bytes(asked["challenge"]), **ELSEWHERE[where])
    browser.post("/confirm/passkey/", {"credential": json.dumps(assertion), "next": "/account/"})
    assert browser.get("/account/passkeys/add/")["Location"].startswith("/confirm/")


def login_by(browser: Client, soft: SoftAuthenticator, user: User, challenge: str, **wrong: Any) -> Any:
    assertion: dict[str, Any] = soft.sign(base64url_to_bytes(challenge), **wrong)
    assertion["response"]["userHandle"] = bytes_to_base64url(user.id.encode())
    return browser.post("/sign-in/passkey/", {"credential": json.dumps(assertion)})


def test_passkey_written_into_the_librarys_table_signs_nobody_in(ada: User, browser: Client) -> None:
    thief = SoftAuthenticator()
    Authenticator.objects.create(user=ada, type="webauthn", data={"name": "x", "credential": thief.attest(b"c" * 32)})
    asked = browser.get("/sign-in/passkey/", headers={"accept": "application/json"}).json()["request_options"]
    assert login_by(browser, thief, ada, asked["publicKey"]["challenge"]).status_code == 400
    assert browser.get("/account/").status_code == 302


def test_passkey_written_into_both_tables_signs_nobody_in_and_raises_the_alarm(ada: User, browser: Client) -> None:
    thief = SoftAuthenticator()
    credential = thief.attest(b"c" * 32)
    Authenticator.objects.create(user=ada, type="webauthn", data={"name": "x", "credential": credential})
    forged = build(ada, verify_registration(credential, b"c" * 32), label="", how="forged")
    forged.attestation = b"\0" * 64
    forged.save(force_insert=True)
    asked = browser.get("/sign-in/passkey/", headers={"accept": "application/json"}).json()["request_options"]
    assert login_by(browser, thief, ada, asked["publicKey"]["challenge"]).status_code == 409
    assert browser.get("/account/").status_code == 302
    assert Record.objects.filter(kind="console:alarm:tampered").count() == 1


def test_password_needs_the_passkey_as_second_step(ada: User, enrolled: SoftAuthenticator, browser: Client) -> None:
    assert sign_in(browser)["Location"] == "/sign-in/second-step/"
    assert browser.get("/account/").status_code == 302
    asked = options(browser.get("/sign-in/second-step/"))["request_options"]["publicKey"]
    assert asked["userVerification"] == "required"
    assertion = enrolled.sign(base64url_to_bytes(asked["challenge"]))
    browser.post("/sign-in/second-step/", {"credential": json.dumps(assertion)})
    assert browser.get("/account/").status_code == 200


def test_recovery_code_works_once_as_second_step(ada: User, enrolled: SoftAuthenticator, browser: Client) -> None:
    code = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()[0]
    for expected in (200, 302):
        sign_in(browser)
        browser.post("/sign-in/second-step/", {"code": code})
        assert browser.get("/account/").status_code == expected
        browser.post("/sign-out/")
    assert kinds(ada)[-1] == "accounts:session:refused"


def test_passkey_confirms_again(ada: User, enrolled: SoftAuthenticator, browser: Client) -> None:
    browser.force_login(ada)
    asked = options(browser.get("/confirm/passkey/"))["request_options"]["publicKey"]
    assertion = enrolled.sign(base64url_to_bytes(asked["challenge"]))
    answer = browser.post("/confirm/passkey/", {"credential": json.dumps(assertion), "next": "/account/"})
    assert answer["Location"] == "/account/"
    assert browser.get("/account/passkeys/add/").status_code == 200


def test_removed_passkey_neither_signs_nor_signs_in(ada: User, enrolled: SoftAuthenticator, browser: Client) -> None:
    browser.force_login(ada)
    confirm(browser)
    passkey = Passkey.objects.get()
    page = f"/account/passkeys/{passkey.id}/removal/"
    assert browser.get(page).status_code == 200
    assert browser.post(page, {"why": "sold"})["Location"] == "/account/"
    passkey.refresh_from_db()
    assert (passkey.revoked_by, passkey.revoked_why) == (ada.id, "sold")
    assert not Authenticator.objects.filter(type="webauthn").exists()
    assert browser.post(page).status_code == 409


def test_passkeys_of_other_teams_do_not_exist(
    ada: User, outsider: User, enrolled: SoftAuthenticator, browser: Client
) -> None:
    browser.force_login(outsider)
    browser.post("/confirm/", {"password": PASSWORD})
    assert browser.post(f"/account/passkeys/{Passkey.objects.get().id}/removal/").status_code == 404


def test_team_is_chosen_among_ones_own(
    ada: User, outsider: User, team: Team, other_team: Team, browser: Client
) -> None:
    browser.force_login(ada)
    browser.post("/account/team/", {"team": other_team.id})
    assert "team" not in browser.session
    set_membership(ada, other_team, roles=["auditor"], actor=SYSTEM)
    browser.post("/account/team/", {"team": other_team.id})
    assert browser.session["team"] == other_team.id
    assert b"auditor" in browser.get("/account/").content
    assert browser.get("/account/team/").status_code == 405


def test_account_page_costs_the_same_for_one_and_many_passkeys(ada: User, browser: Client) -> None:
    browser.force_login(ada)
    costs = []
    for number in (1, 30):
        while Passkey.objects.count() < number:
            SoftAuthenticator().register(ada, acting(ada))
        with CaptureQueriesContext(connection) as context:
            browser.get("/account/")
        costs.append(len(context))
    assert costs[0] == costs[1]


PAGES = ["/sign-in/", "/confirm/", "/account/", "/account/passkeys/add/", "/account/recovery-codes/"]


def test_pages_bring_no_inline_script_or_style(ada: User, enrolled: SoftAuthenticator, browser: Client) -> None:
    pages = [browser.get("/sign-in/").content.decode()]
    browser.force_login(ada)
    confirm(browser)
    pages += [browser.get(path).content.decode() for path in PAGES[1:]]
    for page in pages:
        assert "<h1>" in page
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
        assert not re.search(r"<script(?![^>]*(\bsrc=|application/json))", page)
