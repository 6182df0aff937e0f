"""Processes that do the same act again and again, begin at the same moment, and say how often each has done it.

Both ends are here: a program calls `serve` with its acts, the benchmark has a `Crowd` of it. Only what Python brings,
because programs of other people's environments use it too.
"""

import multiprocessing
import random
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, NamedTuple

Act = Callable[[float], None]  # once, with so many seconds of other work in the transaction
Prepare = Callable[[int], Act]  # for the writer of this number
KEY = b"a benchmark"
HEAD_START = 0.05  # seconds for the last writer to hear the moment before the first begins
READY = b"ready"


class Order(NamedTuple):
    """For so many writers, for so long: how often? With `turns`, the first writer alone does these acts in turn, so
    many times each: how long did each take?"""

    act: str
    writers: int = 1
    seconds: float = 0.0
    work: float = 0.0
    turns: tuple[str, ...] = ()
    times: int = 0


class Crowd:
    """`place` is the socket that the program was told."""

    def __init__(self, place: str, patience: float) -> None:
        self.connection = connect(place, patience)

    def rate(self, act: str, writers: int, seconds: float, work: float = 0.0) -> float:
        """Acts in a second, of all writers together."""
        counted: list[int] = self.ask(Order(act, writers, seconds, work))
        return sum(counted) / seconds

    def durations(self, *acts: str, times: int) -> dict[str, list[float]]:
        """Microseconds of each, made by one writer in turn: what disturbs one disturbs the other as often."""
        found: dict[str, list[float]] = self.ask(Order("", turns=acts, times=times))
        return found

    def ask(self, order: Order):  # type: ignore[no-untyped-def]
        self.connection.send(tuple(order))
        answer = self.connection.recv()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer


def connect(place: str, patience: float) -> "Connection[tuple[object, ...], object]":
    deadline = time.monotonic() + patience
    while True:
        try:
            return Client(place, "AF_UNIX", authkey=KEY)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def serve(place: str, writers: int, acts: Mapping[str, Prepare]) -> None:
    """Until the benchmark hangs up. Call it before anything has connected to the database: writers are forks."""
    fork = multiprocessing.get_context("fork")
    ends = []
    for number in range(writers):
        ours, theirs = fork.Pipe()
        fork.Process(target=work_off, args=(theirs, number, acts), daemon=True).start()
        ends.append(ours)
    with Listener(place, "AF_UNIX", authkey=KEY) as listener, listener.accept() as benchmark:
        try:
            while True:
                order = Order(*benchmark.recv())
                chosen = ends[: order.writers]
                for end in chosen:
                    end.send(order)
                benchmark.send(chosen[0].recv() if order.turns else counted(chosen))
        except EOFError:
            return


def counted(ends: "list[Connection[object, object]]") -> object:
    """By each; or what one of them died of."""
    answers: list[object] = [end.recv() for end in ends]
    ready = [end for end, answer in zip(ends, answers, strict=True) if answer == READY]
    begin = time.monotonic() + HEAD_START
    for end in ready:
        end.send(begin)
    answers = [answer for answer in answers if answer != READY] + [end.recv() for end in ready]
    return next((answer for answer in answers if isinstance(answer, str)), answers)


def work_off(orders: "Connection[object, Any]", number: int, acts: Mapping[str, Prepare]) -> None:
    while True:
        order: Order = orders.recv()
        try:
            orders.send(in_turn(order, number, acts) if order.turns else count(order, acts[order.act](number), orders))
        except Exception as fault:  # noqa: BLE001  (the benchmark is to hear of it)
            orders.send(f"{order.act or order.turns} of writer {number}: {fault!r}")


def count(order: Order, act: Act, orders: "Connection[object, Any]") -> int:
    for _ in range(3):  # connects, and learns the statements
        act(0)
    orders.send(READY)
    begin: float = orders.recv()
    done, end = 0, begin + order.seconds
    time.sleep(max(0.0, begin - time.monotonic()))
    while time.monotonic() < end:
        act(order.work)
        done += 1
    return done


def in_turn(order: Order, number: int, acts: Mapping[str, Prepare]) -> dict[str, list[float]]:
    """Each round in an order of its own: whoever follows itself finds its caches warm."""
    prepared = {name: acts[name](number) for name in order.turns}
    for act in [*prepared.values()] * 3:
        act(order.work)
    taken: dict[str, list[float]] = {name: [] for name in prepared}
    for _ in range(order.times):
        for name in random.sample(order.turns, len(order.turns)):
            began = time.perf_counter_ns()
            prepared[name](order.work)
            taken[name].append((time.perf_counter_ns() - began) / 1e3)
    return taken


def pause(seconds: float) -> None:
    """The work of somebody else, inside the transaction."""
    if seconds:
        time.sleep(seconds)
