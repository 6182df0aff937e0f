"""The files of an export while it is written: each only grows, and is cut back to what the row says after a crash."""

import contextlib
import datetime as dt
import hashlib
import os
import shutil
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from django.conf import settings

from audit.models import Export

ARCHIVE = "export.zip"
AT_ONCE = 1 << 20  # bytes
AHEAD = 4  # writes that may wait for the disk
MODE = 0o100644 << 16  # of a regular file, where an archive holds it

Content = bytes | Path


class Lost(Exception):
    """What the row says was written is not there: the export has to begin anew."""


def exports_folder() -> Path:
    folder = Path(settings.STATE_DIR) / "exports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def folder_of(export: Export) -> Path:
    return exports_folder() / export.pk


def archive_of(export: Export) -> Path:
    return folder_of(export) / ARCHIVE


def delete_files(export: Export) -> None:
    shutil.rmtree(folder_of(export), ignore_errors=True)


def open_at(path: Path, length: int) -> BinaryIO:
    """To write on behind `length` bytes. Whatever lies behind them was not told to anybody, and goes."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    if os.fstat(file.fileno()).st_size < length:
        file.close()
        raise Lost(path.name)
    file.truncate(length)
    file.seek(length)
    return file


def to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def digest_of(content: Content) -> tuple[int, str]:
    if isinstance(content, bytes):
        return len(content), hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return content.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


class Archive:
    """The ZIP. Its first entry, the large one, grows in the place where it stays, so that it is written only once.

    Writing and hashing are done beside the caller, who meanwhile asks the database for what comes next.
    """

    def __init__(self, path: Path, main: str, moment: dt.datetime, size: int, crc: int) -> None:
        self.moment, self.size, self.crc = moment, size, crc
        self.main = self._entry(main) if main else None
        self.start = len(self.main.FileHeader(zip64=True)) if self.main else 0
        self.file = open_at(path, self.start + size if size else 0)
        self.digest, self.part = hashlib.sha256(), hashlib.sha256()
        self.pen, self.pending = ThreadPoolExecutor(1), deque[Future[None]]()
        if size:
            self._read_again()
        elif self.main:
            self.file.write(self.main.FileHeader(zip64=True))

    def _entry(self, name: str) -> ZipInfo:
        entry = ZipInfo(name, self.moment.timetuple()[:6])
        entry.external_attr = MODE
        entry.CRC = entry.header_offset = 0
        return entry

    def _read_again(self) -> None:
        """Of the digest only the bytes are known after a crash."""
        self.file.seek(self.start)
        while data := self.file.read(AT_ONCE):
            self.digest.update(data)
        self.file.seek(self.start + self.size)

    def write(self, data: bytes) -> None:
        """A fault may be raised by a later call, or by `settle`."""
        self.size += len(data)
        self.pending.append(self.pen.submit(self._write, data))
        if len(self.pending) > AHEAD:
            self.pending.popleft().result()

    def _write(self, data: bytes) -> None:
        self.file.write(data)
        self.digest.update(data)
        self.part.update(data)
        self.crc = zlib.crc32(data, self.crc)

    def settle(self) -> None:
        while self.pending:
            self.pending.popleft().result()

    def end_part(self) -> str:
        """The digest of what was written since the last call."""
        self.settle()
        digest, self.part = self.part.hexdigest(), hashlib.sha256()
        return digest

    def sync(self) -> None:
        self.settle()
        to_disk(self.file)

    def close(self) -> None:
        self.pen.shutdown()
        self.file.close()

    def finish(self, others: Mapping[str, Content]) -> None:
        """The first entry gets its header, the others and the directory follow."""
        self.settle()
        self.file.seek(self.start + self.size)
        self.file.truncate()
        with ZipFile(self.file, "w", ZIP_STORED) as zipped:
            if self.main:
                self.main.CRC, self.main.file_size, self.main.compress_size = self.crc, self.size, self.size
                zipped.filelist.append(self.main)
                zipped.NameToInfo[self.main.filename] = self.main
            for name, content in others.items():
                with zipped.open(self._entry(name), "w", force_zip64=True) as entry:
                    if isinstance(content, bytes):
                        entry.write(content)
                        continue
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, entry, AT_ONCE)
        if self.main:
            self.file.seek(0)
            self.file.write(self.main.FileHeader(zip64=True))
        to_disk(self.file)


class Output:
    """What one export writes to. `state` is what the row has to say about it, after `sync`."""

    def __init__(self, export: Export, main: str) -> None:
        """Raises Lost."""
        written: Mapping[str, Any] = export.written
        self.folder = folder_of(export)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.archive = Archive(self.folder / ARCHIVE, main, export.requested_at, written.get("main", 0),
                               written.get("crc", 0))  # fmt: skip
        self.chunks: list[dict[str, object]] = list(written.get("chunks", []))
        self.finished: dict[str, int] = dict(written.get("finished", {}))
        for name, length in self.finished.items():
            open_at(self.folder / name, length).close()
        self.growing = {name: open_at(self.folder / name, length) for name, length in written.get("parts", {}).items()}

    def part(self, name: str) -> BinaryIO:
        """A file beside the large one that grows like it. It goes into the archive at the end."""
        if name not in self.growing:
            self.growing[name] = open_at(self.folder / name, 0)
        return self.growing[name]

    @contextlib.contextmanager
    def whole(self, name: str) -> Iterator[BinaryIO]:
        """A file beside it that is written at once: there may be more of these than a process may have open."""
        with open_at(self.folder / name, 0) as file:
            yield file
            to_disk(file)
            self.finished[name] = file.tell()

    @property
    def names(self) -> list[str]:
        return sorted({*self.growing, *self.finished})

    @property
    def state(self) -> dict[str, object]:
        parts = {name: file.tell() for name, file in self.growing.items()}
        return {"main": self.archive.size, "crc": self.archive.crc, "parts": parts, "finished": self.finished,
                "chunks": self.chunks}  # fmt: skip

    @property
    def length(self) -> int:
        return self.archive.size + sum(file.tell() for file in self.growing.values()) + sum(self.finished.values())

    def sync(self) -> None:
        self.archive.sync()
        for file in self.growing.values():
            to_disk(file)
        place = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(place)
        finally:
            os.close(place)

    def path(self, name: str) -> Path:
        return self.folder / name

    def drop_parts(self) -> None:
        """What is in the archive now."""
        for file in self.folder.iterdir():
            if file.name != ARCHIVE:
                file.unlink()

    def __enter__(self) -> "Output":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """On a full disk closing fails too; what is not on it by then is not in the row either."""
        with contextlib.suppress(OSError):
            self.archive.close()
        for file in self.growing.values():
            with contextlib.suppress(OSError):
                file.close()
