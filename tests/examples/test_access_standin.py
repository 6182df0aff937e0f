"""The stand-in for access management does what the integration's description relies on. It really runs here."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from examples.demo.access import HELD, USER, WANTED, ask, attached, seed_access
from examples.standins.launcher import serving


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state: Path = tmp_path_factory.mktemp("state")
    with serving(state, "access") as base_url:
        yield base_url


@pytest.fixture
def standin(running: str) -> str:
    httpx.post(f"{running}/moto-api/reset").raise_for_status()
    seed_access(running)
    return running


def test_seeding_twice_makes_nothing_twice(standin: str) -> None:
    seed_access(standin)
    assert attached(standin) == [HELD]


def test_attaching_twice_leaves_what_attaching_once_does(standin: str) -> None:
    for _ in range(2):
        ask(standin, "AttachUserPolicy", UserName=USER, PolicyArn=WANTED)
        assert attached(standin) == sorted([HELD, WANTED])


def test_detaching_twice_is_refused_and_changes_nothing(standin: str) -> None:
    ask(standin, "DetachUserPolicy", UserName=USER, PolicyArn=HELD)
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        ask(standin, "DetachUserPolicy", UserName=USER, PolicyArn=HELD)
    assert attached(standin) == []


def test_a_policy_that_is_not_there_is_not_attached(standin: str) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        ask(standin, "AttachUserPolicy", UserName=USER, PolicyArn=f"{WANTED}-x")
