"""Proposing, voting, changing, naming others to sign, publishing, moving people, time, halts and taking back, in any
order: nothing is done without the signatures that the policy of that moment asks for.

What is enough is worked out here by trying all ways to place people, not by the code that the door uses.
"""

import contextlib
import datetime as dt
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from approvals.delegations import Wanted, end_delegation, give_delegation
from approvals.halts import halt, lift
from approvals.models import Action, Decision, Delegation, Halt, PolicyVersion, Review
from approvals.propose import Proposal, propose
from approvals.publish import publish_policy
from approvals.signoff import ByPasskey, BySession, prepare_decision, signoff
from approvals.sweep import expire_reviews, void_reviews
from approvals.tasks import drive
from approvals.withdraw import withdraw_action
from console.accounts.models import Team, User
from console.accounts.people import create_user, set_membership
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Refusal
from examples.demo.people import acting
from tests.accounts.authenticator import SoftAuthenticator
from tests.gateway.test_spending import granted
from tests.spine.conftest import DOOR, World

PEOPLE = ("signer-a", "signer-b", "signer-c", "signer-d", "signer-e")
GROUPS = (("finance",), ("board",), ("finance", "board"), ("operations",))
FINANCE, BOARD = "{group: finance}", "{group: board}"
SLOTS: dict[str, tuple[str, list[list[dict[str, int]]]]] = {  # the slots as they are written, and the ways to fill each
    "one": (FINANCE, [[{"finance": 1}]]),
    "two": ("{group: finance, count: 2}", [[{"finance": 2}]]),
    "both": (f"{FINANCE}, {BOARD}", [[{"finance": 1}], [{"board": 1}]]),
    "either": ("{group: board, or: [{group: finance, count: 2}]}", [[{"board": 1}, {"finance": 2}]]),
    "open": ("{group: finance, count: 2, blind: false, refusals: 2}", [[{"finance": 2}]]),
}
REVIEW = "policy: p\nrules:\n{rule}  - {{id: {name}, when: {{}}, then: review, review: {{slots: [{slots}]}}}}\n"
FIRST = {
    "nothing": "",
    "deny": "  - {id: no-more, when: {effect: [write]}, then: deny}\n",
    "cap": "  - {id: cap, when: {effect: [write]}, then: modify, modify: {cap: {amount: 3}}}\n",
    "defer": "  - {id: later, when: {effect: [write]}, then: defer, defer: {missing: Another policy}}\n",
}


class Signing(RuleBasedStateMachine):
    def __init__(self, world: World, grantee: str) -> None:
        super().__init__()
        self.world, self.grantee = world, grantee
        self.actions: list[str] = []
        self.done: set[str] = set()

    @initialize(name=st.sampled_from(sorted(SLOTS)))
    def a_policy_rules(self, name: str) -> None:
        self.publish(name, "nothing")
        self.something_is_asked_for(1, PEOPLE[0])

    @rule(name=st.sampled_from(sorted(SLOTS)), first=st.sampled_from(["nothing"] * 4 + sorted(FIRST)))
    def another_policy_rules(self, name: str, first: str) -> None:
        self.publish(name, first)

    def publish(self, name: str, first: str) -> None:
        source = REVIEW.format(rule=FIRST[first], name=name, slots=SLOTS[name][0])
        if PolicyVersion.objects.order_by("-number")[0].source != source:
            publish_policy(source, actor=acting("mira"))

    @rule(amount=st.integers(1, 5), maker=st.sampled_from(PEOPLE))
    def something_is_asked_for(self, amount: int, maker: str) -> None:
        arguments = {"charge": self.world.seeded.pair("large").later, "amount": amount}
        proposal = Proposal(Team.objects.get().id, "stripe.create_refund", arguments, self.grantee, [acting(maker).id])
        self.actions.append(propose(proposal, actor=system("web")).id)
        drive(self.actions[-1])

    @rule(which=st.integers(0, 9), who=st.sampled_from(PEOPLE), verdict=st.sampled_from(["approve"] * 4 + ["refuse"]))
    def somebody_votes(self, which: int, who: str, verdict: str) -> None:
        review = self.review(which)
        if review:
            with contextlib.suppress(Refusal):
                self.vote(review, who, verdict)

    @rule(which=st.integers(0, 9), people=st.permutations(PEOPLE), many=st.sampled_from([1, 2, 5, 5, 5]))
    def many_sign(self, which: int, people: list[str], many: int) -> None:
        review = self.review(which)
        for who in people[:many] if review else ():
            with contextlib.suppress(Refusal):
                self.vote(review, who, "approve")  # type: ignore[arg-type]
        if review:
            drive(review.action_id)

    def vote(self, review: Review, who: str, verdict: str) -> None:
        if verdict == "refuse":
            signoff(review.id, verdict="refuse", reason="No.", proof=BySession(), actor=acting(who))
            return
        made = prepare_decision(review.id, verdict=verdict, reason="", actor=acting(who))
        proof = ByPasskey(str(made["prepared"]), self.world.keys[who].sign_options(made["options"]))
        signoff(review.id, verdict=verdict, proof=proof, actor=acting(who))

    @rule(which=st.integers(0, 9), who=st.sampled_from(PEOPLE), amount=st.integers(1, 5))
    def somebody_changes_it(self, which: int, who: str, amount: int) -> None:
        review = self.review(which)
        if review:
            wanted = {**review.action.arguments, "amount": amount}
            with contextlib.suppress(Refusal):
                signoff(review.id, verdict="change", reason="So.", arguments=wanted, proof=BySession(),
                        actor=acting(who))  # fmt: skip
            drive(review.action_id)

    @rule(who=st.sampled_from(PEOPLE), groups=st.sampled_from(GROUPS))
    def somebody_is_moved(self, who: str, groups: tuple[str, ...]) -> None:
        user = User.objects.get(username=who)
        set_membership(user, Team.objects.get(), roles=["reviewer"], groups=groups, actor=DOOR)

    @rule(who=st.sampled_from(PEOPLE), other=st.sampled_from(PEOPLE))
    def somebody_names_another(self, who: str, other: str) -> None:
        wanted = Wanted(acting(other).id, now(), now() + dt.timedelta(hours=1))
        with contextlib.suppress(Refusal):
            give_delegation(wanted, actor=replace(acting(who), stepped_up_at=now()))

    @rule(who=st.sampled_from(PEOPLE))
    def somebody_signs_for_themself_again(self, who: str) -> None:
        for given in Delegation.objects.filter(state="given", delegator__username=who):
            end_delegation(given.pk, actor=acting(who))

    @rule(which=st.integers(0, 9))
    def the_time_is_over(self, which: int) -> None:
        review = self.review(which)
        if review:
            Review.objects.filter(pk=review.pk).update(expires_at=now() - dt.timedelta(seconds=1))
            expire_reviews()

    @rule(which=st.integers(0, 9))
    def it_is_taken_back(self, which: int) -> None:
        if self.actions:
            with contextlib.suppress(Refusal), transaction.atomic():
                withdraw_action(self.actions[which % len(self.actions)], actor=system("web"))

    @rule(seldom=st.integers(0, 3))
    def it_is_halted_or_goes_on(self, seldom: int) -> None:
        standing = Halt.objects.filter(state="on").first()
        if standing:
            lift(standing.pk, actor=acting("mira"))
        elif seldom == 0:
            halt("agent", self.grantee.partition(":")[2], reason="To see.", actor=acting("mira"))

    @rule(which=st.integers(0, 9))
    def the_door_is_at_it(self, which: int) -> None:
        void_reviews()
        if self.actions:
            one = self.actions[which % len(self.actions)]
            Action.objects.filter(pk=one, state="deferred").update(not_before=None)
            drive(one)

    def review(self, which: int) -> Review | None:
        found = Review.objects.filter(action__in=self.actions, state="open").order_by("opened_at")
        return found[which % len(found)] if found else None

    @invariant()
    def what_is_done_was_signed_for(self) -> None:
        done = Action.objects.filter(pk__in=self.actions, state__in=["executing", "in_doubt", "succeeded", "failed"])
        for action in done.exclude(pk__in=self.done):
            self.done.add(action.pk)
            name = PolicyVersion.objects.order_by("-number")[0].document["rules"][-1]["id"]
            assert enough(SLOTS[name][1], votes(action)), (name, action.pk)
            assert "deny" not in str(PolicyVersion.objects.order_by("-number")[0].document["rules"][0]["then"])

    def teardown(self) -> None:
        """Whoever still may sign what waits."""
        for standing in Halt.objects.filter(state="on"):
            lift(standing.pk, actor=acting("mira"))
        for review in Review.objects.filter(action__in=self.actions, state="open"):
            for who in PEOPLE:
                with contextlib.suppress(Refusal):
                    self.vote(review, who, "approve")
            drive(review.action_id)
        self.what_is_done_was_signed_for()


def votes(action: Action) -> list[frozenset[str]]:
    """The groups for which each person has signed what it is now: of people who are none of its makers, nor have
    changed it, and once each."""
    made = Decision.objects.filter(review__action=action, review__kind="action", verdict="approve", level="passkey")
    made = made.exclude(review__state="superseded")
    changed = Decision.objects.filter(review__action=action, verdict="change").values_list("reviewer", flat=True)
    people = [person for both in made.values_list("reviewer", "on_behalf_of") for person in both if person]
    assert set(people).isdisjoint({*action.makers, *changed})
    assert len(people) == len(set(people))
    return [frozenset(groups) for groups in made.values_list("groups", flat=True)]


def enough(slots: list[list[dict[str, int]]], given: list[frozenset[str]]) -> bool:
    """Whether some way to fill each slot can be had with different people, by trying everything."""
    for ways in product(*slots):
        places = [group for way in ways for group, count in way.items() for _ in range(count)]
        for people in permutations(given, len(places)):
            if all(group in groups for group, groups in zip(places, people, strict=True)):
                return True
    return False


@pytest.mark.parametrize("examples", [20, pytest.param(400, marks=pytest.mark.long)])
def test_nothing_is_done_without_the_signatures_that_are_asked_for(world: World, examples: int) -> None:
    for number, name in enumerate(PEOPLE):
        user = create_user(name, name.capitalize(), actor=DOOR)
        set_membership(user, Team.objects.get(), roles=["reviewer"], groups=GROUPS[number % 3], actor=DOOR)
        world.keys[name] = SoftAuthenticator()
        world.keys[name].register(User.objects.get(username=name), acting(name))
    grantee, seen = granted({}), set[str]()

    def machine() -> Any:
        made = Signing(world, grantee)
        made.done = seen
        return made

    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # whatever makes one will do
        settings=settings(
            max_examples=examples, stateful_step_count=25, derandomize=examples < 100, deadline=None, database=None,
            phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
    assert seen  # some were done
