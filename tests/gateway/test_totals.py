"""What a policy counts over other actions, and that many at once do not pass a total together."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from approvals.counted import Counted
from approvals.models import Action, Ruling
from approvals.propose import Proposal, propose
from approvals.publish import publish_policy
from approvals.tasks import drive
from console.accounts.models import Team
from console.core.actor import system
from console.core.attest import attest
from console.core.clock import now
from console.core.errors import Tampered
from examples.demo.people import acting
from integrations.describe import give_grant
from integrations.description import Description
from integrations.models import Credential, Operation
from tests.gateway.test_spending import granted
from tests.spine.attacker import alarms
from tests.spine.conftest import World

DAY = {"sum": "eur", "hours": 24}
POLICY = """
policy: totals
totals:
  spent: {sum: eur, by: [agent], hours: 24}
rules:
  - {id: reads, when: {effect: [read]}, then: allow}
  - {id: too-much, when: {total: {spent: {at_least: 50_001}}}, then: deny, reason: It is enough for today.}
  - {id: rest, when: {}, then: review, review: {slots: [{group: finance}], signature: password}}
"""


def ask(world: World, grantee: str, which: str, amount: int) -> Action:
    arguments = {"charge": world.seeded.pair(which).later, "amount": amount}
    team = Team.objects.get().id
    asked = propose(Proposal(team, "stripe.create_refund", arguments, grantee, ["usr_maker"]), actor=system("web"))
    drive(asked.id)
    return Action.objects.select_related("operation__integration").get(pk=asked.pk)


def count(action: Action, **told: Any) -> Any:
    return Counted(action, {"totals": {"t": told}})["total_t"]


def test_totals_count_what_may_happen_or_has_and_this_action_too(world: World) -> None:
    publish_policy(POLICY, actor=acting("mira"))
    grantee = granted({})
    first, second = ask(world, grantee, "large", 10_000), ask(world, grantee, "apart", 6_500)
    assert (first.state, second.state) == ("held", "held")
    assert count(second, **DAY, by=["agent"]) == 16_500
    assert count(second, count="actions", hours=1) == 2
    assert count(second, count="actions", hours=1, of={"effect": ["read"]}) == 0  # those to look were made by nobody
    assert count(second, **DAY, of={"operation": ["stripe.create_refund"]}) == 16_500
    assert count(second, **DAY, of={"operation": ["stripe.get_charge"]}) == 0
    assert count(second, **DAY, of={"integration": ["other"]}) == 0
    assert count(second, sum="usd", hours=24) == 0
    assert count(second, **DAY, by=["run"]) is None  # it has no run
    assert count(second, **DAY, by=["workflow"]) is None  # it is an agent's
    world.sign(first.reviews.get(), verdict="refuse", reason="No.")
    assert count(second, **DAY) == 6_500
    second.amount_minor = None
    assert count(second, **DAY) is None


def test_what_was_asked_for_long_ago_counts_on_the_day_on_which_it_ends(world: World) -> None:
    publish_policy(POLICY, actor=acting("mira"))
    grantee = granted({})
    old, new = ask(world, grantee, "large", 10_000), ask(world, grantee, "apart", 6_500)
    Action.objects.filter(pk=old.pk).update(created_at=now() - dt.timedelta(days=9))
    assert count(new, **DAY) == 16_500  # it still waits
    world.sign_by_password(old.reviews.get())
    drive(old.id)
    assert count(new, **DAY) == 16_500
    Action.objects.filter(pk=old.pk).update(settled_at=now() - dt.timedelta(hours=25))
    assert count(new, **DAY) == 6_500


def test_many_at_once_do_not_pass_a_total_together(world: World) -> None:
    """Each alone would be within it."""
    publish_policy(POLICY, actor=acting("mira"))
    grantee = granted({})
    team, charge = Team.objects.get().id, world.seeded.pair("large").later
    asked = [
        propose(Proposal(team, "stripe.create_refund", {"charge": charge, "amount": 20_000}, grantee, ["usr_maker"]),
                actor=system("web"))
        for _ in range(5)
    ]  # fmt: skip

    def prepare(action: Action) -> None:
        try:
            drive(action.id)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(prepare, asked))
    for action in asked:  # what met another one is brought there again
        drive(action.id)
    rulings = sorted(Ruling.objects.values_list("rule", flat=True).filter(action__in=asked))
    assert rulings == ["rest", "rest", "too-much", "too-much", "too-much"]
    assert [alarms(action.id) for action in asked] == [[]] * 5


def test_it_is_counted_again_before_it_is_sent(world: World) -> None:
    publish_policy(POLICY, actor=acting("mira"))
    grantee = granted({})
    first = ask(world, grantee, "large", 48_000)
    world.sign_by_password(first.reviews.get())
    publish_policy(POLICY.replace("50_001", "40_000"), actor=acting("mira"))
    drive(first.id)
    first.refresh_from_db()
    assert (first.state, (first.outcome or {})["code"]) == ("stale", "denied")


def test_a_counterparty_is_new_until_something_was_done_with_it(world: World) -> None:
    publish_policy(POLICY, actor=acting("mira"))
    grantee = granted({})
    first, second = ask(world, grantee, "large", 10_000), ask(world, grantee, "large", 5_000)
    assert first.counterparty.startswith("cus_")
    assert Counted(second, {})["new_counterparty"] is True
    world.sign_by_password(first.reviews.get())
    drive(first.id)
    assert Counted(second, {})["new_counterparty"] is False
    second.counterparty = "cus_2"
    assert Counted(second, {})["new_counterparty"] is True
    second.counterparty = ""
    assert Counted(second, {})["new_counterparty"] is None


def test_what_a_session_has_read_is_known_by_what_is_described_of_each_answer(world: World) -> None:
    publish_policy(POLICY, actor=acting("mira"))
    grantee = granted({})
    give_grant(grantee=grantee, operations=["get_customer"], credential=Credential.objects.get(), actor=acting("mira"))
    first = ask(world, grantee, "large", 10_000)
    assert (Counted(first, {})["data"], Counted(first, {})["untrusted"]) == (frozenset(), False)
    charge = first.arguments["charge"]
    look = Proposal(first.team_id, "stripe.get_charge", {"charge": charge}, grantee, ["usr_maker"])
    drive(propose(look, actor=system("web")).id)
    assert (Counted(first, {})["data"], Counted(first, {})["untrusted"]) == (frozenset({"payment"}), False)
    look = replace(look, operation="stripe.get_customer", arguments={"customer": first.counterparty})
    drive(propose(look, actor=system("web")).id)
    assert (Counted(first, {})["data"], Counted(first, {})["untrusted"]) == (frozenset({"payment", "personal"}), True)
    Action.objects.update(created_at=now() - dt.timedelta(days=2))
    assert Counted(first, {})["data"] == frozenset()


def test_what_nobody_has_described_is_not_known(world: World) -> None:
    publish_policy(POLICY, actor=acting("mira"))
    grantee = granted({})
    first = ask(world, grantee, "large", 10_000)
    look = Proposal(first.team_id, "stripe.get_charge", {"charge": first.arguments["charge"]}, grantee, ["usr_maker"])
    seen = propose(look, actor=system("web"))
    drive(seen.id)
    operation = Operation.objects.get(pk=seen.operation_id)
    operation.description = {name: value for name, value in operation.description.items() if name != "answer"}
    Operation.objects.filter(pk=operation.pk).update(description=operation.description)
    with pytest.raises(Tampered):
        Counted(first, {})["data"]
    operation.digest = Description(operation.slug, operation.description).digest
    operation.attestation = attest("operation", operation.attested())
    operation.save(update_fields=["digest", "attestation"])
    assert (Counted(first, {})["data"], Counted(first, {})["untrusted"]) == (None, None)
