"""An environment for programs of others is made once. The installer here only leaves a python and a line in a file."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from examples import environments
from examples.environments import Environment

PRETEND = """
import pathlib, sys, time
home, log = map(pathlib.Path, sys.argv[1:])
(home / "bin").mkdir(parents=True)
time.sleep(0.1)
(home / "bin" / "python").touch()
log.open("a").write("built\\n")
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One line per build."""
    log = tmp_path / "log"
    command = [sys.executable, "-c", PRETEND]
    monkeypatch.setattr(environments, "installer", lambda home, lock: [[*command, str(home), str(log)]])
    return log


@pytest.fixture
def standins(tmp_path: Path) -> Environment:
    """In a checkout of our own."""
    lock, checkout = tmp_path / "requirements.txt", tmp_path / "checkout"
    lock.write_text("one==1")
    checkout.mkdir()
    return Environment("standins", lock, checkout)


def builds(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)


def test_it_is_built_in_the_checkout_and_only_once(log: Path, standins: Environment) -> None:
    assert standins.prepare() == standins.prepare() == standins.checkout / ".venv-standins" / "bin" / "python"
    assert builds(log) == 1


def test_those_who_ask_at_the_same_time_wait_for_the_first(log: Path, standins: Environment) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len({asked.result() for asked in [pool.submit(standins.prepare) for _ in range(4)]}) == 1
    assert builds(log) == 1


def test_another_lock_is_another_environment(log: Path, standins: Environment) -> None:
    standins.prepare()
    standins.lock.write_text("one==2")
    standins.prepare()
    assert builds(log) == 2


def test_a_build_that_was_cut_short_is_made_again(log: Path, standins: Environment) -> None:
    home = standins.prepare().parent.parent
    (home / environments.STAMP).unlink()
    standins.prepare()
    assert builds(log) == 2


def test_a_read_only_checkout_needs_another_place(
    log: Path, standins: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only(monkeypatch)
    with pytest.raises(RuntimeError, match="read-only"):
        standins.prepare()
    state = tmp_path / "state"
    assert standins.prepare(state) == state / "venv-standins" / "bin" / "python"


def test_a_read_only_checkout_that_has_it_already_is_enough(
    log: Path, standins: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = standins.prepare()
    read_only(monkeypatch)
    assert standins.prepare() == python


def test_a_failing_installer_says_why_and_leaves_no_stamp(
    log: Path, standins: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('THESE PACKAGES DO NOT MATCH THE HASHES')"]
    monkeypatch.setattr(environments, "installer", lambda home, lock: [failing])
    with pytest.raises(RuntimeError, match="DO NOT MATCH"):
        standins.prepare()
    assert not standins.is_built(standins.checkout / ".venv-standins")


def test_two_environments_do_not_meet(log: Path, standins: Environment) -> None:
    others = Environment("others", standins.lock, standins.checkout)
    assert others.prepare() == standins.checkout / ".venv-others" / "bin" / "python"
    assert others.prepare() != standins.prepare()
    assert builds(log) == 2
