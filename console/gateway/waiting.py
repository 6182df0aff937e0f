"""Waiting until something happens to an action, without asking the database meanwhile.

One thread of the process hears of every action that an agent asked for. What it misses, a look once a second finds.
"""

import functools
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import connections
from redis import RedisError

from console.core.valkey import listener, place
from console.traces.live import ANSWERED

logger = logging.getLogger(__name__)

LOOK = 1.0  # seconds between looks when nobody tells
QUIET = 60.0  # seconds of silence after which the connection is looked at
HEARD = 4096  # actions of which this process heard last: what happened before somebody waited for it
T = TypeVar("T")

_lock = threading.Lock()
_heard: dict[str, None] = {}
_waiting: defaultdict[str, set[threading.Event]] = defaultdict(set)


def wait_for(action: str, found: Callable[[], T | None], seconds: float) -> T | None:
    """What `found` gives once it is not None; None when the time is over. Whoever waits has just looked themselves. No
    connection to the database is held while nothing happens: there are fewer of them than agents that wait."""
    deadline = time.monotonic() + seconds
    with _notices(action) as noticed:
        while True:
            connections.close_all()
            noticed.wait(max(0.0, min(deadline - time.monotonic(), LOOK)))
            noticed.clear()
            answer = found()
            if answer is not None or time.monotonic() >= deadline:
                return answer


@contextmanager
def _notices(action: str) -> Iterator[threading.Event]:
    _listen()
    event = threading.Event()
    with _lock:
        _waiting[action].add(event)
        if action in _heard:
            event.set()
    try:
        yield event
    finally:
        with _lock:
            _waiting[action].discard(event)
            if not _waiting[action]:
                del _waiting[action]


@functools.cache
def _listen() -> None:
    """Once for each process."""
    threading.Thread(target=_hear, name="answers", daemon=True).start()


def _hear() -> None:
    while True:
        try:
            with listener(QUIET).pubsub(ignore_subscribe_messages=True) as heard:  # type: ignore[no-untyped-call]
                heard.subscribe(place(ANSWERED))
                while True:
                    if message := heard.get_message(timeout=QUIET):
                        _tell(message["data"].decode())
        except RedisError as error:
            logger.warning("no notices (%s); agents that wait are looked after once a second", type(error).__name__)
            time.sleep(LOOK)


def _tell(action: str) -> None:
    with _lock:
        _heard[action] = None
        if len(_heard) > HEARD:
            del _heard[next(iter(_heard))]
        for event in _waiting.get(action, ()):
            event.set()
