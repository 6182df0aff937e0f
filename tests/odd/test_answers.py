"""Answers that nobody foresaw: what was done is known as what it is, and nothing is repeated for ever."""

import datetime as dt
import json
from typing import Any

import pytest
from django.db import transaction

from approvals import alarm, pace, reverse
from approvals import recover as recovery
from approvals.models import Action, Review
from approvals.pace import MOST_TIMES
from approvals.tasks import drive
from console.core.actor import system
from console.core.clock import now
from integrations.describe import give_grant
from integrations.models import Call
from tests.odd.conftest import THINGS, Shop

LONG_ID = 1_850_000_000_000_000_001  # beyond what a float tells apart, and canonical JSON writes


def posts(shop: Shop) -> int:
    return [method for method, *_ in shop.peer.heard].count("POST")


@pytest.mark.parametrize("body", [b'{"id": 1, "fee": 1e999}', b"[" * 5_000, b'{"fee": NaN}', b"\xff\xfe\x00"])
def test_what_the_database_cannot_keep_loses_no_receipt(body: bytes, shop: Shop) -> None:
    shop.connect()
    shop.peer.says = lambda *_: (200, {}, body)
    read, written = shop.ask("look"), shop.ask(amount=5)
    assert (read.state, written.state, len(shop.peer.heard)) == ("succeeded", "succeeded", 2)


@pytest.mark.parametrize("when", ["total > `0`", "sum(total) > `0`", "abs(total) == `5`"])
def test_a_condition_that_the_answer_does_not_suit_leaves_it_in_doubt(when: str, shop: Shop) -> None:
    shop.connect(f'success: {{when: "{when}"}}')
    shop.peer.says = lambda *_: (200, {}, b'{"total": "5.00"}')
    action = shop.ask(amount=5)
    assert (action.state, posts(shop)) == ("in_doubt", 1)


def test_a_long_number_that_is_read_is_pinned_and_signed(shop: Shop) -> None:
    shop.connect("reads: {thing: {operation: look, pin: [id, sizes]}}")
    shop.peer.says = lambda *_: (200, {}, json.dumps({"id": LONG_ID, "sizes": [5e20, 5]}).encode())
    held = shop.ask(amount=5)
    assert (held.state, held.reads) == ("succeeded", {"thing": {"id": str(LONG_ID), "sizes": ["5e+20", 5]}})


def test_a_probe_that_says_nothing_sensible_leads_to_a_person(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.connect('probe: {operation: look, happened: "length(items)"}')
    shop.peer.says = lambda method, _: (500, {}, b"{}") if method == "POST" else (200, {}, b'{"things": []}')
    action = shop.ask(amount=5)
    assert (action.state, Review.objects.get(action=action).kind, posts(shop)) == ("in_doubt", "doubt", 1)


def test_a_host_that_is_no_name_is_told_as_not_reached(shop: Shop) -> None:
    shop.base_url = "http://things..example"
    shop.connect()
    read, written = shop.ask("look"), shop.ask(amount=5)
    assert [(one.state, (one.outcome or {})["code"]) for one in (read, written)] == [
        ("failed", "unreachable"), ("failed", "not_sent")]  # fmt: skip


def broken(*_: object, **__: object) -> Any:
    raise RuntimeError("nobody foresaw this")


def test_an_error_that_nobody_foresaw_puts_it_off_and_ends_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.connect()
    monkeypatch.setattr("approvals.prepare.derive", broken)
    action = shop.propose(amount=5)
    with pytest.raises(RuntimeError):
        drive(action.pk)
    drive(action.pk)  # not before its time
    action.refresh_from_db()
    assert action.not_before
    assert (action.state, action.put_off, action.not_before > now()) == ("proposed", 1, True)
    Action.objects.update(put_off=MOST_TIMES, not_before=None)
    with pytest.raises(RuntimeError):
        drive(action.pk)
    action.refresh_from_db()
    assert (action.state, (action.outcome or {})["code"]) == ("failed", "broken")


def test_an_error_that_nobody_foresaw_in_doubt_repeats_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.connect('probe: {operation: look, happened: "id"}')
    shop.peer.says = lambda *_: (500, {}, b"{}")
    monkeypatch.setattr(recovery, "probe", broken)
    action = shop.propose(amount=5)
    with pytest.raises(RuntimeError):
        drive(action.pk)
    action.refresh_from_db()
    assert (action.state, action.put_off, posts(shop)) == ("in_doubt", 1, 1)
    Action.objects.update(not_before=None)
    monkeypatch.setattr(recovery, "now", lambda: now() + 2 * recovery.UNREADABLE_FOR)
    with pytest.raises(RuntimeError):
        drive(action.pk)
    assert (Review.objects.get(action=action).kind, posts(shop)) == ("doubt", 1)


def test_an_unreadable_probe_is_looked_at_more_and_more_seldom_until_a_person_is_asked(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.connect('probe: {operation: look, happened: "id"}')
    shop.peer.says = lambda *_: (500, {}, b"{}")
    later, waits = dt.timedelta(), list[float]()
    for module in (alarm, pace, recovery):
        monkeypatch.setattr(module, "now", lambda: now() + later)
    action = shop.propose(amount=5)
    while not Review.objects.filter(action=action).exists():
        drive(action.pk)
        action.refresh_from_db()
        if action.not_before and action.not_before > now() + later:
            waits.append((action.not_before - now() - later).total_seconds())
            later = action.not_before - now()
    assert later < 1.3 * recovery.UNREADABLE_FOR
    assert (len(waits) < 20, waits[0] < 7, max(waits) > 200, posts(shop)) == (True, True, True, 1)


def test_a_probe_that_is_throttled_leads_to_a_person_in_the_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.connect('probe: {operation: look, happened: "id"}')
    shop.peer.says = lambda method, _: (500, {}, b"{}") if method == "POST" else (429, {"Retry-After": "60"}, b"{}")
    action = shop.ask(amount=5)
    for later, asked in ((dt.timedelta(hours=1), False), (recovery.THROTTLED_FOR, True)):
        Action.objects.update(not_before=None)
        monkeypatch.setattr(recovery, "now", lambda later=later: now() + later)
        drive(action.pk)
        action.refresh_from_db()
        assert (action.state, Review.objects.filter(action=action).exists()) == ("in_doubt", asked)
    assert (Review.objects.get(action=action).kind, posts(shop)) == ("doubt", 1)


BACK = """
  unmake:
    title: Unmake
    effect: destructive
    trust: reviewed
    method: POST
    path: /unmake
    body: json
    arguments:
      id: {in: body, required: true, schema: {type: integer}}
    idempotency: {mode: native_key, header: Idempotency-Key, evidence: a test}
"""


def test_what_cannot_be_sent_back_ends_the_undoing_of_a_run(shop: Shop) -> None:
    integration = shop.connect('compensation: {operation: unmake, arguments: {id: "${{ answer.id }}"}}',
                               text=THINGS + BACK)  # fmt: skip
    credential = integration.credentials.get()
    give_grant(grantee="people", operations=["unmake"], credential=credential, actor=shop.admin)
    shop.peer.says = lambda *_: (200, {}, b'{"id": %d}' % LONG_ID)
    action = shop.ask(amount=5)
    shop.sql("UPDATE approvals_action SET run = 'run_1'")
    with transaction.atomic():
        asked = reverse.undo_run("run_1", says="It failed.", maker="usr_maker", actor=system("worker"))
    assert (action.state, asked, Action.objects.count()) == ("succeeded", (0, 1), 1)


PAGED = THINGS.replace(
    "path: /look}",
    "path: /look, arguments: {page: {in: query, schema: {type: integer}}}, rate_limit: {calls: 2, seconds: 30},"
    " pagination: {argument: page, items: items, first: 1, counts: pages}}",
)

DAILY = PAGED.replace("seconds: 30", "seconds: 86400")


def test_a_list_of_more_pages_than_may_be_read_at_once_is_read_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """To begin anew each time would come as far each time."""
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        monkeypatch.setattr("approvals.pace.now", lambda: now() + recovery.UNREADABLE_FOR * len(waited))

    monkeypatch.setattr("approvals.reading.time.sleep", wait)
    shop.connect('reads: {all: {operation: look, pin: ["length(items)"]}}', text=PAGED)
    shop.peer.says = lambda _, path: (200, {}, b'{"items": [1]}' if path[-1] in "123" else b'{"items": []}')
    action = shop.ask(amount=5)
    pages = [path for method, path, _ in shop.peer.heard if method == "GET"]
    assert (action.state, action.reads) == ("succeeded", {"all": {"length(items)": 3}})
    assert pages[:4] == [f"/look?page={page}" for page in range(1, 5)]
    assert 0 < max(waited) <= 30


def test_a_list_that_others_left_no_room_for_is_read_later(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.connect('reads: {all: {operation: look, pin: ["length(items)"]}}', text=DAILY)
    shop.peer.says = lambda _, path: (200, {}, b'{"items": [1]}' if path[-1] == "1" else b'{"items": []}')
    assert shop.ask("look", page=9).state == "succeeded"
    action = shop.ask(amount=5)
    assert (action.state, action.outcome) == ("proposed", None)
    monkeypatch.setattr("approvals.pace.now", lambda: now() + dt.timedelta(days=1))
    drive(action.pk)
    assert Action.objects.get(pk=action.pk).state == "succeeded"


def test_a_list_that_is_too_long_for_its_rate_limit_is_told(shop: Shop) -> None:
    shop.connect('reads: {all: {operation: look, pin: ["length(items)"]}}', text=DAILY)
    shop.peer.says = lambda *_: (200, {}, b'{"items": [1]}')
    action = shop.ask(amount=5)
    assert (action.state, (action.outcome or {})["text"]) == (
        "failed", "look has more pages than its rate limit lets be read in 60 seconds.")  # fmt: skip


def test_of_a_call_that_was_put_off_the_sending_counts(shop: Shop) -> None:
    """And not the first try, which was too early."""
    limits = {"calls": {"at_most": 1, "hours": 1}, "sums": [{"argument": "amount", "at_most": 1_000, "hours": 24}]}
    shop.connect(limits=limits)
    answers = iter([(429, {"Retry-After": "1"}, b"{}")])
    shop.peer.says = lambda *_: next(answers, (200, {}, b"{}"))
    first = shop.ask(amount=5)
    assert first.state == "permitted"
    shop.sql("UPDATE integrations_call SET sent_at = sent_at - interval '2 hours'")
    shop.sql("UPDATE approvals_action SET not_before = NULL, created_at = created_at - interval '2 hours'")
    drive(first.pk)
    second = shop.ask(amount=5)
    assert Action.objects.get(pk=first.pk).state == "succeeded"
    assert (second.state, (second.outcome or {})["code"], Call.objects.count()) == ("refused", "beyond_grant", 2)
