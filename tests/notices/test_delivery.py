"""Tries, refusals, two deliverers at once, and a deliverer that dies: on a database where commits are real."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from pytest_django.plugin import DjangoDbBlocker

from audit.models import Record
from console.accounts.models import Team
from console.notices import deliver
from console.notices.above import NotTaken, post
from console.notices.channels import try_channel
from console.notices.deliver import LEASE, check_taken, deliver_all, keep_delivering, lease
from console.notices.mail import send_letter
from console.notices.models import CHAT, Event, Message, Notice
from examples.demo.people import acting
from tests.conftest import a_clone
from tests.notices.conftest import Clock, Inbox, Receiver, a_channel, letters_to
from tests.pages.conftest import Hold

WINDOW = 3


@pytest.fixture
def office(furnished: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Team]:
    """As elsewhere, of one's own: several connections see it."""
    with django_db_blocker.unblock(), a_clone(furnished):
        yield Team.objects.get()


def test_what_fails_is_tried_again_under_the_same_id(hold: Hold, receiver: Receiver, clock: Clock) -> None:
    a_channel(receiver)
    receiver.answer = lambda call: (503, {}) if len(receiver.calls) < 3 else (204, {})
    hold()
    clock.forward(minutes=WINDOW)
    for expected in (1, 2, 3, 3):
        deliver_all()
        assert len(receiver.calls) == expected
        clock.forward(minutes=16)
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1
    message = Message.objects.get()
    assert (message.tries, message.why_not, message.next_at) == (3, "", None)


def test_tries_come_to_an_end_that_is_told(hold: Hold, receiver: Receiver, clock: Clock) -> None:
    channel = a_channel(receiver)
    receiver.answer = lambda call: (500, {})
    hold(kind="doubt")  # so that it waits for longer than anybody tries
    clock.forward(minutes=WINDOW)
    for _ in range(40):
        deliver_all()
        clock.forward(minutes=16)
    message = Message.objects.get()
    assert message.why_not == "It answered 500."
    assert 10 < len(receiver.calls) == message.tries < 40
    [told] = Record.objects.filter(kind="notices:notice:given_up")
    assert (told.subject, told.team) == (message.pk, channel.team_id)
    assert json.loads(bytes(told.leaf))["detail"] == {
        "to": channel.pk, "kind": "reviews", "why": "It answered 500.", "tries": message.tries}  # fmt: skip


@pytest.mark.parametrize("status", [301, 400, 404, 410])
def test_who_does_not_want_it_is_not_asked_again(receiver: Receiver, office: Team, status: int) -> None:
    receiver.answer = lambda call: (status, {"Location": receiver.url})
    try_channel(a_channel(receiver, CHAT), actor=acting("mira"))
    deliver_all()
    assert len(receiver.calls) == 1
    assert Message.objects.get().why_not == f"It answered {status}."


@pytest.mark.parametrize("status", [408, 425, 429, 500, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    with pytest.raises(NotTaken) as fault:
        check_taken(status)
    assert not fault.value.for_good


def test_an_address_inside_is_not_dialled(receiver: Receiver, office: Team, settings: Any) -> None:
    settings.ALLOWED_NETWORKS = []
    try_channel(a_channel(receiver), actor=acting("mira"))
    deliver_all()
    assert receiver.calls == []
    message = Message.objects.get()
    assert message.next_at is not None
    assert message.sent_at is None


def test_why_it_failed_tells_nothing_of_a_secret_address(receiver: Receiver, office: Team, clock: Clock) -> None:
    receiver.answer = lambda call: (404, {})
    try_channel(a_channel(receiver, CHAT), actor=acting("mira"))
    deliver_all()
    receiver.port = 9
    try_channel(a_channel(receiver, CHAT), actor=acting("mira"))
    for _ in range(40):
        deliver_all()
        clock.forward(minutes=16)
    said = " ".join(Message.objects.values_list("why_not", flat=True))
    leaves = b"".join(bytes(leaf) for leaf in Record.objects.values_list("leaf", flat=True)).decode()
    assert said.count("It ") == 2
    assert "the-secret-of-this-address" not in said + leaves


def test_a_mail_server_that_refuses_for_good_is_believed(hold: Hold, staff: None, inbox: Inbox, clock: Clock) -> None:
    inbox.refused = {"ana@people.example"}
    hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    outcomes = dict(Message.objects.values_list("user__username", "why_not"))
    assert outcomes == {"ana": "The mail server refused the address: 550.", "bea": "", "cleo": ""}
    assert Record.objects.filter(kind="notices:notice:given_up").count() == 1


def test_a_mail_server_that_is_busy_or_away_is_asked_again(
    hold: Hold, staff: None, inbox: Inbox, clock: Clock, settings: Any
) -> None:
    inbox.answer = "451 Later"
    hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    settings.EMAIL_PORT, port = 9, settings.EMAIL_PORT
    clock.forward(seconds=30)
    deliver_all()
    assert Message.objects.filter(next_at__isnull=False, tries=2).count() == 3
    settings.EMAIL_PORT, inbox.answer = port, "250 OK"
    inbox.envelopes.clear()
    clock.forward(minutes=16)
    deliver_all()
    assert sorted(str(one["To"]) for one in inbox.letters) == [
        f"{name}@people.example" for name in ("ana", "bea", "cleo")]  # fmt: skip


def test_without_a_mail_server_nothing_is_lost(hold: Hold, staff: None, clock: Clock, settings: Any) -> None:
    assert settings.MAIL_FROM == ""
    hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert Message.objects.filter(next_at__isnull=False).count() == 3


def test_no_transaction_is_open_while_somebody_is_spoken_to(
    hold: Hold, staff: None, clock: Clock, receiver: Receiver, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def looked(real: Any) -> Any:
        def call(*given: Any) -> Any:
            seen.append(connection.in_atomic_block)
            return real(*given)

        return call

    monkeypatch.setattr(deliver, "send_letter", looked(send_letter))
    monkeypatch.setattr(deliver, "post", looked(post))
    a_channel(receiver)
    hold()
    clock.forward(minutes=WINDOW)
    deliver_all()
    assert seen == [False] * 4


def together(number: int) -> None:
    def work(_: int) -> int:
        try:
            return deliver_all()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as pool:
        list(pool.map(work, range(number)))


def test_several_deliverers_at_once_send_each_message_once(
    hold: Hold, staff: None, inbox: Inbox, clock: Clock, receiver: Receiver
) -> None:
    a_channel(receiver)
    a_channel(receiver, CHAT)
    for _ in range(5):
        hold()
    clock.forward(minutes=WINDOW)
    together(6)
    assert [len(letters_to(inbox, name)) for name in ("ana", "bea", "cleo")] == [1, 1, 1]
    assert len(receiver.calls) == 2
    assert Notice.objects.filter(occasion="opened").count() == 5 * 5
    assert set(Message.objects.values_list("tries", "next_at")) == {(1, None)}


def test_who_dies_between_sending_and_marking_leaves_it_to_others_under_the_same_id(
    hold: Hold, receiver: Receiver, clock: Clock
) -> None:
    a_channel(receiver)
    hold()
    clock.forward(minutes=WINDOW)
    killed = in_a_child(_die_after_sending)
    assert killed == -signal.SIGKILL
    assert len(receiver.calls) == 1
    deliver_all()
    assert len(receiver.calls) == 1  # somebody may still be at it
    clock.forward(seconds=LEASE.total_seconds() + 1)
    deliver_all()
    first, second = receiver.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert json.loads(first.body)["data"] == json.loads(second.body)["data"]
    assert Message.objects.get().sent_at is not None
    deliver_all()
    assert len(receiver.calls) == 2


@pytest.mark.parametrize("moment", ["plan_events", "gather_due", "lease", "deliver"])
def test_who_dies_anywhere_else_loses_nothing(hold: Hold, receiver: Receiver, clock: Clock, moment: str) -> None:
    a_channel(receiver)
    hold()
    clock.forward(minutes=WINDOW)
    assert in_a_child(lambda: _die_after(moment)) == -signal.SIGKILL
    clock.forward(seconds=LEASE.total_seconds() + 1)
    deliver_all()
    assert len(receiver.calls) == 1
    assert Event.objects.filter(planned_at=None).count() == 0


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_after_sending() -> None:
    setattr(deliver, "_finish", _die)  # noqa: B010  (in this process alone)
    deliver_all()


def _die_after(moment: str) -> None:
    """Or in the midst of planning, where it is one transaction; of what delivers, before it has begun."""
    real = getattr(deliver, moment)

    def act(*_: object) -> None:
        if moment != "deliver":
            real()
        _die()

    setattr(deliver, moment, act)
    deliver_all()


def in_a_child(work: Any) -> int:
    """A process of its own, with connections of its own. Returns how it ended."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def test_a_lease_that_was_lost_changes_nothing_of_the_next(receiver: Receiver, office: Team, clock: Clock) -> None:
    try_channel(a_channel(receiver), actor=acting("mira"))
    slow = lease()
    assert slow is not None
    clock.forward(seconds=LEASE.total_seconds() + 1)
    quick = lease()
    assert quick is not None
    deliver._put_off(slow, "late", for_good=True)
    assert Message.objects.get().next_at is not None
    deliver.deliver(quick)
    deliver._put_off(quick, "late", for_good=True)
    message = Message.objects.get()
    assert (message.why_not, message.sent_at is None) == ("", False)


def test_the_threads_of_the_door_deliver_and_end(
    hold: Hold, staff: None, inbox: Inbox, receiver: Receiver, office: Team
) -> None:
    called = threading.Event()
    receiver.answer = lambda call: (called.set(), (204, {}))[1]  # type: ignore[func-returns-value]
    try_channel(a_channel(receiver), actor=acting("mira"))
    stop = threading.Event()
    threads = keep_delivering(stop)
    try:
        assert called.wait(30)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert [thread.is_alive() for thread in threads] == [False] * 3


def test_a_fault_ends_no_thread(
    office: Team, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop, tried = threading.Event(), []

    def fail() -> int:
        tried.append(1)
        if len(tried) == 2:
            stop.set()
        raise RuntimeError("for the test")

    monkeypatch.setattr(deliver, "deliver_all", fail)
    monkeypatch.setattr(deliver, "PAUSE", 0.0)
    deliver._run(stop, 1)
    assert len(tried) == 2
    assert "notices failed" in caplog.text
