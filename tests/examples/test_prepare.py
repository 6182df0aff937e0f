"""The stand-ins' environment is made once. The installer here only leaves a python and a line in a file."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from examples import standins

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
    """One line per build, in a checkout of our own."""
    log = tmp_path / "log"
    lock = tmp_path / "requirements.txt"
    lock.write_text("one==1")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    monkeypatch.setattr(standins, "CHECKOUT", checkout)
    monkeypatch.setattr(standins, "LOCK", lock)
    monkeypatch.setattr(standins, "installer", lambda home: [[sys.executable, "-c", PRETEND, str(home), str(log)]])
    return log


def builds(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)


def test_it_is_built_in_the_checkout_and_only_once(log: Path) -> None:
    assert standins.prepare() == standins.prepare() == standins.CHECKOUT / ".venv-standins" / "bin" / "python"
    assert builds(log) == 1


def test_those_who_ask_at_the_same_time_wait_for_the_first(log: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len({asked.result() for asked in [pool.submit(standins.prepare) for _ in range(4)]}) == 1
    assert builds(log) == 1


def test_another_lock_is_another_environment(log: Path) -> None:
    standins.prepare()
    standins.LOCK.write_text("one==2")
    standins.prepare()
    assert builds(log) == 2


def test_a_build_that_was_cut_short_is_made_again(log: Path) -> None:
    home = standins.prepare().parent.parent
    (home / standins.STAMP).unlink()
    standins.prepare()
    assert builds(log) == 2


def test_a_read_only_checkout_needs_another_place(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_only(monkeypatch)
    with pytest.raises(RuntimeError, match="read-only"):
        standins.prepare()
    state = tmp_path / "state"
    assert standins.prepare(state) == state / "venv-standins" / "bin" / "python"


def test_a_read_only_checkout_that_has_it_already_is_enough(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = standins.prepare()
    read_only(monkeypatch)
    assert standins.prepare() == python


def test_a_failing_installer_says_why_and_leaves_no_stamp(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('THESE PACKAGES DO NOT MATCH THE HASHES')"]
    monkeypatch.setattr(standins, "installer", lambda home: [failing])
    with pytest.raises(RuntimeError, match="DO NOT MATCH"):
        standins.prepare()
    assert not standins.is_built(standins.CHECKOUT / ".venv-standins")
