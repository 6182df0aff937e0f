"""Real web, worker, door and beat: an event over HTTP wakes a run, whoever is away or dies meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from console.runs.models import Run, Step
from integrations.models import Delivery, Webhook
from tests.hooks import Sender
from tests.services import ORIGIN, services
from tests.spine.test_events import begin
from tests.stack import Stack, wait_until


@pytest.fixture
def stack(committed: str, tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(committed, tmp_path)
    try:
        yield stack
    finally:
        stack.stop()


def tell(sender: Sender, invoice: str, *, identity: str = "") -> httpx.Response:
    body, headers = sender.event("invoice.paid", identity=identity, invoice=invoice, live=True)
    return httpx.post(f"{ORIGIN}/hooks/{sender.hook.address}", content=body, headers=headers)


def waiting(run: Run) -> bool:
    return Step.objects.get(run=run, name="paid").state == "waiting"


def ended(run: Run) -> bool:
    return Run.objects.get(pk=run.pk).state == "succeeded"


def test_an_event_over_http_wakes_a_run(sender: Sender, stack: Stack) -> None:
    stack.start("web", "worker", "door", "beat")
    run = begin(invoice="in_1")
    wait_until(lambda: waiting(run), "the step waits")
    told = [tell(sender, "in_1", identity="msg_a") for _ in range(3)]
    assert [(one.status_code, one.content, "set-cookie" in one.headers) for one in told] == [(202, b"", False)] * 3
    wait_until(lambda: ended(run), "the run ends")
    wait_until(lambda: not Delivery.objects.filter(outcome="").exists(), "all are judged")
    assert sorted(Delivery.objects.values_list("outcome", flat=True)) == ["duplicate", "duplicate", "verified"]
    large = httpx.post(f"{ORIGIN}/hooks/{sender.hook.address}", content=b"x" * (1024 * 1024 + 1))
    got = httpx.get(f"{ORIGIN}/hooks/{sender.hook.address}")
    nowhere = httpx.post(f"{ORIGIN}/hooks/{'x' * 43}", content=b"{}")
    assert (large.status_code, got.status_code, nowhere.status_code) == (413, 405, 404)


@pytest.mark.long
def test_what_comes_while_the_door_is_away_waits_for_it(sender: Sender, stack: Stack) -> None:
    """Its wake-ups are lost too."""
    stack.start("web", "worker", "beat")
    run = begin(invoice="in_1")
    wait_until(lambda: waiting(run), "the step waits")
    assert tell(sender, "in_1").status_code == 202
    with services().broker() as broker:
        broker.flushall()
    assert waiting(run)
    stack.start("door")
    wait_until(lambda: ended(run), "the run ends")


def test_a_door_that_is_killed_at_it_loses_none_and_doubles_none(sender: Sender, stack: Stack) -> None:
    """It has taken their messages, and waits for a row that somebody else holds."""
    stack.start("web", "worker", "door", "beat")
    runs = [begin(invoice=f"in_{number}") for number in range(4)]
    wait_until(lambda: all(map(waiting, runs)), "the steps wait")
    with services().superuser(stack.database) as holding, holding.transaction():
        holding.execute("LOCK TABLE integrations_webhooksecret IN ACCESS EXCLUSIVE MODE")
        for number in range(4):
            assert tell(sender, f"in_{number}").status_code == 202
        wait_until(lambda: stuck(stack) >= 4, "the door is at them")
        stack.kill("door")
    assert Delivery.objects.filter(outcome="").count() == 4
    stack.start("door")
    wait_until(lambda: all(map(ended, runs)), "the runs end")
    assert (Delivery.objects.filter(outcome="verified").count(), Webhook.objects.get().duplicates) == (4, 0)


def stuck(stack: Stack) -> int:
    with services().superuser(stack.database) as looking:
        [(count,)] = looking.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'countersign_door' AND wait_event_type = 'Lock'"
            " AND datname = current_database()"
        ).fetchall()
    return int(count)


@pytest.mark.long
def test_what_comes_while_no_worker_is_there_is_found_by_the_one_that_comes(sender: Sender, stack: Stack) -> None:
    stack.start("web", "door", "beat")
    run = begin(invoice="in_1")
    assert tell(sender, "in_1").status_code == 202  # since the run began, and before anybody waits
    wait_until(lambda: Delivery.objects.filter(outcome="verified").exists(), "it is verified")
    stack.start("worker")
    wait_until(lambda: ended(run), "the run ends")
