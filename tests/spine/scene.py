"""A held world to try many attacks on: made once per module, its database copied for each test.

It has a stand-in of its own. That is never reset, and need not be: a test that uses it shows that nothing was sent.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import pytest
from pytest_django.plugin import DjangoDbBlocker

from console.core import presence
from examples.demo.charges import seed_charges
from examples.demo.people import seed_people
from examples.demo.seed import connect
from examples.standins.launcher import serving
from tests.conftest import a_clone, speaking_with
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
    database = services().clone()
    with serving(tmp_path_factory.mktemp("scene")) as standin, pytest.MonkeyPatch.context() as alone:
        alone.setattr(presence, "number", lambda: 1)
        alone.setattr(presence, "alive", lambda: {1})
        address = urlsplit(standin)
        with FaultProxy(str(address.hostname), address.port or 0) as proxy:
            with django_db_blocker.unblock(), speaking_with(database):
                world = World(standin, seed_charges(standin))
                seed_people()
                connect(proxy.base_url)
                world.authenticator("ana")
                world.begin()
                world.settle()
            yield Scene(world, proxy, database)
    services().drop(database)


@pytest.fixture
def scene(prepared_scene: Scene, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    prepared_scene.proxy.requests.clear()
    keys = {name: copy.copy(key) for name, key in prepared_scene.world.keys.items()}
    with django_db_blocker.unblock(), a_clone(prepared_scene.database) as database:
        yield Scene(replace(prepared_scene.world, keys=keys), prepared_scene.proxy, database)


@pytest.fixture
def sql(scene: Scene) -> Iterator[Attacker]:
    with Attacker(scene.database) as attacker:
        yield attacker
