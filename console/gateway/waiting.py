"""Waiting until something happens to an action, without asking the database meanwhile.

One coroutine of the process hears of every action that an agent asked for. What it misses, a look once a second finds.
"""

import asyncio
import functools
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from channels.layers import get_channel_layer
from django.db import connections

from console.traces.live import ANSWERED, loop

logger = logging.getLogger(__name__)

LOOK = 1.0  # seconds between looks when nobody tells
JOIN_AGAIN = 3600.0  # the channel layer forgets members after a day
T = TypeVar("T")

_lock = threading.Lock()
_waiting: defaultdict[str, set[threading.Event]] = defaultdict(set)


def wait_for(action: str, found: Callable[[], T | None], seconds: float) -> T | None:
    """What `found` gives once it is not None; None when the time is over. No connection to the database is held while
    nothing happens: there are fewer of them than agents that wait."""
    deadline = time.monotonic() + seconds
    with _notices(action) as noticed:
        while True:
            noticed.clear()
            answer = found()
            left = deadline - time.monotonic()
            if answer is not None or left <= 0:
                return answer
            connections.close_all()
            noticed.wait(min(left, LOOK))


@contextmanager
def _notices(action: str) -> Iterator[threading.Event]:
    _listen()
    event = threading.Event()
    with _lock:
        _waiting[action].add(event)
    try:
        yield event
    finally:
        with _lock:
            _waiting[action].discard(event)
            if not _waiting[action]:
                del _waiting[action]


@functools.cache
def _listen() -> "Future[None]":
    """Once for each process."""
    return asyncio.run_coroutine_threadsafe(_hear(), loop())


async def _hear() -> None:
    while True:
        try:
            await _hear_for(JOIN_AGAIN)
        except Exception as error:  # noqa: BLE001  (a broker's client raises what it likes)
            logger.warning("no notices (%s); agents that wait are looked after once a second", type(error).__name__)
            await asyncio.sleep(LOOK)


async def _hear_for(seconds: float) -> None:
    layer = get_channel_layer()
    if layer is None:
        raise RuntimeError("there is no channel layer")
    channel = await layer.new_channel()
    await layer.group_add(ANSWERED, channel)
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await layer.receive(channel)
                _tell(str(message["topic"]))
    except TimeoutError:
        return
    finally:
        await layer.group_discard(ANSWERED, channel)


def _tell(action: str) -> None:
    with _lock:
        for event in _waiting.get(action, ()):
            event.set()
