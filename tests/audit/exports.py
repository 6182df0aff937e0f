"""What tests of exports have in common: asking, writing to the end, opening, and the real program that checks."""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from audit.exports import work_off
from audit.exports.files import archive_of
from audit.exports.request import request_export
from audit.models import Export, Record
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role, system
from tests.audit.conftest import SignedLog

TEAM, OTHERS = "team_ours", "team_theirs"
AUDITOR = Actor("human", "usr_auditor", TEAM, "session", "Theo", frozenset({Role.AUDITOR}))


def ask(
    form: str = "bundle", *, by: Actor = AUDITOR, previous: str = "", tree: int | None = None, **filter: object
) -> Export:
    return request_export(by, form=form, filter=filter, previous=previous, tree=tree)


def write(export: Export) -> Export:
    """To its end, in this process."""
    assert work_off(threading.Event())
    export.refresh_from_db()
    assert (export.state, export.error) == ("done", "")
    return export


def made(form: str = "bundle", **asked: Any) -> Export:
    return write(ask(form, **asked))


def opened(export: Export) -> ZipFile:
    return ZipFile(archive_of(export))


def lines(export: Export, name: str = "leaves.jsonl") -> list[dict[str, Any]]:
    with opened(export) as archive:
        return [json.loads(line) for line in archive.read(name).splitlines()]


def manifest(export: Export) -> dict[str, Any]:
    with opened(export) as archive:
        told: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return told


def contents(export: Export) -> dict[str, bytes]:
    with opened(export) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def verified(export: Export, directory: Path, *options: str) -> Mapping[str, str]:
    """The state of each verdict, by the program in the bundle, which knows nothing of this project."""
    program = directory / "verify.py"
    with opened(export) as archive:
        program.write_bytes(archive.read("verify.py"))
    asked = [sys.executable, "-I", str(program), "--json", *options, str(archive_of(export))]
    done = subprocess.run(asked, capture_output=True, text=True, cwd=directory, check=False)
    told = json.load(io.StringIO(done.stdout))
    assert done.returncode == (1 if any(one["state"] == "failed" for one in told["verdicts"].values()) else 0), told
    return {aspect: one["state"] for aspect, one in told["verdicts"].items()}


def records(kind: Kind) -> list[Record]:
    return list(Record.objects.filter(kind=kind).order_by("at"))


def told(kind: Kind) -> list[dict[str, Any]]:
    return [json.loads(bytes(one.leaf))["detail"] for one in records(kind)]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, settings: Any) -> Path:
    settings.STATE_DIR = tmp_path
    return tmp_path


@pytest.fixture
def log(signed_log: SignedLog) -> SignedLog:
    """Three hundred records of one team, with a personal value in some of them."""
    signed_log.write(280, team=TEAM)
    for number in range(20):
        record(
            Kind.USER_CREATED, subject=f"usr_{number}", actor=system("tests", TEAM), personal={"name": f"Ada {number}"}
        )
    signed_log.sequence()
    return signed_log
