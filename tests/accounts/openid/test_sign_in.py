"""Signing in by a provider: the way there and back, and who may come in."""

import json
from typing import Any

from django.test import Client

from audit.models import Record
from console.accounts.identities import link_identity
from console.accounts.models import Identity, Team, User
from console.accounts.people import deactivate_user
from tests.accounts.conftest import SYSTEM
from tests.accounts.openid.conftest import (
    BACK,
    HOST,
    asked,
    begin,
    is_in,
    kinds,
    memberships,
    provider,
    sign_in,
)
from tests.standins.authorization_server import AuthorizationServer


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
