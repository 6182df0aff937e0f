"""While a blind slot is open, nothing that is sent differs by who has voted, or how, for anybody but the voter."""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage

import pytest
from django.db import transaction

from approvals.models import Review
from approvals.policies.slots import SlotSpec, Way
from approvals.signoff import ByPassword, BySession, signoff
from console.notices.deliver import deliver_all
from console.notices.models import CHAT, Event, Message
from examples.demo.people import acting
from tests.notices.conftest import Clock, Inbox, Receiver, a_channel
from tests.pages.conftest import PASSWORD, Hold

pytestmark = pytest.mark.usefixtures("staff")
TWO = [SlotSpec((Way("finance", 2),), signature="password")]
EACH = [SlotSpec((Way("finance"),), signature="password"), SlotSpec((Way("legal"),), signature="password")]
HOW = ("approve", "refuse", "recuse")
STEPS = ({"minutes": 3}, {"hours": 2}, {"hours": 1})
# What differs from one review and one moment to the next.
VARYING = re.compile(r"(?:rev|msg|chn)_\w{26}|\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+Z|Date: .*|\d+ Nov|v1a,\S+")
Transcript = list[tuple[str, str]]


def vote(review: Review, who: str, how: str) -> None:
    proof = ByPassword(PASSWORD) if how == "approve" else BySession()
    signoff(review.id, verdict=how, reason="" if how == "approve" else "No.", proof=proof, actor=acting(who))


def read(letter: EmailMessage) -> str:
    """All that a mail program shows or goes by."""
    head = [f"{name}: {value}" for name, value in letter.items() if name != "Content-Type"]
    return "\n".join([*head, *(str(part.get_content()) for part in letter.iter_parts())])


@pytest.fixture
def played(
    hold: Hold, inbox: Inbox, receiver: Receiver, clock: Clock
) -> Callable[[list[SlotSpec], str, int], Transcript]:
    """All that is sent of two reviews to anybody but Bea, who votes on one of them, or on none, before that step."""

    def play(slots: list[SlotSpec], how: str, when: int) -> Transcript:
        clock.ahead = dt.timedelta()
        inbox.envelopes.clear()
        receiver.calls.clear()
        before = transaction.savepoint()
        a_channel(receiver)
        a_channel(receiver, CHAT, "finance")
        voted, other = hold(slots=slots), hold(slots=slots)
        for number, time in enumerate(STEPS):
            if how and number == when:
                vote(voted, "bea", how)
            clock.forward(**time)
            deliver_all()
        assert Review.objects.filter(pk__in=[voted.pk, other.pk], state="open").count() == 2
        transaction.savepoint_rollback(before)
        letters = [(str(one["To"]), VARYING.sub("…", read(one))) for one in inbox.letters]
        calls = [("channel", VARYING.sub("…", call.body.decode())) for call in receiver.calls]
        return sorted(one for one in [*letters, *calls] if not one[0].startswith("bea@"))

    return play


@pytest.mark.parametrize("when", [0, 1, 2])
@pytest.mark.parametrize("slots", [TWO, EACH], ids=["two of one group", "one of each of two groups"])
def test_a_vote_changes_nothing_that_others_are_sent(
    played: Callable[[list[SlotSpec], str, int], Transcript], slots: list[SlotSpec], when: int
) -> None:
    expected = played(slots, "", when)
    assert {who.partition("@")[0] for who, _ in expected} >= {"ana", "cleo", "channel"}
    assert len(expected) >= 8
    for how in HOW:
        assert played(slots, how, when) == expected, how


def test_once_no_slot_is_blind_whose_own_is_filled_is_not_asked(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    seen = [replace(EACH[0], blind=False), replace(EACH[1], blind=False)]
    review = hold(slots=seen)
    vote(review, "bea", "approve")
    clock.forward(**STEPS[0])
    deliver_all()
    assert {str(one["To"]).partition("@")[0] for one in inbox.letters} == {"cleo", "emil"}


def test_nobody_is_told_because_of_a_vote(hold: Hold, clock: Clock) -> None:
    review = hold(slots=TWO)
    before = Event.objects.count()
    vote(review, "bea", "refuse")
    assert Event.objects.count() == before
    deliver_all()
    assert not Message.objects.exists()


def test_who_has_voted_is_not_reminded(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    voted, other = hold(slots=TWO), hold(slots=TWO)
    vote(voted, "bea", "approve")
    for time in STEPS[:2]:
        clock.forward(**time)
        deliver_all()
    hers = [str(one) for one in inbox.letters if str(one["To"]).startswith("bea@")]
    assert [(voted.id in one, other.id in one) for one in hers] == [(False, True)] * 2
