"""The publisher: takes the log out of the house, and writes exports. One process leads, a second waits."""

import logging
import threading
from collections.abc import Callable

import psycopg
from django.db import Error, connection

from audit import outlets, publishing
from audit.exports import expire_exports, work_off
from console.core import presence

logger = logging.getLogger(__name__)

PAUSE = 1.0
HEART = 10.0
EXPIRE_EVERY = 600.0


def run(stop: threading.Event, heart: Callable[[str], None]) -> None:
    ways = publishing.ways()
    while not stop.is_set():
        try:
            with presence.connect() as session:
                _wait_for_lead(session, stop, heart)
                _lead(session, ways, stop, heart)
        except (psycopg.Error, Error) as error:
            logger.warning("the publisher lost the database (%s); trying again", type(error).__name__)
            stop.wait(PAUSE)


def _wait_for_lead(session: psycopg.Connection, stop: threading.Event, heart: Callable[[str], None]) -> None:
    while not stop.is_set() and not presence.leads(session, presence.PUBLISHER):
        heart("publisher")
        connection.close()
        stop.wait(HEART)


def _lead(session: psycopg.Connection, ways: list[outlets.Way], stop: threading.Event,
          heart: Callable[[str], None]) -> None:  # fmt: skip
    """Ends its threads with the lead: what they do may be repeated, but not by two at once for long."""
    over = threading.Event()
    threads = outlets.start(ways, over)
    threads.append(threading.Thread(target=_exports, args=(over,), name="exports", daemon=True))
    threads[-1].start()
    try:
        while not stop.is_set() and presence.leads(session, presence.PUBLISHER):
            heart("publisher")
            connection.close()
            stop.wait(HEART)
    finally:
        over.set()
        for thread in threads:
            thread.join(PAUSE)


def _exports(over: threading.Event) -> None:
    waited = EXPIRE_EVERY
    while not over.wait(PAUSE):
        try:
            while work_off(over):
                pass
            waited += PAUSE
            if waited >= EXPIRE_EVERY:
                expire_exports()
                waited = 0.0
        except Error as error:
            logger.warning("exports lost the database (%s); trying again", type(error).__name__)
        except Exception:  # one export's fault must not stop the others
            logger.exception("an export failed")
        connection.close()
