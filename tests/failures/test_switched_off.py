"""Each defence away in its turn: then its test fails, and by what it says, not by an accident."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from console.home.processes import ROOT
from tests.failures.rows import ALL_THERE, PARTS, ROWS

TESTS = ("test_what_is_signed.py", "test_who_and_when.py")
SAID_SO = {("call", "AssertionError"), ("call", "Failed")}  # the latter where nothing was raised that should have been
Told = dict[str, set[tuple[str, str]]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """By row: when something was raised, and what; "" where all was well."""
    lines = tmp_path_factory.mktemp("told") / "lines"
    given = ["-p", "no:xdist", "-p", "tests.failures.switched_off", "--told", str(lines)]
    tests = [str(Path(__file__).with_name(name)) for name in TESTS]
    subprocess.run([sys.executable, "-m", "pytest", "-q", *given, *tests], cwd=ROOT, check=False, capture_output=True)
    found: Told = defaultdict(set)
    for line in lines.read_text().splitlines():
        one = json.loads(line)
        found[one["row"]].add((one["when"], one["raised"]))
    return found


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS)
def test_with_a_defence_away_its_test_fails(told: Told, row: str) -> None:
    assert told[row] & SAID_SO
    assert told[row] - SAID_SO == set()


@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
def test_with_one_of_several_away_the_others_hold(told: Told, part: str) -> None:
    assert told[part] == {("call", "")}


@pytest.mark.long
def test_with_all_defences_there_every_test_passes(told: Told) -> None:
    assert told[ALL_THERE] == {("call", "")}


def test_every_mode_has_a_defence_that_can_be_away() -> None:
    assert {row.mode for row in ROWS.values()} == set("abcdefghijklmnopqrst")
    assert [name for name, row in ROWS.items() if not name.startswith(f"{row.mode}: ")] == []


@pytest.mark.parametrize("row", ROWS)
def test_what_a_row_names_is_there(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.failures import away

    sources = "".join(Path(__file__).with_name(name).read_text() for name in TESTS)
    assert f"def {ROWS[row].test}(" in sources
    for path, name in ROWS[row].away.items():
        monkeypatch.setattr(path, getattr(away, name))
