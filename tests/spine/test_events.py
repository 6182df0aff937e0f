"""Steps that wait for an event: woken once, by one that fits, whenever it came; and not by any other."""

import datetime as dt
import json
import threading
from typing import Any

import pytest
from django.db import connection, connections, transaction

from audit.models import Record
from console.accounts.models import Team
from console.core.actor import system
from console.core.errors import Invalid
from console.dispatch import attempt, events, sweep
from console.dispatch.claim import claim_step
from console.dispatch.models import Wait, Wake
from console.dispatch.tasks import work
from console.dispatch.wakes import take_delivery
from console.executors.base import Awaited
from console.runs.cancel import cancel_run
from console.runs.models import Run, Step
from console.runs.start import start_run
from console.workflows.publish import publish_workflow
from console.workflows.spec import parse
from examples.demo.people import acting, seed_people
from examples.demo.seed import connect
from integrations.describe import describe_integration
from integrations.models import Delivery
from integrations.webhooks.set_up import end_webhook
from tests.hooks import Sender, judge_all, make_hook
from tests.pages.conftest import outsider
from tests.stack import wait_until

WAITS = """
workflow: waits
title: Waits
inputs: {invoice: {type: string}}
steps:
  paid:
    event:
      webhook: stripe.events
      type: invoice.paid
      where: {/data/invoice: "${{ inputs.invoice }}", /data/live: true}
      within: {hours: 2}
  after:
    after: [paid]
    pairs: {of: "${{ [steps.paid.body.data] }}", same: [invoice], within: {field: at, seconds: 1}}
"""


@pytest.fixture
def team(committed: str) -> Team:
    made = seed_people()
    connect("http://127.0.0.1:9")
    return made


@pytest.fixture
def sender(team: Team) -> Sender:
    return Sender(make_hook())


def begin(source: str = WAITS, **inputs: str) -> Run:
    version = publish_workflow(source, actor=acting("mira"))
    return start_run(version, inputs=inputs, actor=acting("jonas"))


def step(run: Run, name: str = "paid") -> Step:
    return Step.objects.get(run=run, name=name, parent=None)


def output(run: Run) -> Any:
    return step(run).output


def state(run: Run) -> tuple[str, str]:
    return step(run).state, step(run).waiting_for


def pay(sender: Sender, invoice: str = "in_1", type: str = "invoice.paid", **more: Any) -> Delivery:
    return sender.told(type, **{"invoice": invoice, "live": True, **more})


def test_a_step_waits_is_woken_and_hands_the_event_on(sender: Sender) -> None:
    run = begin(invoice="in_1")
    work()
    assert (state(run), step(run, "after").state) == (("waiting", "event"), "planned")
    row = pay(sender, identity="msg_a")
    work()
    done = step(run)
    assert (done.state, step(run, "after").state, Run.objects.get(pk=run.pk).state) == ("succeeded",) * 3
    assert done.output == {
        "id": "msg_a", "type": "invoice.paid", "delivery": row.pk,
        "received_at": row.received_at.isoformat().replace("+00:00", "Z"),
        "body": {"type": "invoice.paid", "data": {"invoice": "in_1", "live": True}},
    }  # fmt: skip
    ready = Record.objects.filter(subject=done.pk, kind="runs:step:ready").latest("at")
    assert json.loads(bytes(ready.leaf))["detail"] == {"delivery": row.pk}
    assert not Wake.objects.exists()


@pytest.mark.parametrize(
    "told",
    [
        {"type": "invoice.voided"},
        {"invoice": "in_2"},
        {"live": 1},
        {"live": None},
        {"invoice": ["in_1"]},
    ],
)
def test_an_event_that_does_not_fit_leaves_it_as_it_was(sender: Sender, told: dict[str, Any]) -> None:
    run = begin(invoice="in_1")
    work()
    before = Record.objects.filter(run=run.pk).count()
    pay(sender, **told)
    work()
    assert (state(run), Record.objects.filter(run=run.pk).count()) == (("waiting", "event"), before)


def test_what_came_since_the_run_began_counts_and_what_came_before_does_not(sender: Sender) -> None:
    pay(sender, identity="msg_before")
    run = begin(invoice="in_1")
    pay(sender, identity="msg_first")
    pay(sender, identity="msg_second")
    work()
    assert output(run)["id"] == "msg_first"
    late = begin(invoice="in_1")
    work()
    assert state(late) == ("waiting", "event")


def test_what_is_not_verified_wakes_nobody(sender: Sender) -> None:
    run = begin(invoice="in_1")
    sender.tell("invoice.paid", invoice="in_1", live=True)  # no door has looked at it
    work()
    Sender(sender.hook, "whsec_b3RoZXIgc2VjcmV0IG9mIHRlc3Rz").tell("invoice.paid", invoice="in_1", live=True)
    work()
    assert state(run) == ("waiting", "event")


def test_one_delivery_wakes_each_run_that_it_fits(sender: Sender) -> None:
    one, same, other = begin(invoice="in_1"), begin(invoice="in_1"), begin(invoice="in_2")
    work()
    row = pay(sender)
    work()
    assert [step(run).state for run in (one, same, other)] == ["succeeded", "succeeded", "waiting"]
    assert {(wait.run, wait.step) for wait in events.woken_by([row.pk])[row.pk]} == {
        (one.pk, "paid"),
        (same.pk, "paid"),
    }


TWO = """
workflow: two
title: Two
steps:
  one: {event: {webhook: stripe.events, within: {days: 1}}}
  other: {event: {webhook: stripe.events, within: {days: 1}}}
"""


@pytest.mark.parametrize("before", [True, False])
def test_two_steps_of_a_run_get_two_events(sender: Sender, before: bool) -> None:
    run = begin(TWO)
    if not before:
        work()
    sender.told("a", identity="msg_a")
    work()
    assert sorted(Step.objects.filter(run=run).values_list("state", flat=True)) == ["succeeded", "waiting"]
    sender.told("b", identity="msg_b")
    work()
    outputs: list[Any] = list(Step.objects.filter(run=run).values_list("output", flat=True))
    assert sorted(one["id"] for one in outputs) == ["msg_a", "msg_b"]


EACH = """
workflow: each
title: Each
steps:
  paid:
    for_each: "${{ `[\\"in_1\\", \\"in_2\\"]` }}"
    event: {webhook: stripe.events, where: {/data/invoice: "${{ item }}"}, within: {minutes: 5}}
"""


def test_for_each_waits_for_one_event_of_each_item(sender: Sender) -> None:
    run = begin(EACH)
    work()
    pay(sender, "in_2")
    work()
    pay(sender, "in_1")
    work()
    assert [one["body"]["data"]["invoice"] for one in output(run)] == ["in_1", "in_2"]


def test_a_time_that_is_over_fails_the_step_by_name(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(invoice="in_1")
    work()
    later = lambda: dt.datetime.now(dt.UTC) + dt.timedelta(hours=2, seconds=1)  # noqa: E731
    monkeypatch.setattr(sweep, "now", later)
    monkeypatch.setattr("console.executors.event.now", later)
    assert sweep.ready_due(actor=system("beat")) == 1
    work()
    assert (step(run).state, step(run).error) == (
        "failed", {"code": "timed_out", "text": "No event of stripe.events that fits came in time."}
    )  # fmt: skip
    assert Run.objects.filter(pk=run.pk, outcome__code="timed_out").exists()
    pay(sender)
    work()
    assert (step(run).state, Wait.objects.get().delivery) == ("failed", None)


def test_an_event_in_the_last_moment_counts(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was taken before the time was over, and the step tried after."""
    run = begin(invoice="in_1")
    work()
    pay(sender)
    assert take_delivery(actor=system("worker"))
    monkeypatch.setattr("console.executors.event.now", lambda: dt.datetime.now(dt.UTC) + dt.timedelta(hours=3))
    work()
    assert step(run).state == "succeeded"


def test_a_cancelled_run_takes_nothing(sender: Sender) -> None:
    run = begin(invoice="in_1")
    work()
    cancel_run(run, actor=acting("jonas"))
    pay(sender)
    work()
    assert (step(run).state, Wait.objects.get().delivery) == ("cancelled", None)


def failure(run: Run) -> dict[str, str]:
    work()
    found: dict[str, str] = step(run).error or {}
    return found


def test_a_webhook_of_another_team_or_none_at_all_or_ended_is_not_found(team: Team) -> None:
    olga = acting(outsider().username)
    described = "{integration: stripe, title: S, operations: {a: {title: A, effect: read, method: GET, path: /}}}"
    describe_integration(described, base_url="https://elsewhere.example", actor=olga)
    make_hook(who="olga")
    not_found = {"code": "not_found", "text": "Your team has no webhook 'stripe.events', or it has ended."}
    assert failure(begin(invoice="in_1")) == not_found
    end_webhook(make_hook(), actor=acting("mira"))
    assert failure(begin(invoice="in_1")) == not_found


def test_steps_that_wait_at_a_webhook_that_ends_fail_at_once_and_others_wait_on(team: Team, sender: Sender) -> None:
    run, webhook = begin(invoice="in_1"), sender.hook
    work()
    assert (sweep.offer_steps(), state(run), events.waiting_at(webhook.pk)) == (0, ("waiting", "event"), 1)
    end_webhook(webhook, actor=acting("mira"))
    assert (sweep.offer_steps(), state(run)) == (1, ("ready", "event"))
    not_found = {"code": "not_found", "text": "Your team has no webhook 'stripe.events', or it has ended."}
    work()
    assert (step(run).error, Run.objects.get(pk=run.pk).state) == (not_found, "failed")
    assert (sweep.offer_steps(), events.waiting_at(webhook.pk)) == (0, 0)


def test_what_came_before_a_webhook_ended_is_still_handed_out(team: Team, sender: Sender) -> None:
    run = begin(invoice="in_1")
    work()
    pay(sender)
    end_webhook(sender.hook, actor=acting("mira"))
    sweep.offer_steps()
    assert state(run) == ("waiting", "event")
    work()
    assert step(run).state == "succeeded"


def test_a_step_goes_on_at_a_webhook_of_the_same_name_that_was_opened_meanwhile(team: Team, sender: Sender) -> None:
    run = begin(invoice="in_1")
    work()
    end_webhook(sender.hook, actor=acting("mira"))
    pay(Sender(make_hook()))
    work()
    sweep.offer_steps()
    work()
    assert step(run).state == "succeeded"


def test_what_another_team_is_told_wakes_nobody_here(sender: Sender) -> None:
    olga = acting(outsider().username)
    described = "{integration: stripe, title: S, operations: {a: {title: A, effect: read, method: GET, path: /}}}"
    describe_integration(described, base_url="https://elsewhere.example", actor=olga)
    run = begin(invoice="in_1")
    work()
    pay(Sender(make_hook(who="olga")))
    work()
    assert state(run) == ("waiting", "event")


def test_an_expression_that_gives_nothing_is_told_at_once(sender: Sender) -> None:
    source = WAITS.replace("${{ inputs.invoice }}", "${{ inputs.nothing }}")
    assert failure(begin(source, invoice="in_1"))["code"] == "invalid"


def test_a_worker_that_dies_at_it_loses_and_doubles_nothing(sender: Sender) -> None:
    """Between the wake and the end of the step."""
    run = begin(invoice="in_1")
    work()
    pay(sender, identity="msg_a")
    take_delivery(actor=system("worker"))
    assert claim_step(999, actor=system("worker"))  # and is never heard of again
    pay(sender, identity="msg_b")
    assert sweep.release_lost(actor=system("beat")) == 1
    work()
    assert output(run)["id"] == "msg_a"


def test_neither_misses_the_other_however_they_meet(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery is verified, and a worker takes its wake, while the step has looked and not yet begun to wait."""
    run = begin(invoice="in_1")
    looked, go_on = threading.Event(), threading.Event()
    listen = events.listen

    def slowly(step: Step, run: Run, awaited: Awaited) -> Wait:
        wait = listen(step, run, awaited)
        looked.set()
        assert go_on.wait(20)
        return wait

    monkeypatch.setattr(attempt, "listen", slowly)
    waiting = in_thread(work)
    assert looked.wait(20)
    pay(sender)
    waking = in_thread(work)
    wait_until(somebody_waits_for_a_turn, "the second worker waits for its turn")
    go_on.set()
    waiting.join(20)
    waking.join(20)
    monkeypatch.setattr(attempt, "listen", listen)
    work()
    assert step(run).state == "succeeded"


def in_thread(task: Any) -> threading.Thread:
    def run() -> None:
        try:
            task()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def somebody_waits_for_a_turn() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
        return bool(cursor.fetchone()[0])


def test_a_delivery_wakes_within_the_judgement_or_not_at_all(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    sender.tell("a")

    def fail(**_: object) -> None:
        raise RuntimeError("for the test")

    monkeypatch.setattr(Wake.objects, "create", fail)
    with pytest.raises(RuntimeError), transaction.atomic():
        judge_all()
    assert Delivery.objects.get().outcome == ""


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("{webhook: stripe.events}", "'within' is a required property"),
        ("{webhook: events, within: {days: 1}}", "does not match"),
        ("{webhook: stripe.events, within: {days: 31}}", "31 is greater than the maximum of 30"),
        ("{webhook: stripe.events, within: {days: 1, hours: 1}}", "too many properties|has too many"),
        ("{webhook: stripe.events, within: {days: 0}}", "0 is less than or equal to the minimum of 0"),
        ("{webhook: stripe.events, within: {days: 1}, where: {id: 1}}", "'id' does not match"),
    ],
)
def test_a_workflow_says_what_it_waits_for(given: str, place: str) -> None:
    with pytest.raises(Invalid, match=place):
        parse(f"workflow: w\ntitle: W\nsteps: {{a: {{event: {given}}}}}")
