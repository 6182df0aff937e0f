"""The place where doors die: set up once for a module, because each test brings actions and things of its own."""

from collections.abc import Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.conftest import speaking_with
from tests.crash.place import Place, Team, set_up
from tests.services import services
from tests.standins.upstream import Upstream


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    name = services().clone()
    yield name
    services().drop(name)


@pytest.fixture(scope="module")
def team(database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Team]:
    with Upstream() as upstream, django_db_blocker.unblock(), speaking_with(database):
        yield set_up(upstream)


@pytest.fixture
def place(team: Team, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker) -> Iterator[Place]:
    with django_db_blocker.unblock():
        yield Place(team, monkeypatch)
        team.upstream.work_again()
