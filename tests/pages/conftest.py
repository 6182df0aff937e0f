"""For the pages: the demo's people and systems, each person's browser, and somebody of another team."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from approvals.ask import ask_people
from approvals.models import Action, Review, Ruling
from approvals.policies.slots import Requirement, SlotSpec, Way
from audit.move import begin, move
from console.accounts.models import Team, User
from console.accounts.people import create_team, create_user, set_membership
from console.core.actor import Role, system
from examples.demo.people import seed_people
from examples.demo.seed import connect
from integrations.models import Grant, Operation
from tests.conftest import speaking_with
from tests.services import services
from tests.spine.conftest import held, proxy, running_standin, standin, world

__all__ = ["held", "proxy", "running_standin", "standin", "world"]

NOWHERE = "http://127.0.0.1:9"
SEEDER = system("tests")
DOOR = system("door")
PASSWORD = "obvious-test-password"
Enter = Callable[[str], Client]
FACTS: list[dict[str, Any]] = [
    {"label": "Refund", "was": None, "becomes": 48_000, "format": "money", "currency": "eur"},
    {"label": "Charged", "was": 48_000, "becomes": 48_000, "format": "money", "currency": "eur"},
    {"label": "Nothing", "was": None, "becomes": None, "format": "text"},
    {"label": "note", "was": None, "becomes": "for you", "format": "undecoded"},
]
Hold = Callable[..., Review]


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


@pytest.fixture
def hold(office: Team) -> Hold:
    """A review as the door opens it, of an action that nothing is sent for."""
    operation = Operation.objects.select_related("integration").get(slug="create_refund")
    grant = Grant.objects.get(grantee="workflow:billing-care")

    def held(sentence: str = "Refund €480.00 to Zoë", *, maker: str = "jonas", group: str = "finance", count: int = 1,
             signature: str = "password", kind: str = "action", slots: Sequence[SlotSpec] = (),
             facts: Sequence[dict[str, Any]] = FACTS, open_first: Sequence[str] = (), states: Sequence[str] = (),
             **fields: Any) -> Review:  # fmt: skip
        action = Action(team=office, operation=operation, grant=grant, arguments={"amount": 48_000, "note": "for you"},
                        grantee="workflow:billing-care", makers=[User.objects.get(username=maker).id],
                        attestation=bytes(64), **fields)  # fmt: skip
        begin(action, actor=DOOR)
        move(action, "held", actor=DOOR, sentence=sentence, facts=list(facts), action_digest=bytes(32),
             request_digest=bytes(32))  # fmt: skip
        requirement = Requirement(tuple(slots) or (SlotSpec((Way(group, count),), signature=signature),),
                                  evidence=tuple(open_first), states=tuple(states))  # fmt: skip
        Ruling.objects.create(action=action, rule="money", outcome="review", requirement=requirement.document,
                              reasons=["Much."])  # fmt: skip
        return ask_people(action, kind, requirement, b"", DOOR)

    return held


@pytest.fixture
def ana(office: Team, enter: Enter) -> Client:
    """Reviewer of finance, with a password and no passkey."""
    user = User.objects.get(username="ana")
    user.set_password(PASSWORD)
    user.save(update_fields=["password", "password_attestation"])
    return enter("ana")


def add_reviewer(office: Team, username: str, *roles: str, group: str = "finance") -> None:
    set_membership(create_user(username, username.capitalize(), actor=DOOR), office, roles=["reviewer", *roles],
                   groups=[group], actor=DOOR)  # fmt: skip
