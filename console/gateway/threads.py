"""Work that speaks to the database, for the doors that are ASGI applications of their own."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32  # calls at once that wait for an answer, of each door


@functools.cache
def _threads(door: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix=door)


async def in_thread(door: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """With a connection to the database for as long as it takes."""

    def run() -> T:
        try:
            return work(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.get_running_loop().run_in_executor(_threads(door), run)
