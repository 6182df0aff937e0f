"""Writers that begin together, and say how often each did its act."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.crowd import Crowd
from console.home.processes import ROOT

PROGRAM = """
import sys, time
from benchmarks.crowd import pause, serve

def noting(writer):
    def act(work):
        with open(sys.argv[2], "a") as file:
            file.write(f"{writer} ")
        pause(work + 0.001)
    return act

def failing(writer):
    def act(work):
        raise ValueError("no such table")
    return act

serve(sys.argv[1], 3, {"noting": noting, "failing": failing, "slow": lambda writer: lambda work: time.sleep(0.01)})
"""


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    return tmp_path / "noted"


@pytest.fixture
def crowd(tmp_path: Path, noted: Path) -> Iterator[Crowd]:
    place = str(tmp_path / "crowd")
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, place, str(noted)], cwd=ROOT)
    crowd = Crowd(place, patience=30)
    yield crowd
    crowd.connection.close()
    assert program.wait(30) == 0


def test_rate_is_of_all_the_writers_that_were_ordered_and_of_no_other(crowd: Crowd, noted: Path) -> None:
    rate = crowd.rate("noting", writers=2, seconds=0.2)
    written = noted.read_text().split()
    assert set(written) == {"0", "1"}
    warmed_up = 6
    assert rate * 0.2 == pytest.approx(len(written) - warmed_up)


def test_durations_are_of_one_writer_who_does_the_acts_in_turn(crowd: Crowd, noted: Path) -> None:
    taken = crowd.durations("noting", "slow", times=4)
    assert {name: len(durations) for name, durations in taken.items()} == {"noting": 4, "slow": 4}
    assert min(taken["slow"]) >= 10_000
    assert set(noted.read_text().split()) == {"0"}


def test_what_a_writer_dies_of_is_told_and_the_others_go_on(crowd: Crowd) -> None:
    with pytest.raises(RuntimeError, match=r"failing of writer 0: ValueError\('no such table'\)"):
        crowd.rate("failing", writers=3, seconds=0.1)
    assert crowd.rate("slow", writers=3, seconds=0.1) > 0


def test_whoever_hangs_up_ends_the_program(crowd: Crowd) -> None:
    crowd.connection.close()
