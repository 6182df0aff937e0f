"""A plugin of pytest, for a process of its own: each test once for each of its rows, with that defence switched off,
and once with all of them there. What was raised is written down, a line for each."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.failures.rows import ALL_THERE, RUNS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--told", type=Path, required=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rows = [name for name, row in RUNS.items() if row.test == metafunc.function.__name__]
    metafunc.parametrize("switched_off", [*rows, ALL_THERE], indirect=True)


@pytest.fixture(autouse=True)
def switched_off(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes last, so that what the test is about was made as ever. A path that is gone is an error."""
    from tests.failures import away

    for path, name in RUNS[request.param].away.items() if request.param != ALL_THERE else ():
        monkeypatch.setattr(path, getattr(away, name))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if call.when == "call" or call.excinfo:
        told = {"row": item.callspec.params["switched_off"], "test": item.originalname, "when": call.when,
                "raised": call.excinfo.typename if call.excinfo else ""}  # fmt: skip
        with item.config.getoption("--told").open("a") as lines:
            lines.write(json.dumps(told) + "\n")
    return report
