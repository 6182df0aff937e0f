"""What a slot asks of whoever signs is known only while they sign: the door believes the console's word of it, and no
row."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from approvals.models import Action, Review
from approvals.publish import publish_policy
from approvals.tasks import drive
from console.accounts.models import Team
from console.accounts.people import create_user, set_membership
from console.core.errors import Forbidden
from examples.demo.people import acting
from tests.accounts.authenticator import SoftAuthenticator
from tests.gateway.test_spending import granted
from tests.gateway.test_totals import ask
from tests.spine.attacker import alarms, ends_unsent, owner
from tests.spine.conftest import DOOR, World
from tests.standins.fault_proxy import FaultProxy

PEOPLE = {"clerk": ["finance"], "head": ["finance", "board"]}
POLICY = """
policy: p
rules:
  - {id: rest, when: {}, then: review, review: {slots: [{group: finance, where: "'board' in signer_groups"}]}}
"""


@pytest.fixture
def office(world: World) -> World:
    for name, groups in PEOPLE.items():
        user = create_user(name, name.capitalize(), actor=DOOR)
        set_membership(user, Team.objects.get(), roles=["reviewer"], groups=groups, actor=DOOR)
        world.keys[name] = SoftAuthenticator()
        world.keys[name].register(user, acting(name))
    publish_policy(POLICY, actor=acting("mira"))
    return world


@pytest.fixture
def held(office: World) -> Review:
    return Review.objects.select_related("action").get(action=ask(office, granted({}), "large", 4_200))


def test_whoever_is_asked_for_signs_and_it_is_done(office: World, held: Review) -> None:
    with pytest.raises(Forbidden, match="somebody else of your groups"):
        office.sign(held, "clerk")
    office.sign(held, "head")
    drive(held.action_id)
    assert (Action.objects.get().state, [one["amount"] for one in office.refunds()]) == ("succeeded", [4_200])


def rewrite_slot(database: str, spec: Mapping[str, Any]) -> None:
    with owner(database) as tables:
        tables.execute("ALTER TABLE approvals_slot DISABLE TRIGGER USER")
        tables.execute("UPDATE approvals_slot SET spec = %s", [json.dumps(spec)])
        tables.execute("ALTER TABLE approvals_slot ENABLE TRIGGER USER")


def test_a_slot_that_asked_less_while_somebody_signed_counts_for_nothing(
    office: World, held: Review, committed: str, proxy: FaultProxy
) -> None:
    asked = held.slots.get().spec
    rewrite_slot(committed, {**asked, "where": ""})
    office.sign(held, "clerk")
    rewrite_slot(committed, asked)
    assert ends_unsent(office, proxy, held.action).state == "stale"
    assert alarms(held.action_id) == ["The decision does not carry this console's signature."]


def test_a_slot_that_asks_less_for_good_is_not_what_the_policy_asks(
    office: World, held: Review, committed: str, proxy: FaultProxy
) -> None:
    rewrite_slot(committed, {**held.slots.get().spec, "where": ""})
    office.sign(held, "clerk")
    after = ends_unsent(office, proxy, held.action)
    assert (after.state, (after.outcome or {})["code"]) == ("stale", "policy_changed")
