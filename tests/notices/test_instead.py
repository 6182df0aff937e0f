"""Who signs in another's place is told of what waits for them, and of no vote."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from approvals.delegations import Wanted, give_delegation
from approvals.signoff import ByPassword, signoff
from console.accounts.models import User
from console.core.clock import now
from console.notices.deliver import deliver_all
from console.notices.models import Address
from examples.demo.people import acting
from tests.notices.conftest import Clock, Inbox, listening
from tests.notices.test_blind import TWO, read
from tests.pages.conftest import PASSWORD, Hold

pytestmark = pytest.mark.usefixtures("staff")


def give(who: str, to: str, **more: Any) -> None:
    wanted = Wanted(User.objects.get(username=to).pk, now(), now() + dt.timedelta(days=1), **more)
    give_delegation(wanted, actor=replace(acting(who), stepped_up_at=now()))


def told(inbox: Inbox, clock: Clock) -> set[str]:
    inbox.envelopes.clear()
    clock.forward(minutes=3)
    deliver_all()
    return {str(one["To"]).partition("@")[0] for one in inbox.letters}


def test_the_delegate_is_told_beside_the_delegator(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    give("bea", "emil")
    hold(group="finance")
    assert told(inbox, clock) == {"ana", "bea", "cleo", "emil"}


def test_while_somebody_is_away_the_delegate_is_told_in_their_place(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    give("bea", "emil", away=True)
    hold(group="finance")
    assert told(inbox, clock) == {"ana", "cleo", "emil"}


def test_nobody_goes_untold_because_the_delegate_cannot_be_reached(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    give("bea", "emil", away=True)
    Address.objects.filter(user__username="emil").delete()
    hold(group="finance")
    assert told(inbox, clock) == {"ana", "bea", "cleo"}


@pytest.mark.parametrize("bounds", [{"at_most": 1, "currency": "eur"}, {"categories": ["legal"]}])
def test_of_what_is_not_covered_the_delegator_is_told(
    hold: Hold, inbox: Inbox, clock: Clock, bounds: dict[str, Any]
) -> None:
    give("bea", "emil", away=True, **bounds)
    hold(group="finance", amount_minor=500, currency="eur")
    assert told(inbox, clock) == {"ana", "bea", "cleo"}


@pytest.mark.parametrize("voter", ["bea", "emil"])
def test_a_vote_changes_nothing_that_the_other_is_sent(hold: Hold, inbox: Inbox, clock: Clock, voter: str) -> None:
    """Bea's own, or Emil's for her. All but whoever voted are told, and reminded, of both reviews alike."""
    give("bea", "emil")
    voted, other = hold(slots=TWO), hold(slots=TWO)
    signoff(voted.id, verdict="approve", proof=ByPassword(PASSWORD), actor=acting(voter))
    for time in ({"minutes": 3}, {"hours": 2}):
        clock.forward(**time)
        deliver_all()
    told = [(str(one["To"]).partition("@")[0], voted.id in read(one), other.id in read(one)) for one in inbox.letters]
    assert sorted(one for one in told if one[0] != voter) == sorted(
        (who, True, True) for who in {"ana", "bea", "cleo", "emil"} - {voter} for _ in range(2)
    )


def test_the_settings_of_whoever_is_told_are_their_own(hold: Hold, inbox: Inbox, clock: Clock) -> None:
    give("bea", "emil", away=True)
    listening("emil", by_mail=False)
    hold(group="finance")
    assert told(inbox, clock) == {"ana", "bea", "cleo"}
