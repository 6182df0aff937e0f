"""A policy that asks for people whose identity was seen: asked before they sign, and by the door before it sends."""

import datetime as dt

import pytest

from approvals.models import Action
from console.accounts.models import Team, User
from console.accounts.proofings import record_proofing
from console.core.actor import system
from console.core.errors import Forbidden
from examples.demo.people import acting
from tests.services import services
from tests.spine.attacker import alarms, ends_unsent
from tests.spine.conftest import World
from tests.spine.test_models import asks
from tests.standins.fault_proxy import FaultProxy


@pytest.fixture
def waiting(world: World) -> World:
    asks("proofed: true")
    world.begin()
    world.settle()
    return world


def see(who: str) -> None:
    ana, mira = (User.objects.get(username=name) for name in (who, "mira"))
    record_proofing(ana, Team.objects.get(pk=acting("mira").team), legal_name="Ana Ferreira Lopes", by=mira,
                    how="passport, in person", on=dt.date(2026, 11, 20), actor=system("shell"))  # fmt: skip


def test_only_somebody_whose_identity_was_seen_signs(waiting: World) -> None:
    with pytest.raises(Forbidden) as refusal:
        waiting.sign(waiting.review(large=True))
    assert refusal.value.code == "not_eligible"
    see("ana")
    action = waiting.sign(waiting.review(large=True)).action
    waiting.settle()
    assert Action.objects.get(pk=action.pk).state == "succeeded"
    assert len(waiting.refunds()) == 1


@pytest.mark.parametrize(
    "attack",
    ["DELETE FROM accounts_proofing", "UPDATE accounts_proofing SET attestation = decode(repeat('00', 64), 'hex')"],
)
def test_the_door_asks_again(waiting: World, proxy: FaultProxy, committed: str, attack: str) -> None:
    see("ana")
    action = waiting.sign(waiting.review(large=True)).action
    with services().superuser(committed) as connection:
        connection.execute("SET session_replication_role = replica")  # for them the triggers are only advice
        connection.execute(attack)
    ends_unsent(waiting, proxy, action)
    assert alarms(action.pk) != []


def test_a_policy_that_asks_for_it_after_the_signature_stops_it(held: World, proxy: FaultProxy) -> None:
    action = held.sign(held.review(large=True)).action
    asks("proofed: true")
    after = ends_unsent(held, proxy, action)
    assert (after.state, (after.outcome or {})["code"]) == ("stale", "policy_changed")
