"""Wake-ups after commit, sent by a thread of their own: a broker that is down or hangs never holds an act up.

What is not sent is lost on purpose: rows are the truth, and the sweep finds what nobody was woken for.
"""

import atexit
import functools
import logging
import queue
import threading
from collections.abc import Callable

from celery import current_app
from celery.utils import uuid
from django.db import transaction

from console.core import lanes

logger = logging.getLogger(__name__)

_jobs: queue.Queue[Callable[[], None]] = queue.Queue(maxsize=10_000)
_started = threading.Lock()
_thread: threading.Thread | None = None


def wake(task: str, queue_name: str, *args: str) -> None:
    """Send the named task once this transaction has committed."""
    if queue_name == lanes.ACTIONS:
        after_commit(functools.partial(lanes.push, task, args))
    else:
        after_commit(functools.partial(_publish, task, queue_name, args))


def _publish(task: str, queue_name: str, args: tuple[str, ...]) -> None:
    """What `send_task` does, without the options that it weighs each time."""
    app = current_app._get_current_object()
    message = app.amqp.create_task_message(uuid(), task, args, {}, ignore_result=True)
    with app.producer_or_acquire() as producer:
        app.amqp.send_task_message(producer, task, message, queue=queue_name, retry=False)


def after_commit(job: Callable[[], object]) -> None:
    """Run `job` in the wake thread after commit; its errors are logged and swallowed."""
    transaction.on_commit(lambda: _put(job))


def _put(job: Callable[[], object]) -> None:
    _ensure_thread()
    try:
        _jobs.put_nowait(job)  # type: ignore[arg-type]
    except queue.Full:
        logger.warning("wake-up dropped: the broker does not take them; the sweep will find the work")


def _ensure_thread() -> None:
    global _thread  # noqa: PLW0603  (one thread per process, begun at first use so that a fork before it is harmless)
    with _started:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_run, name="wake", daemon=True)
            _thread.start()


def _run() -> None:
    while True:
        job = _jobs.get()
        try:
            job()
        except Exception as error:  # noqa: BLE001  (a broker's client raises what it likes)
            logger.warning("wake-up not sent (%s); the sweep will find the work", type(error).__name__)
        finally:
            _jobs.task_done()


@atexit.register
def _flush() -> None:
    """A command that ends right after its act still sends its wake-ups, within a second."""
    done = threading.Thread(target=_jobs.join, daemon=True)
    done.start()
    done.join(1.0)
