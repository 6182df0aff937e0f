"""Dying at the n-th line: of the code between an intent and its receipt, deterministically and in this process."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import httpcore

ROOT = Path(__file__).resolve().parents[2]
OURS = (
    "approvals/execute.py", "approvals/lease.py", "approvals/permit.py", "approvals/prepare.py", "approvals/reading.py",
    "approvals/recover.py", "approvals/repeat.py", "approvals/settle.py", "audit/move.py", "audit/record.py",
    "integrations/calls.py", "integrations/exchange.py", "integrations/injection.py", "integrations/outbound.py",
    "integrations/redaction.py", "integrations/render.py",
)  # fmt: skip
# Where the bytes leave and come.
TRANSPORT = ("_sync/connection.py", "_sync/http11.py", "_backends/sync.py")
FILES = frozenset({
    *(str(ROOT / name) for name in OURS),
    *(str(Path(httpcore.__file__).parent / name) for name in TRANSPORT),
})  # fmt: skip


class Killed(BaseException):
    """No code of the product may stop it, as none stops a signal 9."""


class Lines:
    """Notes the lines of these files that this thread comes to, from the first intent on; before the `stop`-th, does
    `then`."""

    def __init__(self, stop: int = 0, then: Callable[[], object] | None = None) -> None:
        self.stop, self.then = stop, then or _die
        self.begun, self.seen = False, list[str]()

    def __enter__(self) -> "Lines":
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    @property
    def stopped(self) -> bool:
        return 0 < self.stop <= len(self.seen)

    def ends(self) -> list[int]:
        """Where each line was come to first and last: what a loop does between them changes nothing outside of it."""
        first = {line: number for number, line in reversed(list(enumerate(self.seen, 1)))}
        last = {line: number for number, line in enumerate(self.seen, 1)}
        return sorted({*first.values(), *last.values()})

    def _call(self, frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        if code.co_filename not in FILES:
            return None
        self.begun |= code.co_name == "begin_call"
        return self._line if self.begun else None

    def _line(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            self.seen.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
            if len(self.seen) == self.stop:
                self.then()
        return self._line


def _die() -> None:
    raise Killed
