"""The database fails while the door keeps an answer, or notes what it says of a credential: the answer is known all the
same, and nobody is asked."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection

from approvals import execute
from approvals.models import Review
from approvals.tasks import drive
from integrations.models import Call, Credential
from tests.crash.place import Place
from tests.services import services
from tests.standins.upstream import Fault

ENDS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@contextmanager
def waiting(database: str, *, ended: bool) -> Iterator[None]:
    """Somebody holds the credentials; for them the door waits in vain, or until its own session is ended."""
    with services().superuser(database) as session, session.transaction():
        session.execute("SELECT 1 FROM integrations_credential FOR NO KEY UPDATE")
        ending = threading.Thread(target=end_who_waits, args=[session])
        if ended:
            ending.start()
        else:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '30ms'")
        yield
        if ended:
            ending.join(20)
    connection.close()


def end_who_waits(session: psycopg.Connection) -> None:
    until = time.monotonic() + 10
    while session.execute(ENDS).fetchone() is None and time.monotonic() < until:
        time.sleep(0.01)


@pytest.mark.parametrize("ended", [False, True], ids=["in vain", "ended"])
@pytest.mark.parametrize(("status", "state"), [(None, "succeeded"), (401, "failed")])
def test_an_answer_is_known_although_nothing_of_it_could_be_noted(
    place: Place, database: str, caplog: pytest.LogCaptureFixture, ended: bool, status: int | None, state: str
) -> None:
    Credential.objects.update(refusals=1)  # so that a success is news too
    action = place.permitted("none_blind")
    place.upstream.plan(*([Fault("read", status=status)] if status else []))
    with waiting(database, ended=ended):
        drive(action.id)
    told = [one.getMessage() for one in caplog.records if one.name == "integrations.exchange"]
    assert told == ["what an answer says could not be noted (OperationalError)"]
    action.refresh_from_db()
    assert (action.state, Call.objects.get(action=action.id).state) == (state, state)
    assert not Review.objects.filter(action=action, kind="doubt").exists()
    place.check_end(action)


def test_an_answer_is_known_although_the_session_ended_while_it_was_awaited(
    place: Place, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    action, sent = place.permitted("none_blind"), execute.perform

    def slowly(*given: Any) -> execute.Result:
        result = sent(*given)
        with services().superuser(database) as session:
            session.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
        return result

    monkeypatch.setattr(execute, "perform", slowly)
    drive(action.id)
    action.refresh_from_db()
    assert (action.state, Call.objects.get(action=action.id).state) == ("succeeded", "succeeded")
    place.check_end(action)
