"""One readable stream from many processes: each line begins with the name of the process that wrote it."""

import contextlib
import re
import threading
from typing import IO, TextIO

WIDTH = 8
COLOURS = {name: 31 + index for index, name in enumerate(("up", "web", "worker", "door", "beat", "stand-in"))}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class LogStream:
    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.coloured = out.isatty()
        self.lock = threading.Lock()
        self.readers: dict[str, threading.Thread] = {}

    def follow(self, name: str, pipe: IO[bytes]) -> None:
        """Copies until the process closes its end."""
        thread = threading.Thread(target=self.copy, args=(name, pipe), daemon=True)
        thread.start()
        self.readers[name] = thread

    def catch_up(self, name: str) -> None:
        """Waits until the last lines of an ended process are shown."""
        if name in self.readers:
            self.readers.pop(name).join(timeout=1)

    def copy(self, name: str, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                if line.strip():
                    self.say(name, line.decode(errors="replace").rstrip())

    def say(self, name: str, line: str) -> None:
        """An empty name leaves the line as it is: for a command whose output is meant for the reader."""
        # What a process logs may quote an agent: its control characters do not reach the terminal.
        self.plain(f"{self.label(name)}{CONTROL.sub('', line)}")

    def label(self, name: str) -> str:
        if not name:
            return ""
        padded = f"{name:<{WIDTH}} | "
        kind = "stand-in" if name.startswith("stand-in") else name
        return f"\x1b[{COLOURS.get(kind, 37)}m{padded}\x1b[0m" if self.coloured else padded

    def plain(self, line: str) -> None:
        # A reader that went away (`up | head`) must not block the children on a full pipe.
        with self.lock, contextlib.suppress(OSError, ValueError):
            print(line, file=self.out, flush=True)
