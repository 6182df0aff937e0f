"""Dying at a line: of the code between an intent and its receipt, deterministically and in this process."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import httpcore

ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(f"{ROOT / room}{os.sep}" for room in ("approvals", "audit", "console", "integrations"))
INTENTS = {"begin_call", "begin_again", "begin_allowed"}
# Where the bytes leave and come.
TRANSPORT = {
    str(Path(httpcore.__file__).parent / name)
    for name in ("_sync/connection.py", "_sync/http11.py", "_backends/sync.py")
}


def is_watched(file: str) -> bool:
    """Whatever of the product runs in that time, be it named anywhere or not."""
    return file.startswith(OURS) or file in TRANSPORT


class Killed(BaseException):
    """No code of the product may stop it, as none stops a signal 9."""


class Stop(NamedTuple):
    """The so-many-th arrival at a line, or at any where it is "". What is counted for each line alone stays where it
    was when another run takes a little more of something before it."""

    line: str
    time: int


class Lines:
    """Notes the lines of the product that this thread comes to, from the first intent on; before the `stop`, does
    `then`."""

    def __init__(self, stop: Stop | None = None, then: Callable[[], object] | None = None) -> None:
        self.stop, self.then = stop, then or _die
        self.begun, self.stopped = False, False
        self.seen, self.times = list[str](), Counter[str]()

    def __enter__(self) -> "Lines":
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def ends(self) -> list[Stop]:
        """Where each line was come to first and last: what a loop does between them changes nothing outside of it."""
        first = {line: number for number, line in reversed(list(enumerate(self.seen)))}
        last = {line: number for number, line in enumerate(self.seen)}
        stops = {number: Stop(line, 1) for line, number in first.items()}
        stops |= {number: Stop(line, self.times[line]) for line, number in last.items()}
        return [stops[number] for number in sorted(stops)]

    def _call(self, frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        if not is_watched(code.co_filename):
            return None
        if code.co_name in INTENTS and not self.begun:
            self.begun = True
            _watch_callers(frame, self._line)
        return self._line if self.begun else None

    def _line(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            line = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            self.seen.append(line)
            self.times[line] += 1
            if self.stop in (Stop(line, self.times[line]), Stop("", len(self.seen))):
                self.stopped = True
                self.then()
        return self._line


def _watch_callers(frame: FrameType, watch: Callable[[FrameType, str, Any], Any]) -> None:
    """What had been entered before the intent goes on after it."""
    while frame.f_back is not None:
        frame = frame.f_back
        if is_watched(frame.f_code.co_filename):
            frame.f_trace = watch


def _die() -> None:
    raise Killed
