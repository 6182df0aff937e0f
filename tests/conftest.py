"""Databases for tests. `db` rolls back; `committed` is a database of one's own where guards meet real commits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings as project
from django.core.cache import cache
from django.db import connections
from hypothesis import settings as hypothesis
from pytest_django.plugin import DjangoDbBlocker
from whitenoise.middleware import WhiteNoiseMiddleware

from console.core import presence
from integrations import outbound
from tests.prepared import beginning_of
from tests.services import TEMPLATE, services

hypothesis.register_profile("default", deadline=None)
hypothesis.register_profile("long", deadline=None, max_examples=2_000)  # of `test --long`


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """The template was migrated before Django started; nothing is made or destroyed here."""


@pytest.fixture(scope="session", autouse=True)
def static_files_are_listed_once() -> Iterator[None]:
    """Each test client has middleware of its own, which would walk through all static files anew."""
    add, found = WhiteNoiseMiddleware.add_files_from_finders, dict[str, Any]()

    def add_once(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            add(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add_once)
        yield


@pytest.fixture
def committed(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A clone of the migrated database, thrown away afterwards: no flush, so that append-only tables stay guarded."""
    with django_db_blocker.unblock(), a_clone(beginning_of(request.fixturenames)) as name:
        yield name


@contextmanager
def a_clone(template: str = TEMPLATE) -> Iterator[str]:
    """A database of one's own, which Django speaks with until the end."""
    name = services().clone(template)
    with speaking_with(name):
        yield name
    services().drop(name)


@contextmanager
def speaking_with(database: str) -> Iterator[None]:
    before = str(project.DATABASES["default"]["NAME"])
    _use(database)
    try:
        yield
    finally:
        _use(before)


def _use(name: str) -> None:
    connections.close_all()
    project.DATABASES["default"]["NAME"] = name
    connections["default"].settings_dict["NAME"] = name


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process plays worker and door at once: it is alive under one number, and takes no lock for it."""
    monkeypatch.setattr(presence, "number", lambda: 1)
    monkeypatch.setattr(presence, "alive", lambda: {1})


@pytest.fixture(autouse=True)
def no_open_connections() -> Iterator[None]:
    """The door keeps connections to peers; a peer of one test is gone in the next."""
    yield
    if outbound._pool.cache_info().currsize:
        outbound._pool().close()
        outbound._pool.cache_clear()


@pytest.fixture(autouse=True)
def fresh_tries() -> None:
    """Tries to sign in are counted for each address of a visitor, and all tests come from one."""
    cache.clear()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
