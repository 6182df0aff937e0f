"""Adding the first passkey takes more than the session that a provider gave."""

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from webauthn.helpers import base64url_to_bytes

from audit.models import Record
from console.accounts.identities import link_identity
from console.accounts.models import Passkey, User
from tests.accounts.authenticator import SoftAuthenticator
from tests.accounts.conftest import SYSTEM
from tests.accounts.openid.conftest import (
    HOST,
    asked,
    come_back,
    is_in,
    sign_in,
)
from tests.accounts.test_pages import add_passkey, options
from tests.standins.authorization_server import AuthorizationServer


def confirm(browser: Client, corp: AuthorizationServer, sub: str = "k-1", **claims: object) -> Any:
    corp.describe(sub, groups=["payments-approvers"], **claims)
    answer = browser.get("/confirm/with/corp/", {"next": "/account/passkeys/add/"})
    return come_back(browser, corp.consent(answer["Location"], sub=sub))


def test_session_alone_adds_no_passkey(kim: User, browser: Client) -> None:
    for page in ("/account/passkeys/add/", "/account/recovery-codes/new/"):
        for answer in (browser.get(page), browser.post(page)):
            assert answer["Location"] == f"/confirm/with/corp/?{urlencode({'next': page})}"
    wanted = asked(browser.get("/confirm/with/corp/")["Location"])
    assert (wanted["prompt"], wanted["max_age"]) == ("login", "0")


def test_fresh_proof_at_the_provider_lets_one_add_a_passkey(
    kim: User, browser: Client, corp: AuthorizationServer
) -> None:
    assert confirm(browser, corp, auth_time=int(time.time()))["Location"] == "/account/passkeys/add/"
    assert browser.get("/account/passkeys/add/").status_code == 200


@pytest.mark.parametrize("auth_time", [-3600, 3600, "now", True])
def test_proof_that_is_not_fresh_is_none(
    kim: User, browser: Client, corp: AuthorizationServer, auth_time: object
) -> None:
    hours = type(auth_time) is int
    answer = confirm(browser, corp, auth_time=int(time.time()) + auth_time if hours else auth_time)  # type: ignore[operator]
    assert answer.status_code == 403
    assert browser.get("/account/passkeys/add/").status_code == 302


def test_proof_of_somebody_else_is_none(kim: User, ada: User, browser: Client, corp: AuthorizationServer) -> None:
    link_identity(ada, corp.address, "a-1", actor=SYSTEM)
    for sub in ("a-1", "nobody"):
        assert confirm(browser, corp, sub, auth_time=int(time.time())).status_code == 403
    assert browser.get("/account/passkeys/add/").status_code == 302
    assert browser.session["_auth_user_id"] == kim.id


def test_first_passkey_says_by_what_its_person_was_known(
    kim: User, browser: Client, corp: AuthorizationServer, authenticator: SoftAuthenticator
) -> None:
    confirm(browser, corp, auth_time=int(time.time()))
    assert add_passkey(browser, authenticator).status_code == 302
    passkey = Passkey.objects.get(user=kim)
    told = json.loads(bytes(Record.objects.of(passkey.id).get(kind="accounts:passkey:enrolled").leaf))
    assert (passkey.enrolled_how, told["detail"]["how"]) == (f"openid_connect {corp.address}",) * 2


def test_provider_alone_no_longer_signs_in_who_has_a_passkey(
    kim: User, browser: Client, corp: AuthorizationServer, authenticator: SoftAuthenticator
) -> None:
    confirm(browser, corp, auth_time=int(time.time()))
    add_passkey(browser, authenticator)
    again = Client(headers={"host": HOST})
    assert sign_in(again, corp, "k-1", next="/account/")["Location"] == "/sign-in/second-step/"
    assert not is_in(again)
    challenge = options(again.get("/sign-in/second-step/"))["request_options"]["publicKey"]["challenge"]
    answer = authenticator.sign(base64url_to_bytes(challenge))
    assert again.post("/sign-in/second-step/", {"credential": json.dumps(answer)})["Location"] == "/account/"
    assert is_in(again)
    assert again.get("/account/passkeys/add/")["Location"].startswith("/confirm/")


def test_sign_in_is_no_proof_and_a_proof_no_sign_in(kim: User, browser: Client, corp: AuthorizationServer) -> None:
    corp.describe("k-1", groups=["payments-approvers"], auth_time=int(time.time()))
    sign_in(browser, corp, "k-1")
    assert browser.get("/account/passkeys/add/").status_code == 302
    given = corp.consent(browser.get("/confirm/with/corp/")["Location"], sub="k-1")
    browser.post("/sign-out/")
    assert come_back(browser, given).status_code == 403
    assert not is_in(browser)
