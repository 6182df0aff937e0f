"""The way of a stream: from the cursor on, batch after batch, as far as checkpoints are signed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from audit import trees
from audit.models import Outlet, Tree
from audit.outlets import OutletFailed
from audit.streams.base import AskedToWait, Event, Sink
from audit.streams.leaves import events

ROUND = 2.0  # seconds after which the cursor is written down

Read = Callable[[int, int], list[Event]]


@dataclass
class Stream:
    """The cursor is the index of the next leaf, and moves when the receiver has taken what is before it. So leaves may
    come twice, and none is left out."""

    name: str
    sink: Sink
    pace: float = 1.0
    from_now: bool = False
    most: int = 1000
    most_bytes: int = 1_000_000
    behind: bool = False
    interrupted: bool = True  # it is not known what became of what was sent last
    silent_until: float = 0.0

    @property
    def kind(self) -> str:
        return self.sink.kind

    @property
    def every(self) -> float:
        """Seconds until the next look: none while there is more to send."""
        return 0.0 if self.behind else self.pace

    def advance(self, tree: Tree, reached: int) -> int:
        newest = trees.newest_checkpoint(tree)
        size = newest.size if newest else 0
        if self.from_now and reached == 0 and self._begins():
            return size
        return self.forward(reached, size, lambda begin, end: events(tree, begin, end, size))

    def _begins(self) -> bool:
        """A tree that a restore has opened is not a beginning."""
        begins = Outlet.objects.filter(name=self.name, tried_at=None).exists()
        self.interrupted = self.interrupted and not begins
        return begins

    def forward(self, reached: int, size: int, read: Read) -> int:
        self.behind = False
        if size <= reached:
            return reached
        self._be_patient()
        begin, self.interrupted = self._start(reached), True
        try:
            sent = self._round(begin, reached, size, read)
            self.sink.settle()
        except AskedToWait as fault:
            self.silent_until = time.monotonic() + fault.seconds
            raise
        return sent

    def _round(self, begin: int, reached: int, size: int, read: Read) -> int:
        """What got through before a fault counts; the next try meets the fault again."""
        sent, until = begin, time.monotonic() + ROUND
        try:
            while sent < size and (sent < reached or time.monotonic() < until):
                sent = self._send(read(sent, min(sent + self.most, size)))
        except OutletFailed:
            if sent <= reached:
                raise
            return sent
        self.interrupted, self.behind = False, sent < size
        return sent

    def _start(self, reached: int) -> int:
        """A receiver that never says what it has taken gets the last batch again after each interruption."""
        return max(reached - self.most, 0) if self.interrupted and not self.sink.confirms else reached

    def _send(self, found: list[Event]) -> int:
        """The index behind the last one that went out: at least one does."""
        batch: list[bytes] = []
        length = 0
        for event in found:
            encoded = self.sink.encode(event)
            length += len(encoded)
            if batch and length > self.most_bytes:
                break
            batch.append(encoded)
        self.sink.send(batch)
        return found[0].index + len(batch)

    def _be_patient(self) -> None:
        left = self.silent_until - time.monotonic()
        if left > 0:
            raise OutletFailed(f"The receiver asked to wait; {left:.0f} seconds are left.")
