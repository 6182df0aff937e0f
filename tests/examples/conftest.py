from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from examples.standins.launcher import serving


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state: Path = tmp_path_factory.mktemp("state")
    with serving(state) as base_url:
        yield base_url


@pytest.fixture
def standin(running: str) -> str:
    """The base URL of a stand-in that holds nothing."""
    httpx.delete(f"{running}/_config/data").raise_for_status()
    return running


@pytest.fixture
def api(standin: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=standin, headers={"Authorization": "Bearer sk_test_12345"}) as client:
        yield client
