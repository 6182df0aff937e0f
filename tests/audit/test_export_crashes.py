"""Exports that are interrupted, by a kill, a stop or a full disk, go on; and what cannot be written says so."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project

from audit.exports import job, work_off, writers
from audit.exports.files import Archive, archive_of, folder_of
from audit.models import Export
from audit.vocabulary import Kind
from tests.audit.conftest import SignedLog
from tests.audit.exports import ask, contents, log, made, manifest, state, told, verified, write
from tests.services import ROLE, services

__all__ = ["log", "state"]

INTERRUPTED = """
import os, signal, sys, threading
import django
django.setup()
from audit.exports import files, job
job.CHUNK = 40
place, times = sys.argv[1], int(sys.argv[2])
def die(module, name, before):
    real, left = getattr(module, name), [times]
    def stand_in(*given, **named):
        left[0] -= 1
        if not left[0] and before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*given, **named)
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(module, name, stand_in)
where = {"written": (files.Output, "sync", True), "synced": (files.Output, "sync", False),
         "committed": (job, "_write_chunk", False), "finishing": (files.ZipFile, "close", False),
         "finished": (files.Archive, "finish", False)}
die(*where[place])
job.work_off(threading.Event())
"""


PLACES = [("written", 1), ("written", 4), ("synced", 4), ("committed", 4), ("committed", 6), ("finishing", 1),
          ("finished", 1)]  # fmt: skip
QUICK = [("bundle", "committed", 4), ("csv", "written", 4), ("parquet", "synced", 4), ("bundle", "finished", 1)]


@pytest.mark.parametrize(
    ("form", "place", "times"),
    [
        pytest.param(form, *place, marks=[] if (form, *place) in QUICK else pytest.mark.long)
        for form in ("bundle", "csv", "parquet")
        for place in PLACES
    ],
)
def test_export_goes_on_after_a_kill_and_is_the_same_to_the_last_byte(
    log: SignedLog, committed: str, state: Path, monkeypatch: pytest.MonkeyPatch, form: str, place: str, times: int
) -> None:
    monkeypatch.setattr(job, "CHUNK", 40)
    export = ask(form)
    killed = subprocess.run([sys.executable, "-c", INTERRUPTED, place, str(times)], env=environment(committed, state),
                            cwd=project.BASE_DIR, check=False)  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    export.refresh_from_db()
    assert export.state == "running"
    write(export)
    if form == "bundle":
        assert "failed" not in verified(export, state).values()
    once = made(form)
    assert (once.begin, once.end) == (export.begin, export.end)
    mine, other = contents(export), contents(once)
    assert mine.keys() == other.keys()
    assert [name for name in mine if mine[name] != other[name]] == ["README.txt", "manifest.json"]


def environment(database: str, state: Path) -> dict[str, str]:
    return {**os.environ, "COUNTERSIGN_DATABASE_URL": services().postgres.url(ROLE, database),
            "COUNTERSIGN_STATE": str(state), "DJANGO_SETTINGS_MODULE": "console.settings"}  # fmt: skip


def test_export_whose_files_are_gone_begins_anew(log: SignedLog, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export = begun(monkeypatch)
    archive_of(export).unlink()
    assert "failed" not in verified(write(export), state).values()


def begun(monkeypatch: pytest.MonkeyPatch) -> Export:
    """One that was interrupted after its first chunk."""
    monkeypatch.setattr(job, "CHUNK", 40)
    export, stop = ask(), threading.Event()
    write_chunk = job._write_chunk

    def one_chunk(*given: Any) -> None:
        write_chunk(*given)
        stop.set()

    with monkeypatch.context() as patch:
        patch.setattr(job, "_write_chunk", one_chunk)
        assert not work_off(stop)
    export.refresh_from_db()
    assert (export.state, export.done) == ("running", 40)
    return export


def test_export_that_was_stopped_goes_on_where_it_was(
    log: SignedLog, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = begun(monkeypatch)
    assert export.length > 0
    assert write(export).records == export.end
    assert "failed" not in verified(export, state).values()
    assert [chunk["begin"] for chunk in manifest(export)["chunks"]] == list(range(0, export.end, 40))


def test_exports_are_written_one_at_a_time_and_the_oldest_first(log: SignedLog) -> None:
    first, second = ask(), ask("jsonl")
    write(first)
    second.refresh_from_db()
    assert second.state == "requested"
    write(second)
    assert not work_off(threading.Event())


def test_a_second_publisher_keeps_its_hands_off(log: SignedLog) -> None:
    export = ask()
    with job._alone() as alone:
        assert alone
        assert not work_off(threading.Event())
    write(export)


def test_export_that_somebody_else_moved_is_left_alone(log: SignedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    export = begun(monkeypatch)
    write_chunk = writers.write_chunk

    def overtaken(*given: Any) -> int:
        Export.objects.filter(pk=export.pk).update(done=80)
        return write_chunk(*given)

    monkeypatch.setattr(job, "write_chunk", overtaken)
    assert not work_off(threading.Event())
    export.refresh_from_db()
    assert (export.state, export.error) == ("running", "")


# What goes wrong


def test_full_disk_makes_it_wait_and_loses_nothing(
    log: SignedLog, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = begun(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(job, "ROOM", 1 << 60)
        assert not work_off(threading.Event())
        assert not work_off(threading.Event())
    export.refresh_from_db()
    assert (export.state, export.done, export.error) == ("running", 40, job.NO_ROOM)
    write(export)
    assert "failed" not in verified(export, state).values()


def test_disk_that_fills_up_in_the_middle_of_a_chunk_makes_it_wait(
    log: SignedLog, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = begun(monkeypatch)
    write_data, left = Archive._write, [1]

    def full(archive: Archive, data: bytes) -> None:
        write_data(archive, data)
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "_write", full)
        assert not work_off(threading.Event())
    export.refresh_from_db()
    assert (export.state, export.error) == ("running", job.NO_ROOM)
    write(export)
    assert "failed" not in verified(export, state).values()


def test_export_that_cannot_be_written_says_so_and_leaves_no_files(
    log: SignedLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    export = begun(monkeypatch)

    def fail(*_: Any) -> int:
        raise ValueError("for the test")

    monkeypatch.setattr(job, "write_chunk", fail)
    assert work_off(threading.Event())
    export.refresh_from_db()
    assert export.state == "failed"
    assert export.error == "It could not be written (ValueError). The publisher's log says more; no record is lost."
    assert told(Kind.EXPORT_FAILED) == [{"code": "fault"}]
    assert not folder_of(export).exists()
    assert "for the test" in caplog.text


def test_export_waits_for_the_first_checkpoint(committed: str) -> None:
    export = ask()
    assert not work_off(threading.Event())
    export.refresh_from_db()
    assert (export.state, export.error) == (
        "requested", "The log has no signed checkpoint yet. It begins when there is one.")  # fmt: skip
