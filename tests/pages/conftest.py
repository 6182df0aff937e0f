"""For the pages: the demo's people and systems, each person's browser, and somebody of another team."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from console.accounts.models import Team, User
from console.accounts.people import create_team, create_user, set_membership
from console.core.actor import Role, system
from examples.demo.people import seed_people
from examples.demo.seed import connect
from tests.conftest import speaking_with
from tests.services import services
from tests.spine.conftest import held, proxy, running_standin, standin, world

__all__ = ["held", "proxy", "running_standin", "standin", "world"]

NOWHERE = "http://127.0.0.1:9"
SEEDER = system("tests")
Enter = Callable[[str], Client]


@pytest.fixture(scope="session")
def furnished(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A database with the demo's team as its admin set it up; made once, as reading the YAML takes a while."""
    name = services().clone()
    with django_db_blocker.unblock(), speaking_with(name):
        seed_people()
        connect(NOWHERE)
    yield name
    services().drop(name)


@pytest.fixture
def at_the_office(furnished: str) -> Iterator[None]:
    assert not connection.in_atomic_block, "ask for the office before anything else that is stored"
    with speaking_with(furnished):
        yield


@pytest.fixture
def office(at_the_office: None, db: None) -> Team:
    """The demo's team as its admin set it up; nothing has run, and nothing listens where it is connected to."""
    return Team.objects.get()


@pytest.fixture
def enter() -> Enter:
    """The browser of a person, signed in."""

    def browser(username: str) -> Client:
        client = Client(headers={"host": "localhost"})
        client.force_login(User.objects.get(username=username))
        return client

    return browser


@pytest.fixture
def stranger(office: Team, enter: Enter) -> Client:
    """Has every role, in another team."""
    return enter(outsider().username)


def outsider() -> User:
    team = create_team("elsewhere", "Elsewhere", actor=SEEDER)
    user = create_user("olga", "Olga Outsider", actor=SEEDER)
    set_membership(user, team, roles=list(Role), groups=["finance"], actor=SEEDER)
    return user


def everything_but_the_log() -> dict[str, tuple[int, int]]:
    """Rows and a hash over their contents, of every table that a page view must leave alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
            "AND relname NOT LIKE 'audit\\_%' AND has_table_privilege(oid, 'SELECT')"
        )
        each = [
            f"SELECT '{name}', count(*), coalesce(sum(hashtext(row::text)), 0) FROM \"{name}\" AS row"
            for (name,) in cursor.fetchall()
        ]
        cursor.execute(" UNION ALL ".join(each))
        return {name: (rows, contents) for name, rows, contents in cursor.fetchall()}
