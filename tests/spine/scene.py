"""A held world to try many attacks on: made once per module, its database copied for each test.

It has a stand-in of its own. That is never reset, and need not be: a test that uses it shows that nothing was sent.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import pytest
from django.conf import settings as project
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from console.core import presence
from examples.demo.charges import seed_charges
from examples.demo.people import seed_people
from examples.demo.seed import connect
from examples.standins.launcher import serving
from tests.conftest import _use
from tests.services import services
from tests.spine.attacker import Attacker
from tests.spine.conftest import World
from tests.standins.fault_proxy import FaultProxy


@dataclass
class Scene:
    world: World
    proxy: FaultProxy
    database: str


@pytest.fixture(scope="module")
def prepared_scene(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    """Both refunds wait for a signature, and Ana has a passkey."""
    database, before = services().clone(), str(project.DATABASES["default"]["NAME"])
    with serving(tmp_path_factory.mktemp("scene")) as standin, pytest.MonkeyPatch.context() as alone:
        alone.setattr(presence, "number", lambda: 1)
        alone.setattr(presence, "alive", lambda: {1})
        address = urlsplit(standin)
        with FaultProxy(str(address.hostname), address.port or 0) as proxy:
            _use(database)
            with django_db_blocker.unblock():
                world = World(standin, seed_charges(standin))
                seed_people()
                connect(proxy.base_url)
                world.authenticator("ana")
                world.begin()
                world.settle()
                connections.close_all()
            _use(before)
            yield Scene(world, proxy, database)
    services().drop(database)


@pytest.fixture
def scene(prepared_scene: Scene, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    database, before = services().clone(prepared_scene.database), str(project.DATABASES["default"]["NAME"])
    prepared_scene.proxy.requests.clear()
    keys = {name: copy.copy(key) for name, key in prepared_scene.world.keys.items()}
    _use(database)
    with django_db_blocker.unblock():
        yield Scene(replace(prepared_scene.world, keys=keys), prepared_scene.proxy, database)
        connections.close_all()
    _use(before)
    services().drop(database)


@pytest.fixture
def sql(scene: Scene) -> Iterator[Attacker]:
    with Attacker(scene.database) as attacker:
        yield attacker
