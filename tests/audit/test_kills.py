"""kill -9 of sequencer, signer and database at random, while records are written, on a real installation."""

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audit.merkle import extend
from audit.verify import Frontier, check_consistency, open_note, parse_checkpoint, parse_note
from audit.verify import VKey as VerifierKey
from console.home.children import command_line
from console.home.processes import ROOT
from console.home.readiness import free_port
from tests.home.test_supervisor import Up, environ
from tests.stack import wait_until

VICTIMS = {"sequencer": "manage.py sequencer", "signer": "audit.signer", "postgres": "/postgres -D"}


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path / "state", free_port())
    assert running.is_ready(), running.lines
    yield running
    running.stop()


def pid_of(up: Up, victim: str) -> int | None:
    return next((pid for pid in up.children() if VICTIMS[victim] in command_line(pid)), None)


def kill(up: Up, victim: str) -> None:
    """It is there to be killed, and is gone afterwards."""
    wait_until(lambda: pid_of(up, victim), f"{victim} runs")
    pid = pid_of(up, victim)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid_of(up, victim) != pid, f"{victim} is killed")


def asked(url: str, question: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as database:
        return database.execute(question.encode()).fetchall()


def size_of(url: str) -> int:
    try:
        return int(str(asked(url, "SELECT coalesce(max(size), 0) FROM audit_checkpoint")[0][0]))
    except psycopg.Error:
        return -1


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)])
def test_no_record_is_lost_none_doubled_and_no_index_missing(up: Up, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    told = environ(next(pid for pid in up.children() if "manage.py beat" in command_line(pid)))
    url = told["COUNTERSIGN_DATABASE_URL"]
    noted = tmp_path / "noted"
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.audit.writer", str(noted)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**told, "DJANGO_SETTINGS_MODULE": "console.settings"},
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    victims = chance.sample([*VICTIMS] * 3, 6 if seed == 1 else 9)
    assert {*victims} == {*VICTIMS}
    for victim in victims:
        before = size_of(url)
        kill(up, victim)
        wait_until(lambda before=before: size_of(url) > max(before, 0), f"signed again after {victim}")  # type: ignore[misc]
    writer.communicate(timeout=60)
    wait_until(lambda: asked(url, "SELECT count(*) FROM audit_waiting") == [(0,)], "all is in the tree")
    wait_until(lambda: size_of(url) == asked(url, "SELECT size FROM audit_tree")[0][0], "all is signed")
    written = set(noted.read_text().split())
    assert len(written) > 1000  # in all of these seconds four threads write tens of thousands
    check_whole(url, written)


def check_whole(url: str, noted: set[str]) -> None:
    leaves = asked(url, "SELECT idx, record_id::text, leaf_hash FROM audit_leaf ORDER BY idx")
    records = dict(asked(url, "SELECT id::text, sha256('\\x00'::bytea || leaf) FROM audit_record"))
    assert [index for index, _, _ in leaves] == [*range(len(leaves))]
    placed = [str(record) for _, record, _ in leaves]
    assert len(placed) == len(set(placed))
    assert noted <= set(placed) == set(records)
    assert all(records[record] == digest for _, record, digest in leaves)
    hashes = [bytes(digest) for _, _, digest in leaves]
    tiles = asked(url, "SELECT level, n, hashes FROM audit_tile")
    assert {(level, n): bytes(one) for level, n, one in tiles} == extend(0, {}, hashes)
    check_signed(url, hashes)


def check_signed(url: str, hashes: list[bytes]) -> None:
    """Every checkpoint was the beginning of what there is now."""
    vkeys = [VerifierKey.parse(str(vkey)) for (vkey,) in asked(url, "SELECT vkey FROM audit_logkey")]
    notes = asked(url, "SELECT note FROM audit_checkpoint ORDER BY size")
    assert notes
    tree = Frontier()
    for (note,) in notes:
        checkpoint, _ = open_note(str(note), vkeys)
        tree.append(hashes[tree.end : checkpoint.size])
        assert checkpoint == parse_checkpoint(parse_note(str(note)).body)
        check_consistency(checkpoint.size, checkpoint.size, tree.root, checkpoint.root, [])
    assert tree.end == len(hashes)
    assert re.fullmatch(r"localhost:\d+/1", checkpoint.origin)
