"""One office for all of these tests: real processes, a real payment stand-in, a real Chromium. Runs are fresh."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from pytest_django.plugin import DjangoDbBlocker

from console.accounts.people import create_user, set_membership
from console.core import presence
from console.core.actor import system
from console.home.processes import ROOT
from examples.demo.charges import seed_charges
from examples.demo.people import seed_people, write_logins
from examples.demo.seed import connect
from tests.audit.conftest import SignedLog, SignerInProcess
from tests.browser.office import Office
from tests.browser.window import Window
from tests.conftest import a_clone
from tests.services import ORIGIN, services
from tests.spine.conftest import running_standin
from tests.stack import Stack

__all__ = ["running_standin"]

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run",
             "--disable-sync", "--disable-component-update"]  # fmt: skip
Enter = Callable[..., Window]
WINDOWS = pytest.StashKey[list[Window]]()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("COUNTERSIGN_CHROMIUM") or "/usr/bin/chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def premises(
    chromium: Browser,
    running_standin: str,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Office]:
    """The demo as `up --demo` makes it, with a second reviewer for finance."""
    logins = services().state / "demo.json"
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        # Playwright's own event loop runs in this thread, which Django takes for a view that must not block.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        patch.setattr(presence, "number", lambda: 1)
        patch.setattr(presence, "alive", lambda: {1})
        with a_clone() as database:
            seed_charges(running_standin)
            team = seed_people()
            second = create_user("bea", "Bea Okonkwo", password="correct horse battery", actor=system("tests"))
            set_membership(second, team, roles=["reviewer"], groups=["finance"], actor=system("tests"))
            connect(running_standin)
            write_logins(team, ORIGIN, logins)
            stack = Stack(database, tmp_path_factory.mktemp("processes"), COUNTERSIGN_EXTRA_APPS="examples.demo")
            try:
                stack.start("web", "worker", "door", "beat")
                yield Office(running_standin)
            finally:
                stack.stop()
                logins.unlink()


@pytest.fixture
def office(premises: Office) -> Iterator[Office]:
    premises.open()
    yield premises
    premises.close()


@pytest.fixture(scope="package")
def signed(premises: Office, tmp_path_factory: pytest.TempPathFactory) -> SignedLog:
    """Sequencer and signer of this log, which work when a test asks them to."""
    return SignedLog(SignerInProcess(tmp_path_factory.mktemp("signer")))


@pytest.fixture
def enter(office: Office, chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Enter]:
    """Opens windows. At the end none of them may have met an error, an open dialog or a breach of the policy."""
    windows = request.node.stash[WINDOWS] = list[Window]()

    def window(username: str = "", *, password: str = "", **how: Any) -> Window:
        """By the demo's switcher, or with the password of somebody who is not in it."""
        made = Window(chromium, **how)
        windows.append(made)
        if password:
            made.sign_in(username, password)
        elif username:
            made.become(username)
        return made

    yield window
    assert [fault for one in windows for fault in one.close()] == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What stood in each window when a test failed: a locator that found nothing does not say what was there."""
    report = yield
    if report.failed and report.when == "call":
        report.sections += [window.seen() for window in item.stash.get(WINDOWS, [])]
    return report


@pytest.fixture(scope="session")
def screenshots() -> Path:
    directory = ROOT / "artifacts" / "screenshots"
    directory.mkdir(parents=True, exist_ok=True)
    return directory
