"""The clock of the product: one leader, chosen by an advisory lock, runs every sweep each second.

Its own loop and not a scheduler that sends messages: a sweep that needs the broker could not mend a lost message.
"""

import logging
import threading
import time
from collections.abc import Callable

import psycopg
from django.db import Error, connection

from approvals.care.asking_afterwards import ask_about_openings, sample_settled
from approvals.care.drills import end_drills, give_drills
from approvals.delegations import end_delegations
from approvals.sweep import (
    escalate_reviews,
    expire_reviews,
    offer_actions,
    offer_policies,
    recount_reviews,
    void_reviews,
)
from console.core import presence
from console.dispatch.sweep import offer_steps, withdraw_orphans
from console.home.health import EVERY, beat_heart
from console.shadow.take import forget_old
from integrations.authorize import offer_exchanges
from integrations.door_key import offer_wrapping
from integrations.expiry import tell_ends
from integrations.health import offer_tests
from integrations.openings import end_openings
from integrations.sweep import offer_ends, offer_imports, offer_listings, offer_looks
from integrations.webhooks.upkeep import offer_deliveries, offer_thinning

logger = logging.getLogger(__name__)

PAUSE = 1.0


def make_partitions() -> None:
    """Next months' partitions of the log, ahead of time: a month that has rows already cannot be attached."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_make_partition((now() + make_interval(months => ahead))::date)"
            " FROM generate_series(0, 2) AS ahead"
        )


SWEEPS: tuple[tuple[Callable[[], object], float], ...] = (
    (offer_steps, PAUSE),
    (offer_actions, PAUSE),
    (offer_policies, PAUSE),
    (expire_reviews, 5.0),
    (escalate_reviews, 5.0),
    (recount_reviews, 5.0),
    (end_delegations, 5.0),
    (void_reviews, PAUSE),
    (ask_about_openings, 5.0),
    (sample_settled, 600.0),
    (give_drills, 30.0),
    (end_drills, 5.0),
    (withdraw_orphans, 2.0),
    (offer_listings, 2.0),
    (offer_imports, 2.0),
    (offer_looks, 600.0),
    (offer_wrapping, 5.0),
    (offer_exchanges, PAUSE),
    (offer_ends, 60.0),
    (offer_tests, 2.0),
    (offer_deliveries, 2.0),
    (offer_thinning, 60.0),
    (tell_ends, 60.0),
    (end_openings, 5.0),
    (forget_old, 600.0),
    (make_partitions, 3600.0),
)


def run(stop: threading.Event) -> None:
    """Lead for as long as the session that holds the lock lives; stand by otherwise."""
    while not stop.is_set():
        try:
            with presence.connect() as session:
                _lead(session, stop)
        except (psycopg.Error, Error) as error:
            logger.warning("beat lost the database (%s); trying again", type(error).__name__)
            stop.wait(PAUSE)


def _lead(session: psycopg.Connection, stop: threading.Event) -> None:
    due = dict.fromkeys((sweep for sweep, _ in SWEEPS), 0.0)
    heart = 0.0
    while not stop.is_set():
        if time.monotonic() >= heart:
            beat_heart("beat")
            heart = time.monotonic() + EVERY
        if presence.leads(session, presence.BEAT):
            _sweep(due)
        stop.wait(PAUSE)


def _sweep(due: dict[Callable[[], object], float]) -> None:
    for sweep, every in SWEEPS:
        if time.monotonic() < due[sweep]:
            continue
        due[sweep] = time.monotonic() + every
        try:
            sweep()
        except Error:
            raise
        except Exception:  # one sweep's fault must not stop the others
            logger.exception("sweep %s failed", sweep.__name__)
    connection.close()
