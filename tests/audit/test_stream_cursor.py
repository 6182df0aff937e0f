"""The cursor of a stream: whatever fails, and whenever, what the receiver has is without a gap."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.outlets import OutletFailed
from audit.streams import stream as module
from audit.streams.base import AskedToWait, Event
from audit.streams.stream import Stream

AT = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
FAULTS = ["refuses", "takes half", "dies before the answer", "does not settle", "asks to wait"]


@dataclass
class Doubtful:
    """A receiver to which the next of `faults` happens at each batch; "" is none. One that confirms has what it took
    in its memory alone until it has settled."""

    faults: list[str] = field(default_factory=list)
    confirms: bool = True
    got: list[int] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    settles: bool = True
    sent: int = 0
    kind: str = "doubtful"

    def encode(self, event: Event) -> bytes:
        return str(event.index).encode()

    def send(self, events: Sequence[bytes]) -> None:
        self.sent += 1
        fault = self.faults.pop(0) if self.faults else ""
        taken = {"refuses": 0, "asks to wait": 0, "takes half": len(events) // 2}.get(fault, len(events))
        (self.memory if self.confirms and not fault else self.got).extend(map(int, events[:taken]))
        self.settles = self.settles and fault != "does not settle"
        if fault == "asks to wait":
            raise AskedToWait(fault, 3600)
        if fault in {"refuses", "takes half", "dies before the answer"}:
            raise OutletFailed(fault)

    def settle(self) -> None:
        memory, self.memory = self.memory, []
        settles, self.settles = self.settles, True
        if self.confirms and not settles:
            raise OutletFailed("does not settle")
        self.got += memory


def read(begin: int, end: int) -> list[Event]:
    return [Event(index, "log.example/1", "", 0, AT, "", "", "leaf") for index in range(begin, end)]


@dataclass
class Publisher:
    """What the database holds of a stream, and the log beside it."""

    sink: Doubtful
    stream: Stream
    reached: int = 0
    size: int = 0

    @classmethod
    def of(cls, sink: Doubtful, most: int = 500) -> "Publisher":
        return cls(sink, Stream("siem", sink, most=most))

    def step(self, *, written: bool = True) -> bool:
        try:
            reached = self.stream.forward(self.reached, self.size, read)
        except OutletFailed:
            return False
        if written:
            self.reached = reached
        return True

    def restart(self) -> None:
        self.stream = Stream("siem", self.sink, most=self.stream.most)


RESTART, KILLED = "restart", "killed before the cursor is written"
EVENTS = st.one_of(
    st.tuples(st.just("grow"), st.integers(1, 40)),
    st.tuples(st.just("step"), st.lists(st.sampled_from(["", *FAULTS]), max_size=4)),
    st.tuples(st.just(KILLED), st.lists(st.sampled_from(["", *FAULTS]), max_size=4)),
    st.just((RESTART, None)),
)


@given(st.lists(EVENTS, max_size=30), st.integers(1, 9), st.booleans())
def test_no_sequence_of_faults_leaves_a_gap(events: list[tuple[str, object]], most: int, confirms: bool) -> None:
    sink = Doubtful(confirms=confirms)
    publisher = Publisher.of(sink, most)
    for what, value in events:
        if isinstance(value, int):
            publisher.size += value
        if isinstance(value, list):
            sink.faults = list(value)
            publisher.step(written=what == "step")
        if what in {KILLED, RESTART}:
            publisher.restart()
        got = set(sink.got)
        assert got >= set(range(publisher.reached))
        assert confirms or got == set(range(len(got)))
    sink.faults = []
    publisher.restart()
    assert publisher.step()
    assert set(sink.got) == set(range(publisher.size))
    assert publisher.reached == publisher.size


def test_what_got_through_before_a_fault_counts() -> None:
    publisher = Publisher.of(Doubtful(["", "", "refuses", "refuses"]), most=10)
    publisher.size = 100
    assert publisher.step()
    assert (publisher.reached, publisher.stream.every) == (20, 1.0)
    assert not publisher.step()
    assert publisher.step()
    assert publisher.sink.got == list(range(100))


def test_who_never_says_what_it_has_gets_the_last_batch_again_after_an_interruption() -> None:
    publisher = Publisher.of(Doubtful(confirms=False), most=10)
    for size in (15, 25):
        publisher.size = size
        assert publisher.step()
    assert publisher.sink.got == list(range(25))
    publisher.sink.faults, publisher.size = ["refuses"], 30
    assert not publisher.step()
    assert publisher.step()
    assert publisher.sink.got == [*range(25), *range(15, 30)]
    publisher.size = 31
    publisher.restart()
    assert publisher.step()
    assert publisher.sink.got[40:] == list(range(20, 31))


def test_while_there_is_more_to_send_no_time_is_left_between_two_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round is over after a while, so that the cursor is written down and another process may take over."""
    monkeypatch.setattr(module, "ROUND", 0.0)
    publisher = Publisher.of(Doubtful(), most=10)
    publisher.size = 15
    assert publisher.step()
    assert (publisher.reached, publisher.stream.every) == (0, 0.0)


def test_batches_end_before_they_are_too_large_and_one_leaf_always_goes() -> None:
    sizes: list[int] = []

    class Counting(Doubtful):
        def encode(self, event: Event) -> bytes:
            return b"0" * (250 if event.index == 7 else 30)

        def send(self, events: Sequence[bytes]) -> None:
            sizes.append(len(events))

    stream = Stream("siem", Counting(), most=5, most_bytes=100)
    assert stream.forward(0, 15, read) == 15
    assert sizes == [3, 3, 1, 1, 3, 3, 1]


def test_a_receiver_that_asks_to_wait_is_left_alone_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = Publisher.of(Doubtful(["asks to wait"]))
    publisher.size = 5
    assert not publisher.step()
    with pytest.raises(OutletFailed, match=r"^The receiver asked to wait; 3[56]\d\d seconds are left\.$"):
        publisher.stream.forward(0, 5, read)
    assert publisher.sink.sent == 1
    publisher.stream.silent_until -= 3600
    assert publisher.step()
    assert publisher.sink.got == list(range(5))
