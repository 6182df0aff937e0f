"""Synchronous work of the ASGI applications: one piece in one thread, from its beginning to its end."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 256  # of each door at most, and as many as are busy at once; most of them wait for people


@functools.cache
def _threads(door: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix=door)


async def in_thread(door: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """With a connection to the database for as long as it takes. Whoever waits at one door is in nobody's way at
    another."""

    def run() -> T:
        try:
            return work(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.get_running_loop().run_in_executor(_threads(door), run)
