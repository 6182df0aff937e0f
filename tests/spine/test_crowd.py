"""Fifty people decide one review in the same moment: one outcome, as many signatures as were asked for, no deadlock."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from approvals.models import Action, Decision, Permit, Review
from approvals.publish import publish_policy
from approvals.signoff import ByPasskey, BySession, Proof, prepare_decision, signoff
from approvals.tasks import drive
from audit.models import Record
from console.accounts.models import Team, User
from console.accounts.people import create_user, set_membership
from console.core.errors import Conflict
from examples.demo.people import acting
from tests.accounts.authenticator import SoftAuthenticator
from tests.gateway.test_spending import granted
from tests.gateway.test_totals import ask
from tests.spine.conftest import DOOR, World

PEOPLE = 50
SLOT = "{{group: crowd, count: 2, blind: {}}}"
POLICY = f"policy: p\nrules:\n  - {{{{id: rest, when: {{{{}}}}, then: review, review: {{{{slots: [{SLOT}]}}}}}}}}\n"


@pytest.fixture
def crowd(world: World) -> list[str]:
    names = [f"person-{number}" for number in range(PEOPLE)]
    for name in names:
        user = create_user(name, name.capitalize(), actor=DOOR)
        set_membership(user, Team.objects.get(), roles=["reviewer"], groups=["crowd"], actor=DOOR)
        world.keys[name] = SoftAuthenticator()
        world.keys[name].register(User.objects.get(username=name), acting(name))
    return names


def prepared(world: World, review: Review, who: str, verdict: str) -> Proof:
    """A signature that is ready: all of them are handed in at once."""
    if verdict == "refuse":
        return BySession()
    made = prepare_decision(review.id, verdict=verdict, reason="", actor=acting(who))
    return ByPasskey(str(made["prepared"]), world.keys[who].sign_options(made["options"]))


@pytest.mark.parametrize("blind", ["true", "false"])
@pytest.mark.parametrize("refusing", [0, 25])
def test_one_outcome_whoever_is_first(blind: str, refusing: int, world: World, crowd: list[str]) -> None:
    publish_policy(POLICY.format(blind), actor=acting("mira"))
    review = Review.objects.get(action=ask(world, granted({}), "large", 4_200))
    verdicts = {who: "refuse" if number < refusing else "approve" for number, who in enumerate(crowd)}
    proofs = {who: prepared(world, review, who, verdict) for who, verdict in verdicts.items()}
    together = threading.Barrier(PEOPLE)

    def decide(who: str) -> str:
        together.wait(60)
        try:
            reason = "No." if verdicts[who] == "refuse" else ""
            signoff(review.id, verdict=verdicts[who], reason=reason, proof=proofs[who], actor=acting(who))
        except Conflict as late:
            return late.code
        finally:
            connections.close_all()
        return "counted"

    with ThreadPoolExecutor(PEOPLE) as people:
        told = Counter(people.map(decide, crowd))
    counted = Decision.objects.filter(review=review)
    after = Review.objects.get(pk=review.pk)
    assert (told["counted"], sum(told.values())) == (counted.count(), PEOPLE)
    assert set(told) <= {"counted", "already_decided", "slot_filled"}
    ended = Record.objects.filter(kind__in=["approvals:review:approved", "approvals:review:refused"], subject=review.pk)
    assert ended.count() == 1
    verdict = "refused" if counted.filter(verdict="refuse").exists() else "approved"
    assert (after.state, counted.filter(verdict="approve").count() <= 2) == (verdict, True)
    permits = Permit.objects.filter(action=review.action_id)
    assert permits.count() == (1 if verdict == "approved" else 0)
    drive(review.action_id)
    assert Action.objects.get(pk=review.action_id).state == ("succeeded" if verdict == "approved" else "refused")
    assert len(world.refunds()) == (1 if verdict == "approved" else 0)
