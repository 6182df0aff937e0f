"""What a policy wants stated before somebody approves, down to the door."""

import pytest

from approvals.care.looks import state_fact
from approvals.models import Action, PolicyVersion
from approvals.publish import publish_policy
from console.core.errors import Conflict
from examples.demo.people import acting
from tests.spine.attacker import alarms, ends_unsent
from tests.spine.conftest import World
from tests.standins.fault_proxy import FaultProxy


def ask_for_statements() -> None:
    source = PolicyVersion.objects.get().source
    asking = source.replace("signature: passkey, expires", "signature: passkey, states: [amount], expires")
    publish_policy(asking, actor=acting("mira"))


def test_what_was_stated_and_signed_is_sent(world: World) -> None:
    ask_for_statements()
    world.begin()
    world.settle()
    review = world.review(large=True)
    with pytest.raises(Conflict, match="Before you approve: state the amount"):
        world.sign(review)
    assert state_fact(review.id, "amount", "480.00 EUR", actor=acting("ana"))
    world.sign(review)
    world.settle()
    assert Action.objects.get(pk=review.action_id).state == "succeeded"
    assert len(world.refunds()) == 1


def test_the_door_counts_no_vote_of_somebody_who_did_not(
    world: World, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the process that took the vote believed."""
    ask_for_statements()
    world.begin()
    world.settle()
    monkeypatch.setattr("approvals.signoff.check_awake", lambda *given: None)
    action = world.sign(world.review(large=True)).action
    proxy.requests.clear()
    after = ends_unsent(world, proxy, action)
    assert (after.state, len(alarms(action.id))) == ("stale", 1)
