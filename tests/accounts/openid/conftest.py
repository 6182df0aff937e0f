"""A real provider of OpenID Connect, and a browser that walks there and back."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client

from audit.models import Record
from console.accounts.models import Membership, Team, User
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
