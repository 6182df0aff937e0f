"""Who is alive: each process writes its row every ten seconds, the web process reads them."""

import datetime as dt
import logging
import threading

from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import Error, connection
from django.db.models.functions import Now

from console.home.models import Heartbeat

EVERY = 10.0  # seconds
ALIVE = dt.timedelta(seconds=3.5 * EVERY)
PROCESSES = ("worker", "door", "beat", "sequencer", "signer", "publisher")

_log = logging.getLogger(__name__)
_worker_ends = threading.Event()


def beat_heart(process: str) -> None:
    """Report this process alive. A database that is away is logged and survived: the next beat tries again."""
    try:
        row = Heartbeat(process=process, at=Now())
        Heartbeat.objects.bulk_create([row], update_conflicts=True, unique_fields=["process"], update_fields=["at"])
    except Error as error:
        _log.warning("No heartbeat of %s written: %s", process, error)


def ready() -> dict[str, bool]:
    """The answer of /healthz. The clock is the database's, so machines may disagree about theirs."""
    try:
        alive = set(Heartbeat.objects.filter(at__gt=Now() - ALIVE).values_list("process", flat=True))
    except Error:
        return {"web": True, "database": False, **dict.fromkeys(PROCESSES, False)}
    return {"web": True, "database": True, **{name: name in alive for name in PROCESSES}}


def keep_beating(stop: threading.Event) -> None:
    """In a thread of its own: a slow database must not stop the work, nor long work the heartbeat."""
    threading.Thread(target=_beat_on, args=(settings.PROCESS, stop), name="heartbeat", daemon=True).start()


def _start(**_: object) -> None:
    _worker_ends.clear()
    keep_beating(_worker_ends)


def _end(**_: object) -> None:
    _worker_ends.set()


def _beat_on(process: str, stop: threading.Event) -> None:
    while True:
        beat_heart(process)
        # Back to the pool: a connection kept for ten idle seconds is one that a task cannot have.
        connection.close()
        if stop.wait(EVERY):
            return


worker_ready.connect(_start)
worker_shutting_down.connect(_end)
