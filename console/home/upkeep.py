"""A child that is kept running: how it is started, and when it is started again."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

FIRST_DELAY, LONGEST_DELAY = 0.2, 5.0
SETTLED = 10.0  # a process that ran for this many seconds starts again with the first delay


class Running(Protocol):
    @property
    def process(self) -> subprocess.Popen[bytes]: ...

    def stop(self) -> None: ...


@dataclass
class Child:
    name: str
    start: Callable[[], Running]
    running: Running
    delay: float = 0.0
    started: float = field(default_factory=time.monotonic)
    due: float | None = None

    def next_delay(self, now: float) -> float:
        settled = now - self.started > SETTLED
        return FIRST_DELAY if settled or not self.delay else min(self.delay * 2, LONGEST_DELAY)


def ending(code: int) -> str:
    return f"exit {code}" if code >= 0 else f"signal {-code}"
