"""Notes in a file that only grows, whatever interrupts."""

import contextlib
import fcntl
import os
import resource
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from audit.anchors import AnchorFailed, Receipt, build
from audit.anchors.file import TAIL
from tests.audit.growing import Log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


def anchor(path: Path, log: Log, size: int | None = None) -> Receipt:
    size = log.size if size is None else size
    return build({"kind": "file", "path": str(path), "timeout": 1}).anchor(log.note(size), origin=log.origin, size=size)


@contextlib.contextmanager
def room(size: int) -> Iterator[None]:
    """No file may become larger: a full disk, for this process alone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_receipt_tells_where_the_note_begins(path: Path) -> None:
    log = Log().grow(5)
    for size in (2, 3, 5):
        offset = int(anchor(path, log, size).data)
        assert path.read_bytes()[offset:] == f"{log.note(size)}\n".encode()


def test_several_logs_share_a_file(path: Path) -> None:
    log, other = Log().grow(9), Log("log.example/11").grow(4)
    for one, size in ((log, 5), (other, 4), (log, 9)):
        anchor(path, one, size)
    before = path.read_bytes()
    assert anchor(path, other).data == str(before.index(other.note().encode())).encode()
    assert path.read_bytes() == before
    with pytest.raises(AnchorFailed, match="A checkpoint of 9 leaves is kept there"):
        anchor(path, log, 8)


def test_the_last_note_of_a_log_is_found_however_far_back(path: Path) -> None:
    log = Log().grow(5)
    anchor(path, log)
    other = Log("other.example/1").grow(1).note().encode() + b"\n"
    with path.open("ab") as file:
        file.write(other * (TAIL // len(other) + 2))
    with pytest.raises(AnchorFailed, match="A checkpoint of 5 leaves is kept there"):
        anchor(path, log, 4)


@pytest.mark.parametrize("left", [0, 1, 100, 150])
def test_a_full_disk_leaves_the_file_as_it_was(path: Path, left: int) -> None:
    log = Log().grow(5)
    anchor(path, log, 3)
    before = path.read_bytes()
    with room(len(before) + left), pytest.raises(AnchorFailed, match=r"checkpoints: File too large\.$"):
        anchor(path, log)
    assert path.read_bytes() == before
    anchor(path, log)
    assert path.read_bytes() == before + log.note().encode() + b"\n"


@pytest.mark.parametrize("cut", range(1, 190, 9))
def test_a_note_that_was_cut_by_a_power_failure_is_written_again(path: Path, cut: int) -> None:
    log = Log().grow(5)
    anchor(path, log, 3)
    whole = log.note().encode() + b"\n"
    with path.open("ab") as file:
        file.write(whole[:-cut])
    offset = int(anchor(path, log).data)
    assert path.read_bytes()[offset:].strip() == whole.strip()
    assert anchor(path, log).data == str(offset).encode()
    anchor(path, log.grow(1))
    assert path.read_bytes().endswith(b"\n\n" + log.note().encode() + b"\n")


def test_what_was_kept_and_is_no_checkpoint_any_more_stops_it(path: Path) -> None:
    log = Log().grow(5)
    anchor(path, log)
    path.write_bytes(path.read_bytes().replace(b"\n5\n", b"\nfive\n"))
    with pytest.raises(AnchorFailed, match=r"^What is kept there is not a checkpoint: "):
        anchor(path, log)


@pytest.mark.parametrize("place", ["/dev/full", "/dev/null"])
def test_a_device_is_no_file(place: str) -> None:
    with pytest.raises(AnchorFailed, match=rf"^{place} is not a regular file\.$"):
        anchor(Path(place), Log().grow(1))


def test_a_directory_and_a_missing_one_are_told(path: Path) -> None:
    with pytest.raises(AnchorFailed, match=r"checkpoints: No such file or directory\.$"):
        anchor(path / "checkpoints", Log().grow(1))
    path.mkdir()
    with pytest.raises(AnchorFailed, match=r"checkpoints: Is a directory\.$"):
        anchor(path, Log().grow(1))


def test_a_file_that_may_only_be_read_is_told() -> None:
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = Path(directory) / "checkpoints"
        anchor(path, Log().grow(1))
        path.chmod(0o444)
        with someone_else(), pytest.raises(AnchorFailed, match=r"checkpoints: Permission denied\.$"):
            anchor(path, Log().grow(2))


@contextlib.contextmanager
def someone_else() -> Iterator[None]:
    """Root may write to everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_another_process_that_holds_the_file_is_waited_for_so_long_and_no_longer(path: Path) -> None:
    path.touch()
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(AnchorFailed, match=r"^It was not done within 1 seconds\.$"):
            anchor(path, Log().grow(1))
    assert path.read_bytes() == b""


def test_many_at_once_keep_one_after_another(path: Path) -> None:
    logs = [Log(f"log.example/{i}").grow(i) for i in range(1, 17)]
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda log: anchor(path, log), logs))
    kept = path.read_bytes()
    for log, receipt in zip(logs, receipts, strict=True):
        assert kept[int(receipt.data) :].startswith(log.note().encode() + b"\n")
    assert len(kept) == sum(len(log.note().encode()) + 1 for log in logs)


def test_a_file_that_the_system_lets_only_grow_is_enough(path: Path) -> None:
    log = Log().grow(5)
    anchor(path, log, 3)
    if subprocess.run(["chattr", "+a", path], capture_output=True, check=False).returncode:
        pytest.skip("this file system has no append-only files")
    try:
        with room(path.stat().st_size + 100), pytest.raises(AnchorFailed):
            anchor(path, log)
        offset = int(anchor(path, log).data)
        assert path.read_bytes()[offset:] == log.note().encode() + b"\n"
    finally:
        subprocess.run(["chattr", "-a", path], check=True)
