"""What a policy changes and what it defers: asked again, bounded, and nothing that a row could say instead."""

import json
from typing import Any

import pytest
from django.db import transaction

from approvals.models import Action, Review, Ruling
from approvals.propose import LONGEST_CHAIN, Proposal, propose
from approvals.publish import publish_policy
from approvals.sweep import offer_actions
from approvals.tasks import drive
from approvals.withdraw import withdraw_action
from audit.models import Record
from console.accounts.models import Team
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Invalid, NotFound
from console.gateway.acts import access_action
from console.gateway.api import told
from examples.demo.people import acting
from tests.gateway.test_spending import granted
from tests.spine.attacker import Attacker
from tests.spine.conftest import World

ASK = "  - {id: rest, when: {}, then: review, review: {slots: [{group: finance}], signature: password}}\n"
CAP = "  - {id: cap, when: {effect: [write]}, then: modify, modify: {cap: {amount: 5_000}}}\n"
DEFER = (
    "  - {id: much, when: {total: {spent: {at_least: 12_000}}}, then: defer, "
    "defer: {missing: The others, minutes: 5}}\n"
)
SPENT = "totals: {spent: {sum: eur, by: [agent], hours: 24}}\n"


def publish(*rules: str, before: str = "") -> None:
    publish_policy(f"{before}policy: p\nrules:\n{''.join(rules)}{ASK}", actor=acting("mira"))


def ask(world: World, grantee: str, which: str, amount: int, **more: Any) -> Action:
    arguments = {"charge": world.seeded.pair(which).later, "amount": amount}
    proposal = Proposal(Team.objects.get().id, "stripe.create_refund", arguments, grantee, ["usr_maker"], **more)
    asked = propose(proposal, actor=system("web"))
    drive(asked.id)
    return again(asked)


def again(action: Action) -> Action:
    return Action.objects.select_related("operation__integration").get(pk=action.pk)


def look_now(action: Action) -> Action:
    """As when the time to look again has come."""
    Action.objects.filter(pk=action.pk).update(not_before=None)
    drive(action.id)
    return again(action)


def test_what_the_policy_changes_is_shown_signed_and_done_as_changed(world: World) -> None:
    publish(CAP)
    action = ask(world, granted({}), "large", 9_000)
    assert (action.state, action.amount_minor, action.arguments["amount"]) == ("held", 5_000, 5_000)
    assert (action.original or {})["amount"] == 9_000
    ruling = Ruling.objects.get()
    assert (ruling.rule, ruling.outcome, ruling.changed_by) == ("rest", "review", ["cap"])
    record = Record.objects.get(kind="approvals:action:held", subject=action.pk)
    assert b'"changed_by":["cap"]' in bytes(record.leaf)
    world.sign_by_password(Review.objects.get(action=action))
    drive(action.id)
    assert [refund["amount"] for refund in world.refunds()] == [5_000]
    done = again(action)
    assert done.state == "succeeded"
    assert (told_of(done)["changed"], told_of(done)["deferred"]) == (action.arguments, None)


def told_of(action: Action) -> dict[str, Any]:
    class Who:
        agent = type("A", (), {"team_id": action.team_id, "grantee": action.grantee})

    return told(access_action(Who, action.pk))  # type: ignore[arg-type]  # the two that it reads


def test_asking_again_by_the_same_key_finds_what_was_changed(world: World) -> None:
    publish(CAP)
    grantee = granted({})
    first, second = (ask(world, grantee, "large", 9_000, key="k") for _ in range(2))
    assert first.pk == second.pk
    with pytest.raises(Invalid, match="used for something else"):
        ask(world, grantee, "large", 5_000, key="k")


def test_a_row_changes_nothing(world: World, committed: str) -> None:
    """Whoever writes rows may say what was asked for, or what was made of it, and not both."""
    publish(CAP)
    grantee = granted({})
    for column in ("arguments", "original"):
        action = ask(world, grantee, "large", 9_000)
        with Attacker(committed) as sql, sql.together():
            changed = f"""{column} = jsonb_set({column}::jsonb, '{{amount}}', '4000')::json"""
            sql.alter(f"UPDATE approvals_action SET {changed} WHERE id = %s", action.id)
        world.sign_by_password(Review.objects.get(action=action))
        drive(action.id)
        assert again(action).state == "stale"
    assert world.refunds() == []


def test_what_the_policy_would_change_otherwise_now_is_stale(world: World) -> None:
    publish(CAP)
    action = ask(world, granted({}), "large", 9_000)
    publish(CAP.replace("5_000", "6_000"))
    world.sign_by_password(Review.objects.get(action=action))
    drive(action.id)
    assert (again(action).state, (again(action).outcome or {})["code"]) == ("stale", "policy_changed")
    assert world.refunds() == []


FIGHT = "  - {{id: {0}, when: {{effect: [write]}}, then: modify, modify: {{set: {{amount: {1}}}}}}}\n"
WRONG = {
    "rules that fight ask a person": (
        FIGHT.format("one", 1_000) + FIGHT.format("two", 2_000),
        "held",
        "back and forth",
    ),
    "what the operation does not take": (FIGHT.format("one", "lots"), "failed", "amount"),
    "what is no number cannot be capped": (CAP.replace("amount: 5_000", "charge: 5"), "held", "charge is no number"),
    "nothing to change": (CAP.replace("5_000", "90_000"), "held", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_changes_end(name: str, world: World) -> None:
    rules, state, why = WRONG[name]
    publish(rules)
    action = ask(world, granted({}), "large", 9_000)
    said = str(Ruling.objects.filter(outcome="review").values_list("reasons", flat=True)) + str(action.outcome)
    assert (action.state, why in said) == (state, True)


def test_what_is_deferred_goes_on_when_what_was_missing_is_there(world: World) -> None:
    publish(DEFER, before=SPENT)
    grantee = granted({})
    first, second = ask(world, grantee, "large", 9_000), ask(world, grantee, "apart", 5_000)
    assert (first.state, second.state) == ("held", "deferred")
    assert told_of(second)["deferred"] == {"missing": "The others", "until": second.deferred_until}
    assert look_now(second).state == "deferred"
    assert again(second).deferred_until == second.deferred_until  # looking gives no more time
    world.sign(Review.objects.get(action=first), verdict="refuse", reason="No.")
    assert offer_actions() == 0  # not yet time to look
    assert look_now(second).state == "held"
    [told] = Record.objects.filter(kind="approvals:action:deferred").values_list("leaf", flat=True)
    assert json.loads(bytes(told))["detail"]["missing"] == "The others"


def test_time_refuses_what_is_deferred(world: World) -> None:
    publish(DEFER, before=SPENT)
    grantee = granted({})
    first, second = ask(world, grantee, "large", 9_000), ask(world, grantee, "apart", 5_000)
    behind = ask(world, grantee, "apart", 100, after=second.pk)
    beside = ask(world, grantee, "apart", 100)
    assert (behind.state, beside.state) == ("proposed", "deferred")  # this one counts towards the total too
    world.sign(Review.objects.get(action=first), verdict="refuse", reason="No.")
    assert look_now(beside).state == "held"  # it waits for nobody
    Action.objects.filter(pk=second.pk).update(deferred_until=now())
    late = look_now(second)
    assert (late.state, late.outcome) == ("refused", {"code": "deferred_too_long", "text":
        "The policy deferred it, and the time for that is over. Missing was: The others"})  # fmt: skip
    assert (look_now(behind).state, (again(behind).outcome or {})["code"]) == ("refused", "earlier_action")


def test_what_comes_after_another_waits_for_it_and_no_longer(world: World) -> None:
    publish()
    grantee = granted({})
    first = ask(world, grantee, "large", 9_000)
    second = ask(world, grantee, "apart", 100, after=first.pk)
    assert look_now(second).state == "proposed"
    world.sign_by_password(Review.objects.get(action=first))
    drive(first.id)
    assert look_now(second).state == "held"
    with pytest.raises(NotFound):
        ask(world, "agent:another", "apart", 100, after=first.pk)


def test_a_chain_has_an_end(world: World) -> None:
    publish()
    grantee, last = granted({}), None
    for _ in range(LONGEST_CHAIN):
        last = ask(world, grantee, "apart", 100, after=last.pk if last else None)
    with pytest.raises(Invalid, match="wait for one another"):
        ask(world, grantee, "apart", 100, after=last.pk if last else None)


def test_what_is_deferred_can_be_taken_back(world: World) -> None:
    publish(DEFER, before=SPENT)
    grantee = granted({})
    ask(world, grantee, "large", 9_000)
    second = ask(world, grantee, "apart", 5_000)
    with transaction.atomic():
        withdraw_action(second.pk, actor=acting("mira"))
    assert (again(second).state, again(second).deferred_until) == ("withdrawn", second.deferred_until)
