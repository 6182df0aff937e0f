"""What an attacker tries between browser, provider and console."""

from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import requests
from django.test import Client

from audit.models import Record
from console.accounts import openid
from console.accounts.models import Identity, User
from tests.accounts.openid.conftest import BACK, HOST, asked, asking, begin, come_back, is_in, sign_in
from tests.standins.authorization_server import AuthorizationServer


def test_state_that_was_not_given_out_here_signs_nobody_in(
    kim: User, browser: Client, corp: AuthorizationServer
) -> None:
    """Also one of somebody else, by which they would have this browser work in their name."""
    given = corp.consent(begin(Client(headers={"host": HOST})), sub="k-1")
    victim = Client(headers={"host": HOST})
    for state in (given, {**given, "state": "x" * 16}, {"code": given["code"]}):
        assert come_back(victim, state).status_code == 403
    assert not is_in(victim)


def test_answer_is_good_once(kim: User, corp: AuthorizationServer) -> None:
    again = Client(headers={"host": HOST})
    given = corp.consent(begin(again), sub="k-1")
    assert come_back(again, given).status_code == 302
    again.post("/sign-out/")
    assert come_back(again, given).status_code == 403
    assert not is_in(again)


def test_code_of_another_sign_in_does_not_pass(kim: User, corp: AuthorizationServer) -> None:
    """A stolen code lacks the verifier of the browser that asked for it."""
    stolen = corp.consent(begin(Client(headers={"host": HOST})), sub="k-1")
    thief = Client(headers={"host": HOST})
    own = corp.consent(begin(thief), sub="x-1")
    assert come_back(thief, {**own, "code": stolen["code"]}).status_code == 403
    assert not is_in(thief)


@pytest.mark.parametrize("nonce", ["another", ""])
def test_token_with_another_nonce_is_refused(kim: User, corp: AuthorizationServer, nonce: str) -> None:
    thief = Client(headers={"host": HOST})
    given = corp.consent(asking(begin(thief), nonce=nonce), sub="k-1")
    assert come_back(thief, given).status_code == 403
    assert not is_in(thief)


def test_provider_that_answers_for_another_issuer_is_refused(
    browser: Client, settings: Any, corp: AuthorizationServer
) -> None:
    settings.OIDC_PROVIDERS = [{**settings.OIDC_PROVIDERS[0], "issuer": f"{corp.address}/"}]
    assert browser.get("/sign-in/with/corp/").status_code == 403


def test_token_signed_by_another_key_is_refused(
    kim: User, corp: AuthorizationServer, other: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = openid.Session.request

    def elsewhere(session: Any, method: str, url: str, *given: Any, **named: Any) -> Any:
        return real(session, method, url.replace(f"{corp.address}/jwks", f"{other.address}/jwks"), *given, **named)

    monkeypatch.setattr(openid.Session, "request", elsewhere)
    thief = Client(headers={"host": HOST})
    assert sign_in(thief, corp, "k-1").status_code == 403
    assert not is_in(thief)


@pytest.mark.parametrize("next_url", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:x"])
def test_sign_in_leads_to_no_other_site(kim: User, corp: AuthorizationServer, next_url: str) -> None:
    assert sign_in(Client(headers={"host": HOST}), corp, "k-1", next=next_url)["Location"] == "/"


def test_cancelled_there_leads_back_to_the_sign_in_page(browser: Client, corp: AuthorizationServer) -> None:
    given = corp.consent(begin(browser), action="deny")
    state = asked(begin(browser))["state"]
    assert come_back(browser, {**given, "state": state})["Location"] == "/sign-in/"
    assert b"Signing in was cancelled." in browser.get("/sign-in/").content


def test_text_of_the_address_is_on_no_page(browser: Client) -> None:
    state = asked(begin(browser))["state"]
    answer = come_back(browser, {"state": state, "error": "x", "error_description": "call 555-0100"})
    assert (answer.status_code, b"555-0100" in answer.content) == (403, False)


def test_provider_that_is_away_is_told(browser: Client, settings: Any) -> None:
    settings.OIDC_PROVIDERS = [{**settings.OIDC_PROVIDERS[0], "issuer": "http://127.0.0.1:9"}]
    assert browser.get("/sign-in/with/corp/").status_code == 502


def test_nothing_is_asked_in_clear_and_no_redirect_is_followed(corp: AuthorizationServer) -> None:
    with pytest.raises(requests.exceptions.InvalidSchema):
        openid.Session().get("http://provider.example/.well-known/openid-configuration")
    address = f"{corp.address}/oauth2/authorize"
    state = {"response_type": "code", "client_id": corp.register(BACK)[0], "redirect_uri": BACK, "code_challenge": "x",
             "scope": "openid"}  # fmt: skip
    assert httpx.post(f"{address}?{urlencode(state)}", data={"sub": "x"}).is_redirect
    with pytest.raises(requests.exceptions.TooManyRedirects):
        openid.Session().post(address, params=state, data={"sub": "x"})


def test_identity_written_by_sql_signs_nobody_in(ada: User, browser: Client, corp: AuthorizationServer) -> None:
    Identity.objects.create(id="idn_x", user=ada, issuer=corp.address, subject="x-1", attestation=b"\0" * 64)
    assert sign_in(browser, corp, "x-1").status_code == 409
    assert not is_in(browser)
    assert Record.objects.filter(kind="console:alarm:tampered").count() == 1
