"""`kind: file`: notes one after another in a file, which lies best on a medium that can be written once."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from audit.anchors.base import (
    AnchorFailed,
    Deadline,
    Options,
    Receipt,
    alone,
    check_continues,
    read_checkpoint,
    telling_why,
)
from audit.verify import Checkpoint

TAIL = 1024 * 1024  # where the last note of a log most likely is
NOTE = re.compile(rb"(?m:^)(?:[^\n]+\n){3,}\n(?:\xe2\x80\x94 [^\n]+\n)+")


@dataclass(frozen=True)
class FileAnchor:
    path: Path
    seconds: float
    kind: ClassVar[str] = "file"

    @classmethod
    def read(cls, options: Options) -> Self:
        return cls(options.path("path"), options.seconds())

    def anchor(self, note: str, *, origin: str, size: int) -> Receipt:
        """The receipt is the place of the note in the file, in bytes."""
        checkpoint = read_checkpoint(note, origin, size)
        with telling_why(self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o644)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise AnchorFailed(f"{self.path} is not a regular file.")
                with alone(descriptor, Deadline(self.seconds)):
                    offset = add(descriptor, note.encode(), checkpoint)
            finally:
                os.close(descriptor)
        return Receipt(str(offset).encode(), str(self.path))


def add(descriptor: int, note: bytes, checkpoint: Checkpoint) -> int:
    """Where it begins, now that it is on the disk."""
    last = last_of(descriptor, checkpoint.origin)
    if last:
        check_continues(last[1].decode(errors="replace"), checkpoint)
    if last and last[1] == note:
        os.fsync(descriptor)
        return last[0]
    end = os.fstat(descriptor).st_size
    # A piece of a note is left where a power cut, or a file that only grows, kept us from taking it back.
    seal = b"" if end == 0 or os.pread(descriptor, 2, max(end - 2, 0)) == b"\n\n" else b"\n\n"
    write(descriptor, seal + note + b"\n", end)
    return end + len(seal)


def last_of(descriptor: int, origin: str) -> tuple[int, bytes] | None:
    """The last note of this log, and where it begins."""
    end = os.fstat(descriptor).st_size
    for start in dict.fromkeys((max(end - TAIL, 0), 0)):
        held = read(descriptor, start, end)
        found = [match for match in NOTE.finditer(held) if match[0].startswith(origin.encode() + b"\n")]
        if found:
            return start + found[-1].start(), found[-1][0]
    return None


def read(descriptor: int, start: int, end: int) -> bytes:
    parts = []
    while start < end and (part := os.pread(descriptor, min(end - start, TAIL), start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


def write(descriptor: int, data: bytes, end: int) -> None:
    """All of it, or the file is as long as before."""
    try:
        done = 0
        while done < len(data):
            done += os.write(descriptor, data[done:])
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, end)
        raise
