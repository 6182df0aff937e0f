"""Databases for tests. `db` rolls back; `committed` is a database of one's own where guards meet real commits."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connections

from console.core import presence
from integrations import outbound
from tests.services import services


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """The template was migrated before Django started; nothing is made or destroyed here."""


@pytest.fixture
def committed(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[str]:
    """A clone of the migrated database, thrown away afterwards: no flush, so that append-only tables stay guarded."""
    name = services().clone()
    before = str(project.DATABASES["default"]["NAME"])
    _use(name)
    with django_db_blocker.unblock():
        yield name
        connections.close_all()
    _use(before)
    services().drop(name)


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
    if outbound._client.cache_info().currsize:
        for once in (True, False):
            outbound._client(once).close()
        outbound._client.cache_clear()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
