"""The door's lanes: threads that take ids off a list in Valkey and do the task that they came with.

Not a Celery worker: its consumer took as long over each message as the door over the action, and an agent waits. What
is taken and not done, because the process died, is offered again by the sweep, as everything is that nobody was woken
for.
"""

import json
import logging
import threading
from collections.abc import Callable
from fnmatch import fnmatch

from celery import current_app
from django.conf import settings
from django.db import close_old_connections, connections
from redis import Redis, RedisError

from console.core.valkey import client, listener, place

ACTIONS = "actions"  # the queue
MOST = 10_000  # messages that wait; the sweep offers again what an older one was about
IDLE = 2.0  # seconds that a lane waits for something to do before it looks whether it shall stop
PAUSE = 0.5

logger = logging.getLogger(__name__)


def push(task: str, args: tuple[str, ...]) -> None:
    """Raises RedisError when Valkey does not take it. While no door takes them, the list does not grow for ever."""
    with client().pipeline(transaction=False) as pipe:
        pipe.rpush(place(ACTIONS), json.dumps([task, args]))
        pipe.ltrim(place(ACTIONS), -MOST, -1)
        pipe.execute()


def run(stop: threading.Event, lanes: int) -> None:
    """Until it is told to stop, and then until each lane has done what it has begun."""
    current_app.loader.import_default_modules()  # so that the tasks are known by their names
    threads = [threading.Thread(target=_lane, args=(stop,), name=f"lane-{number}") for number in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _lane(stop: threading.Event) -> None:
    waiting = listener(IDLE)
    while not stop.is_set():
        try:
            message = _next(waiting)
        except RedisError as error:
            logger.warning("no wake-ups (%s); what was missed is offered again", type(error).__name__)
            stop.wait(PAUSE)
            continue
        if message is not None:
            _do(message)
    connections.close_all()


def _next(waiting: Redis) -> bytes | None:
    """A lane that finds nothing at once gives its connection to the database back before it waits."""
    message = waiting.lpop(place(ACTIONS))
    if message is None:
        connections.close_all()
        taken = waiting.blpop([place(ACTIONS)], timeout=IDLE)
        message = taken[1] if taken else None
    return message if isinstance(message, bytes) else None


def _do(message: bytes) -> None:
    """A fault of one task must not stop its lane."""
    try:
        name, args = json.loads(message)
        task = _task(name)
        task(*args)
    except Exception:
        logger.exception("a task of the door failed")
        close_old_connections()


def _task(name: str) -> Callable[..., object]:
    """Whoever reaches Valkey can wake the door for its own work and for no other."""
    routes = settings.CELERY_TASK_ROUTES.items()
    if not any(fnmatch(name, pattern) for pattern, to in routes if to["queue"] == ACTIONS):
        raise LookupError(f"{name!r:.100} is no task of the door")
    task: Callable[..., object] = current_app.tasks[name]
    return task
