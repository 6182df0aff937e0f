"""Signing in by a real provider of OpenID Connect, as a browser walks through it, and what an attacker tries there."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import requests
from django.test import Client

from audit.models import Record
from console.accounts import openid
from console.accounts.identities import link_identity
from console.accounts.models import Identity, Membership, Team, User
from console.accounts.people import deactivate_user, set_membership
from tests.accounts.conftest import SYSTEM
from tests.standins.authorization_server import AuthorizationServer, authorization_server

HOST = "localhost:8000"
BACK = f"http://{HOST}/sign-in/with/corp/back/"
MAPPING = """
- {claim: groups, value: payments-approvers, team: billing, roles: [reviewer], groups: [finance]}
- {claim: groups, value: payments-admins, team: billing, roles: [admin]}
- {claim: groups, value: lawyers, team: legal, roles: [reviewer]}
"""


@pytest.fixture(scope="module")
def corp() -> Iterator[AuthorizationServer]:
    with authorization_server() as server:
        yield server


@pytest.fixture(scope="module")
def other() -> Iterator[AuthorizationServer]:
    with authorization_server() as server:
        yield server


@pytest.fixture(scope="module")
def client_at_corp(corp: AuthorizationServer) -> tuple[str, str]:
    return corp.register(BACK)


def provider(server: AuthorizationServer, client: tuple[str, str], slug: str = "corp") -> dict[str, str]:
    names = {"slug": slug, "name": slug.capitalize(), "issuer": server.address, "scopes": "openid profile"}
    return {**names, "client_id": client[0], "secret": client[1]}


@pytest.fixture(autouse=True)
def settled(settings: Any, corp: AuthorizationServer, client_at_corp: tuple[str, str], stored: None) -> None:
    settings.ORIGIN, settings.RP_ID, settings.ALLOWED_HOSTS = f"http://{HOST}", "localhost", ["localhost"]
    settings.OIDC_PROVIDERS = [provider(corp, client_at_corp)]
    settings.OIDC_MAPPING = MAPPING


@pytest.fixture
def browser() -> Client:
    return Client(headers={"host": HOST})


def begin(browser: Client, slug: str = "corp", **query: str) -> str:
    """The provider's address that the browser is sent to."""
    answer = browser.get(f"/sign-in/with/{slug}/", query)
    assert answer.status_code == 302
    return str(answer["Location"])


def come_back(browser: Client, given: dict[str, str], slug: str = "corp") -> Any:
    return browser.get(f"/sign-in/with/{slug}/back/", given)


def sign_in(browser: Client, server: AuthorizationServer, sub: str, slug: str = "corp", **query: str) -> Any:
    return come_back(browser, server.consent(begin(browser, slug, **query), sub=sub), slug)


def asked(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def asking(address: str, **instead: str) -> str:
    return urlsplit(address)._replace(query=urlencode({**asked(address), **instead})).geturl()


def is_in(browser: Client) -> bool:
    return browser.get("/account/").status_code == 200


def memberships(user: User) -> dict[str, tuple[list[str], list[str]]]:
    return {one.team.slug: (one.roles, one.groups) for one in Membership.objects.filter(user=user)}


def kinds(user: User) -> list[str]:
    return list(Record.objects.of(user.id).order_by("at").values_list("kind", flat=True))


@pytest.fixture
def kim(team: Team, browser: Client, corp: AuthorizationServer) -> User:
    """Has come in by the mapping for the first time; the browser is signed in."""
    corp.describe("k-1", name="Kim Example", preferred_username="kim", groups=["payments-approvers"])
    assert sign_in(browser, corp, "k-1")["Location"] == "/"
    return User.objects.get(username="kim")


# The way there and back


def test_without_a_provider_nothing_is_shown(browser: Client, settings: Any) -> None:
    settings.OIDC_PROVIDERS = []
    assert b"Sign in with " not in browser.get("/sign-in/").content.replace(b"Sign in with a passkey", b"")
    assert browser.get("/sign-in/with/corp/").status_code == 404
    assert browser.get("/sign-in/with/corp/back/").status_code == 404


def test_each_provider_has_a_button_that_keeps_the_way(
    browser: Client, settings: Any, corp: AuthorizationServer, client_at_corp: tuple[str, str]
) -> None:
    settings.OIDC_PROVIDERS = [provider(corp, client_at_corp), provider(corp, client_at_corp, "partner")]
    page = browser.get("/sign-in/?next=/runs/").content.decode()
    for slug in ("corp", "partner"):
        assert f'href="/sign-in/with/{slug}/?next=/runs/">Sign in with {slug.capitalize()}<' in page


def test_provider_is_asked_for_a_code_with_pkce_state_and_nonce(
    browser: Client, corp: AuthorizationServer, client_at_corp: tuple[str, str]
) -> None:
    one, two = asked(begin(browser)), asked(begin(browser))
    fresh = {name: (one.pop(name), two.pop(name)) for name in ("state", "nonce", "code_challenge")}
    assert all(first != second and len(first) >= 16 for first, second in fresh.values())
    assert sorted(one.pop("scope").split()) == ["openid", "profile"]
    assert one == {"client_id": client_at_corp[0], "redirect_uri": BACK, "response_type": "code",
                   "code_challenge_method": "S256"}  # fmt: skip


def test_nothing_of_the_visitors_own_reaches_the_provider(browser: Client) -> None:
    address = begin(browser, scope="admin", auth_params="prompt=none&nonce=x", process="connect", action="reauth")
    assert set(asked(address)) == {"client_id", "redirect_uri", "response_type", "code_challenge_method", "state",
                                   "nonce", "code_challenge", "scope"}  # fmt: skip
    assert "admin" not in asked(address)["scope"]


def test_first_sign_in_makes_a_person_whom_the_mapping_gives_a_team(kim: User, browser: Client) -> None:
    assert is_in(browser)
    assert (kim.name, kim.email, kim.has_usable_password()) == ("Kim Example", "", False)
    assert memberships(kim) == {"billing": (["reviewer"], ["finance"])}
    assert kinds(kim) == [
        "accounts:user:created",
        "accounts:identity:linked",
        "accounts:membership:set",
        "accounts:session:opened",
    ]
    opened = Record.objects.of(kim.id).get(kind="accounts:session:opened")
    assert json.loads(bytes(opened.leaf))["detail"]["methods"] == ["openid_connect"]
    given = Record.objects.of(kim.id).get(kind="accounts:membership:set")
    told = json.loads(bytes(given.leaf))
    assert (told["actor"]["type"], given.actor) == ("system", "sign-in")
    assert b"k-1" not in bytes(Record.objects.of(kim.id).get(kind="accounts:identity:linked").leaf)


def test_second_sign_in_finds_the_same_person_and_changes_nothing(
    kim: User, browser: Client, corp: AuthorizationServer
) -> None:
    before = len(kinds(kim))
    again = Client(headers={"host": HOST})
    assert sign_in(again, corp, "k-1", next="/account/")["Location"] == "/account/"
    assert (is_in(again), User.objects.count(), kinds(kim)[before:]) == (True, 1, ["accounts:session:opened"])


def test_sign_in_ends_the_session_of_whoever_was_there(
    ada: User, team: Team, browser: Client, corp: AuthorizationServer
) -> None:
    browser.force_login(ada)
    corp.describe("k-1", preferred_username="kim", groups=["payments-approvers"])
    sign_in(browser, corp, "k-1")
    assert kinds(ada)[-1] == "accounts:session:closed"
    assert b"kim" in browser.get("/account/").content


# Who may come in


def test_stranger_without_a_team_is_not_made_and_told_plainly(browser: Client, corp: AuthorizationServer) -> None:
    corp.describe("s-1", name="Stranger", groups=["everybody"])
    answer = sign_in(browser, corp, "s-1")
    assert (answer.status_code, User.objects.count(), Identity.objects.count()) == (403, 0, 0)
    assert b"Nobody here knows you yet" in answer.content
    assert b"s-1" in answer.content
    assert not is_in(browser)
    assert Record.objects.filter(kind="accounts:session:refused").count() == 1


def test_person_who_was_linked_before_comes_in_as_themself(
    ada: User, browser: Client, corp: AuthorizationServer
) -> None:
    link_identity(ada, corp.address, "a-1", actor=SYSTEM)
    corp.describe("a-1", preferred_username="somebody-else")
    assert sign_in(browser, corp, "a-1")["Location"] == "/"
    assert b"Ada Lovelace" in browser.get("/account/").content
    assert memberships(ada) == {"billing": (["admin", "reviewer"], ["finance"])}


def test_neither_name_nor_email_makes_somebody_a_person_who_is_here(
    ada: User, browser: Client, corp: AuthorizationServer
) -> None:
    User.objects.filter(pk=ada.pk).update(email="ada@example.com")
    corp.describe(
        "thief", name="Ada Lovelace", preferred_username="ada", email="ada@example.com", email_verified=True,
        groups=["payments-approvers"],
    )  # fmt: skip
    sign_in(browser, corp, "thief")
    made = User.objects.exclude(pk=ada.pk).get()
    assert (made.username, ada.identities.count()) == ("ada-2", 0)
    assert browser.session["_auth_user_id"] == made.id


def test_subject_that_changes_is_another_person(kim: User, corp: AuthorizationServer) -> None:
    corp.describe("k-2", name="Kim Example", preferred_username="kim", groups=["payments-approvers"])
    sign_in(Client(headers={"host": HOST}), corp, "k-2")
    assert list(User.objects.order_by("username").values_list("username", flat=True)) == ["kim", "kim-2"]


def test_same_subject_of_two_providers_is_two_people(
    kim: User, settings: Any, other: AuthorizationServer, other_team: Team
) -> None:
    client = other.register(BACK.replace("corp", "partner"))
    settings.OIDC_PROVIDERS = [*settings.OIDC_PROVIDERS, provider(other, client, "partner")]
    settings.OIDC_MAPPING = "[{provider: partner, claim: groups, value: x, team: legal, roles: [auditor]}]"
    other.describe("k-1", preferred_username="kim", groups=["x", "payments-approvers"])
    sign_in(Client(headers={"host": HOST}), other, "k-1", "partner")
    found = {(one.issuer, one.subject, one.user.username) for one in Identity.objects.select_related("user")}
    corp_issuer = settings.OIDC_PROVIDERS[0]["issuer"]
    assert found == {(corp_issuer, "k-1", "kim"), (other.address, "k-1", "kim-2")}
    assert memberships(User.objects.get(username="kim-2")) == {"legal": (["auditor"], [])}


def test_closed_account_stays_closed_and_gets_no_membership(kim: User, corp: AuthorizationServer) -> None:
    deactivate_user(kim, actor=SYSTEM)
    before = kinds(kim)
    corp.describe("k-1", preferred_username="kim", groups=["payments-admins"])
    again = Client(headers={"host": HOST})
    assert sign_in(again, corp, "k-1")["Location"] == "/sign-in/closed/"
    assert (is_in(again), kinds(kim), memberships(kim)) == (False, before, {"billing": (["reviewer"], ["finance"])})


# What claims give


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["payments-admins", "payments-approvers"], {"billing": (["admin", "reviewer"], ["finance"])}),
        (["payments-admins"], {"billing": (["admin"], [])}),
        (["lawyers"], {"legal": (["reviewer"], [])}),
        ("lawyers", {"legal": (["reviewer"], [])}),
    ],
)
def test_memberships_become_what_the_claims_say_now(
    kim: User, other_team: Team, browser: Client, corp: AuthorizationServer, groups: object, expected: object
) -> None:
    corp.describe("k-1", groups=groups)
    sign_in(browser, corp, "k-1")
    assert memberships(kim) == expected
    assert is_in(browser)


def test_who_lost_every_team_is_told_and_signed_out(kim: User, browser: Client, corp: AuthorizationServer) -> None:
    corp.describe("k-1", groups=[])
    answer = sign_in(browser, corp, "k-1")
    assert (answer.status_code, memberships(kim), is_in(browser)) == (403, {}, False)
    assert b"You are in no team any more" in answer.content
    assert kinds(kim)[-3:] == ["accounts:membership:removed", "accounts:session:closed", "accounts:session:refused"]


def test_membership_set_by_hand_is_left_alone(
    kim: User, team: Team, browser: Client, corp: AuthorizationServer
) -> None:
    set_membership(kim, team, roles=["auditor"], actor=SYSTEM)
    for groups in (["payments-admins"], []):
        corp.describe("k-1", groups=groups)
        sign_in(browser, corp, "k-1")
        assert (memberships(kim), is_in(browser)) == ({"billing": (["auditor"], [])}, True)


LOOKALIKES = ["Payments-Admins", "payments-admins ", "раyments-admins", "payments‐admins", "payments-admins\u200b",
              "payments", ["payments-admins"], {"payments-admins": True}, True, None]  # fmt: skip


@pytest.mark.parametrize("value", LOOKALIKES)
def test_value_that_only_looks_alike_gives_nothing(
    kim: User, browser: Client, corp: AuthorizationServer, value: object
) -> None:
    corp.describe("k-1", groups=["payments-approvers", value])
    sign_in(browser, corp, "k-1")
    assert memberships(kim) == {"billing": (["reviewer"], ["finance"])}


# Attacks


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


# A fresh proof, for the first passkey


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


@pytest.mark.parametrize("auth_time", [int(time.time()) - 3600, int(time.time()) + 3600, "now", True])
def test_proof_that_is_not_fresh_is_none(
    kim: User, browser: Client, corp: AuthorizationServer, auth_time: object
) -> None:
    answer = confirm(browser, corp, auth_time=auth_time)
    assert answer.status_code == 403
    assert browser.get("/account/passkeys/add/").status_code == 302


def test_proof_of_somebody_else_is_none(kim: User, ada: User, browser: Client, corp: AuthorizationServer) -> None:
    link_identity(ada, corp.address, "a-1", actor=SYSTEM)
    for sub in ("a-1", "nobody"):
        assert confirm(browser, corp, sub, auth_time=int(time.time())).status_code == 403
    assert browser.get("/account/passkeys/add/").status_code == 302
    assert browser.session["_auth_user_id"] == kim.id


def test_sign_in_is_no_proof_and_a_proof_no_sign_in(kim: User, browser: Client, corp: AuthorizationServer) -> None:
    corp.describe("k-1", groups=["payments-approvers"], auth_time=int(time.time()))
    sign_in(browser, corp, "k-1")
    assert browser.get("/account/passkeys/add/").status_code == 302
    given = corp.consent(browser.get("/confirm/with/corp/")["Location"], sub="k-1")
    browser.post("/sign-out/")
    assert come_back(browser, given).status_code == 403
    assert not is_in(browser)
