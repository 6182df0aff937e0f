"""Two teams and their people, made through acts."""

from typing import Any

import pytest
from django.test import Client

from console.accounts.actors import human
from console.accounts.models import Membership, Team, User
from console.core.actor import Actor
from tests.accounts.authenticator import SoftAuthenticator
from tests.factories import PASSWORD, SYSTEM, PersonFactory, TeamFactory


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """The real hasher takes a third of a second per try, on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def stored(request: pytest.FixtureRequest) -> None:
    """Rows live in a transaction that is rolled back, or, for tests that ask for it, in a database of their own."""
    request.getfixturevalue("committed" if "committed" in request.fixturenames else "db")


@pytest.fixture
def team(stored: None) -> Team:
    team: Team = TeamFactory.create(slug="billing")
    return team


@pytest.fixture
def other_team(stored: None) -> Team:
    team: Team = TeamFactory.create(slug="legal")
    return team


@pytest.fixture
def ada(team: Team) -> User:
    """Admin and reviewer of the team."""
    return join("ada", "Ada Lovelace", team, "admin", "reviewer")


@pytest.fixture
def grace(team: Team) -> User:
    """Reviewer of the team."""
    return join("grace", "Grace Hopper", team, "reviewer")


@pytest.fixture
def outsider(other_team: Team) -> User:
    """Admin of another team."""
    return join("oscar", "Oscar Outsider", other_team, "admin")


def join(username: str, name: str, team: Team | None = None, *roles: str) -> User:
    user: User = PersonFactory.create(username=username, name=name, team=team, roles=roles, groups=("finance",))
    return user


def acting(user: User, auth: str = "session") -> Actor:
    return human(user, Membership.objects.filter(user=user).first(), auth=auth)


@pytest.fixture
def authenticator() -> SoftAuthenticator:
    return SoftAuthenticator()


@pytest.fixture
def ada_browser(ada: User, client: Client) -> Client:
    client.force_login(ada)
    return client


__all__ = ["PASSWORD", "SYSTEM"]
