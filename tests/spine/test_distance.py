"""How far an action is from what a person asked its run for: rules ask for it, people are shown it and sign it."""

import sys
from collections.abc import Iterator

import pytest
from django.test import Client

from approvals import distance as measured
from approvals.authority import load
from approvals.context import context_digest
from approvals.digests import render_digest
from approvals.mandates import ask_mandate
from approvals.models import Action, Review
from approvals.policies.document import parse
from approvals.propose import Proposal, propose
from approvals.publish import publish_policy
from approvals.replay import replay
from approvals.ruling import rule
from approvals.tasks import drive
from console.accounts.models import User
from console.core.actor import system
from console.runs.start import start_run
from console.workflows.access import access_version
from examples.demo.people import acting
from tests.gateway.test_mandates import wanted
from tests.gateway.test_spending import granted
from tests.spine.attacker import alarms
from tests.spine.conftest import World
from tests.spine.test_context import held_record

POLICY = """
policy: near
rules:
  - {id: reads, when: {effect: [read]}, then: allow}
  - {id: far, when: {effect: [write], distance: {at_least: 75}}, then: deny, reason: Nobody asked for that.}
  - {id: rest, when: {}, then: review, review: {slots: [{group: finance}]}}
"""
NEAR, FAR = "Give back what was charged twice", "Send Anna the invoice of October"


@pytest.fixture(autouse=True)
def loaded_anew() -> Iterator[None]:
    measured._meaning.cache_clear()
    yield
    measured._meaning.cache_clear()


def begin(world: World, request: str) -> None:
    jonas = acting("jonas")
    start_run(access_version(jonas, "billing-care"), inputs={}, actor=jonas, request=request)
    world.settle()


def refund() -> Action:
    return Action.objects.filter(operation__slug="create_refund").select_related("operation__integration")[0]


def uninstall(monkeypatch: pytest.MonkeyPatch) -> None:
    measured._meaning.cache_clear()
    monkeypatch.setitem(sys.modules, "tokenizers", None)


def test_what_is_far_from_what_was_asked_for_is_denied(world: World) -> None:
    publish_policy(POLICY, actor=acting("mira"))
    begin(world, FAR)
    assert (refund().state, (refund().outcome or {})["rule"]) == ("refused", "far")


def test_what_is_near_it_is_shown_signed_and_done_by_the_same_figure(world: World, client: Client) -> None:
    publish_policy(POLICY, actor=acting("mira"))
    begin(world, NEAR)
    review = world.review(large=True)
    action = review.action
    assert action.context["distance"] == 47
    assert bytes(review.render_digest) == render_digest(action)  # of the context too
    assert held_record(action)["context_digest"] == context_digest(action)
    client.force_login(User.objects.get(username="ana"))
    page = " ".join(client.get(f"/reviews/{review.id}/", headers={"host": "localhost"}).content.decode().split())
    says = "Not far from what was asked for: 47 of 100, by the operation’s title alone. A hint."
    assert f"<dt><bdi>Distance from that</bdi></dt><dd><bdi>{says}</bdi></dd>" in page.replace("> <", "><")
    world.sign(review)
    measured._meaning.cache_clear()  # as in another process
    drive(action.id)
    action.refresh_from_db()
    assert (action.state, alarms(action.id)) == ("succeeded", [])


def test_without_the_extra_the_admins_are_asked(world: World, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    uninstall(monkeypatch)
    publish_policy(POLICY, actor=acting("mira"))
    begin(world, NEAR)
    ruling = refund().rulings.get()
    assert (refund().state, ruling.rule, ruling.reasons) == (
        "held", "evaluator-error", ["The rule far asks for distance, which is not known."])  # fmt: skip
    assert refund().context["distance"] is None
    client.force_login(User.objects.get(username="mira"))
    review = Review.objects.get(action=refund())
    page = client.get(f"/reviews/{review.id}/", headers={"host": "localhost"}).content.decode()
    assert "Not available: what measures it is not installed" in page


def test_where_it_was_taken_away_meanwhile_nothing_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_policy(POLICY, actor=acting("mira"))
    begin(world, NEAR)
    review = world.review(large=True)
    world.sign(review)
    uninstall(monkeypatch)
    drive(review.action_id)
    assert Action.objects.get(pk=review.action_id).state == "stale"


def test_what_an_agent_tells_that_somebody_asked_of_it_is_no_measure(world: World) -> None:
    publish_policy(POLICY, actor=acting("mira"))
    jonas, charge = acting("jonas"), world.seeded.pair("large").later
    asked = Proposal(jonas.team, "stripe.create_refund", {"charge": charge, "amount": 100}, granted({}), [jonas.id],
                     request="Refund a charge")  # fmt: skip
    action = propose(asked, actor=system("web"))
    drive(action.id)
    action.refresh_from_db()
    assert (action.state, action.rulings.get().rule) == ("held", "evaluator-error")
    assert "distance" not in action.context


def test_a_mandate_is_asked_of_the_policy_as_for_what_was_asked_for(world: World) -> None:
    publish_policy(POLICY, actor=acting("mira"))
    begin(world, NEAR)
    asked = ask_mandate(refund(), wanted(at_most=50_000, total=100_000), why="Each night.", actor=acting("mira"))
    drive(asked.id)
    asked.refresh_from_db()
    assert (asked.state, asked.rulings.get().rule) == ("held", "rest")


def test_no_rule_measures_it_where_none_asks(world: World) -> None:
    begin(world, NEAR)
    measured._meaning.cache_clear()
    rule(load(refund().id))
    assert measured._meaning.cache_info().misses == 0
    publish_policy(POLICY, actor=acting("mira"))
    rule(load(refund().id))
    assert measured._meaning.cache_info().misses == 1


def test_a_back_test_measures_it(world: World) -> None:
    begin(world, FAR)
    last = "policy: p\nrules:\n  - {id: rest, when: {}, then: review, review: {slots: [{group: finance}]}}\n"
    found = replay(Action.objects.filter(operation__slug="create_refund"), parse(last), parse(POLICY))
    assert {one.rule for one in found.differing} == {"far"}
