"""What was signed ahead covers its kind, within its limits, and nothing that a row could say instead."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from approvals.mandates import Wanted, ask_mandate, gauges, revoke_mandate, worth_a_mandate
from approvals.models import Action, Mandate, Review, Ruling
from approvals.propose import Proposal, propose
from approvals.publish import publish_policy
from approvals.tasks import drive
from audit.models import Record
from audit.move import begin
from console.accounts.models import Team, User
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid
from examples.demo.people import acting
from integrations.here import described
from integrations.models import Operation
from tests.gateway.test_spending import granted
from tests.spine.attacker import Attacker, alarms
from tests.spine.conftest import World
from tests.spine.test_signing_for import name_sam
from tests.standins.fault_proxy import FaultProxy

TWO = "{group: finance}, {group: operations}"
POLICY = "policy: p\nrules:\n{}  - {{id: rest, when: {{}}, then: review, review: {{slots: [{}]}}}}\n"
ALLOW = "  - {id: all, when: {effect: [write]}, then: allow}\n"


def publish(rules: str = "", slots: str = "{group: finance}") -> None:
    publish_policy(POLICY.format(rules, slots), actor=acting("mira"))


def ask(world: World, grantee: str, which: str, amount: int) -> Action:
    arguments = {"charge": world.seeded.pair(which).later, "amount": amount}
    proposal = Proposal(Team.objects.get().id, "stripe.create_refund", arguments, grantee, ["usr_maker"])
    asked = propose(proposal, actor=system("web"))
    drive(asked.id)
    return again(asked)


def again(action: Action) -> Action:
    return Action.objects.select_related("operation__integration").get(pk=action.pk)


def wanted(**more: Any) -> Wanted:
    usual: dict[str, Any] = {
        "calls": 3,
        "hours": 24,
        "until": now() + dt.timedelta(days=3),
        "at_most": 1_000,
        "total": 2_500,
    }
    return Wanted(**(usual | more))


def give(world: World, like: Action, who: str = "ana", **more: Any) -> Mandate:
    more = {"counterparties": [like.counterparty]} | more
    asked = ask_mandate(like, wanted(**more), why="Each night.", actor=acting("mira"))
    drive(asked.id)
    world.sign(Review.objects.get(action=asked), who)
    drive(asked.id)
    return Mandate.objects.get(action=asked)


@pytest.fixture
def like(world: World) -> Action:
    publish()
    return ask(world, granted({}), "apart", 900)


def test_it_covers_its_kind_up_to_its_limits(world: World, like: Action) -> None:
    assert like.state == "held"
    mandate = give(world, like)
    assert mandate.action.sentence == (
        f"Let {like.grantee} do stripe.create_refund again and again, with nobody signing each"
    )
    covered = [ask(world, like.grantee, "apart", amount) for amount in (1_000, 1_000)]
    assert [(one.state, one.mandate_id) for one in covered] == [("succeeded", mandate.pk)] * 2
    assert Ruling.objects.filter(action=covered[0]).values_list("outcome", "rule").get() == ("allow", "rest")
    record = Record.objects.get(kind="approvals:action:permitted", subject=covered[0].pk)
    assert f'"mandate":"{mandate.pk}"'.encode() in bytes(record.leaf)
    [gauge] = gauges(like.team_id)
    assert (gauge.amount, gauge.calls, gauge.state) == (2_000, 2, "in force")
    beyond = [ask(world, like.grantee, "apart", amount) for amount in (1_001, 501)]  # each, all together
    assert [(one.state, one.mandate_id) for one in beyond] == [("held", None)] * 2
    assert ask(world, like.grantee, "apart", 500).state == "succeeded"
    assert ask(world, like.grantee, "apart", 1).state == "held"  # the fourth
    assert sum(refund["amount"] for refund in world.refunds("apart")) == 2_500  # type: ignore[misc]


def test_what_the_policy_allows_but_no_person_has_seen_is_covered_too(world: World) -> None:
    publish(ALLOW)
    like = ask(world, granted({}), "apart", 900)
    assert like.state == "held"
    mandate = give(world, like, "sam")  # the fallback asks the admins
    assert ask(world, like.grantee, "apart", 1_000).mandate_id == mandate.pk


def test_it_is_not_signed_by_who_asks_or_by_whoever_is_behind_the_agent(world: World, like: Action) -> None:
    asked = ask_mandate(like, wanted(), why="So.", actor=acting("mira"))
    assert asked.makers == [acting("mira").id, "usr_maker"]
    drive(asked.id)
    review = Review.objects.get(action=asked)
    assert str(review.slots.get().asks) == "1 of finance"
    with pytest.raises(Forbidden):
        world.sign(review, "mira")


def test_whoever_makes_an_action_has_signed_nothing_for_it(world: World, like: Action) -> None:
    give(world, like)
    arguments = {"charge": world.seeded.pair("apart").later, "amount": 500}
    proposal = Proposal(like.team_id, "stripe.create_refund", arguments, like.grantee, [acting("ana").id])
    asked = propose(proposal, actor=system("web"))
    drive(asked.id)
    assert again(asked).state == "held"


def test_nor_for_what_the_person_makes_in_whose_place_it_was_signed(world: World, like: Action) -> None:
    name_sam()
    give(world, like, "sam")
    assert ask(world, like.grantee, "apart", 400).state == "succeeded"
    for maker in ("ana", "sam"):
        arguments = {"charge": world.seeded.pair("apart").later, "amount": 300}
        proposal = Proposal(like.team_id, "stripe.create_refund", arguments, like.grantee, [acting(maker).id])
        asked = propose(proposal, actor=system("web"))
        drive(asked.id)
        assert again(asked).state == "held"


def test_once_revoked_it_covers_nothing_that_was_not_sent_yet(world: World, like: Action, monkeypatch: Any) -> None:
    mandate = give(world, like)
    monkeypatch.setattr("approvals.execute.why_risky_actions_wait", lambda: "nobody has seen the log")
    waiting = ask(world, like.grantee, "apart", 400)
    assert (waiting.state, waiting.mandate_id) == ("permitted", mandate.pk)
    monkeypatch.undo()
    with pytest.raises(Forbidden):
        revoke_mandate(mandate.pk, actor=acting("theo"))
    revoke_mandate(mandate.pk, actor=acting("ana"))
    with pytest.raises(Conflict):
        revoke_mandate(mandate.pk, actor=acting("ana"))
    drive(waiting.id)
    assert (again(waiting).state, (again(waiting).outcome or {})["code"]) == ("stale", "mandate_ended")
    assert ask(world, like.grantee, "apart", 400).state == "held"
    assert world.refunds("apart") == []


def test_it_ends_when_the_policy_asks_for_other_signatures(world: World, like: Action) -> None:
    give(world, like)
    publish(slots=TWO)
    assert ask(world, like.grantee, "apart", 400).state == "held"
    publish("  - {id: never, when: {amount: {currency: eur, at_least: 300}}, then: deny}\n")
    assert ask(world, like.grantee, "apart", 400).state == "refused"
    publish()
    assert ask(world, like.grantee, "apart", 400).state == "succeeded"


def test_it_ends_with_its_time_and_with_the_description(world: World, like: Action) -> None:
    mandate = give(world, like, until=now() + dt.timedelta(hours=1))
    Operation.objects.filter(pk=like.operation_id).update(digest=b"\1" * 32)
    assert gauges(like.team_id)[0].state == "void: described otherwise"
    Operation.objects.filter(pk=like.operation_id).update(digest=bytes(like.operation.digest))
    Mandate.objects.filter(pk=mandate.pk).update(until=now() - dt.timedelta(hours=1))
    assert gauges(like.team_id)[0].state == "over"
    assert ask(world, like.grantee, "apart", 400).state == "succeeded"  # by what was signed, whatever the column says


def test_it_ends_when_the_console_gives_mandates_in_other_words(
    world: World, like: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade: nobody has tampered with anything, and people are asked."""
    give(world, like)
    now_said = replace(described()["give_mandate"], document={"title": "Otherwise"})
    monkeypatch.setattr("approvals.ruling.described", lambda: {"give_mandate": now_said})
    asked = ask(world, like.grantee, "apart", 400)
    assert (asked.state, alarms(asked.id)) == ("held", [])


def test_another_counterparty_is_covered_only_where_it_is_named_or_known(world: World, like: Action) -> None:
    give(world, like, counterparties=["cus_somebody"])
    assert ask(world, like.grantee, "apart", 400).state == "held"
    give(world, like, counterparties=[])
    assert ask(world, like.grantee, "apart", 400).state == "held"  # nothing was ever done with it
    world.sign(Review.objects.get(action=like))
    drive(like.id)
    assert ask(world, like.grantee, "apart", 400).state == "succeeded"


def test_two_at_once_do_not_pass_its_limits_together(world: World, like: Action, proxy: FaultProxy) -> None:
    """None of them is done before all are ruled on: what one does changes what is shown of the others."""
    mandate = give(world, like, calls=2, total=1_000, at_most=500)
    arguments = {"charge": world.seeded.pair("apart").later, "amount": 500}
    asked = [propose(Proposal(like.team_id, "stripe.create_refund", arguments, like.grantee, ["usr_maker"]),
                     actor=system("web")) for _ in range(5)]  # fmt: skip

    def at_the_door(action: Action) -> None:
        try:
            drive(action.id)
        finally:
            connections.close_all()

    covered = [proxy.hold("POST", "/v1/refunds") for _ in range(2)]
    with ThreadPoolExecutor(5) as doors:
        driven = [doors.submit(at_the_door, action) for action in asked]
        for one in covered:
            one.wait(60)
        for one in covered:
            one.release()
        for door in driven:
            door.result()
    for action in asked:
        drive(action.id)
    states = sorted(again(action).state for action in asked)
    assert states == ["held", "held", "held", "succeeded", "succeeded"]
    assert Action.objects.filter(mandate=mandate).count() == 2


def test_rows_give_no_mandate(world: World, like: Action, committed: str) -> None:
    """An action of another kind, one that nobody signed, and other words than were signed."""
    asked = ask_mandate(like, wanted(), why="So.", actor=acting("mira"))
    drive(asked.id)
    begin(Mandate(team_id=like.team_id, action=asked, operation=like.operation, grantee=like.grantee,
                  until=now() + dt.timedelta(days=9)), actor=acting("mira"))  # fmt: skip
    stopped = ask(world, like.grantee, "apart", 400)
    assert (stopped.state, len(alarms(stopped.id))) == ("refused", 1)
    assert world.refunds("apart") == []


def test_what_was_signed_cannot_be_made_more(world: World, like: Action, committed: str) -> None:
    mandate = give(world, like)
    with Attacker(committed) as sql, sql.together():
        sql.alter("UPDATE approvals_action SET arguments = jsonb_set(arguments::jsonb, '{at_most}', '90000')::json "
                  "WHERE id = %s", mandate.action_id)  # fmt: skip
    stopped = ask(world, like.grantee, "apart", 5_000)
    assert (stopped.state, len(alarms(stopped.id))) == ("refused", 1)


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no reason": ({}, " ", "Say why"),
    "too long": ({"until": dt.timedelta(days=93)}, "So.", "within 92 days"),
    "over": ({"until": dt.timedelta(days=-1)}, "So.", "within 92 days"),
    "none": ({"calls": 0}, "So.", "how many"),
    "less together than each": ({"total": 999}, "So.", "cannot be less"),
    "no amount": ({"at_most": None}, "So.", "cannot be less"),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_not_asked_for(name: str, world: World, like: Action) -> None:
    more, why, says = WRONG[name]
    if isinstance(later := more.get("until"), dt.timedelta):
        more = more | {"until": now() + later}
    with pytest.raises(Invalid, match=says):
        ask_mandate(like, wanted(**more), why=why, actor=acting("mira"))
    with pytest.raises(Forbidden):
        ask_mandate(like, wanted(), why="So.", actor=acting("ana"))


def test_nothing_is_given_where_a_person_has_to_see_each(world: World, like: Action) -> None:
    publish("  - {id: never, when: {amount: {currency: eur, at_least: 1}}, then: deny}\n")
    asked = ask_mandate(like, wanted(), why="So.", actor=acting("mira"))
    drive(asked.id)
    assert (again(asked).state, (again(asked).outcome or {})["text"]) == (
        "refused", "The policy does not ask people about what it would cover.")  # fmt: skip


def test_the_pages(world: World, like: Action, monkeypatch: Any) -> None:
    browser = Client(headers={"host": "localhost"})
    browser.force_login(User.objects.get(username="mira"))
    assert "There are no mandates" in browser.get("/mandates/").content.decode()
    world.sign(Review.objects.get(action=like))
    monkeypatch.setattr("approvals.mandates.OFTEN", 1)
    assert [(one["times"], one["action"].pk) for one in worth_a_mandate(like.team_id)] == [(1, like.pk)]
    assert "1 times within 30 days" in browser.get("/mandates/").content.decode()
    address = f"/mandates/ask/{like.pk}/"
    assert "Each at most, in EUR" in browser.get(address).content.decode()
    until = (now() + dt.timedelta(days=3)).date().isoformat()
    given = {"at_most": "10.00", "total": "25", "calls": "3", "hours": "24", "until": until, "why": "Each night.",
             "counterparties": ""}  # fmt: skip
    for wrong in ({"at_most": "10.001"}, {"calls": "-1"}, {"until": "soon"}, {"why": ""}):
        assert browser.post(address, given | wrong).status_code == 422
    assert browser.post(address, given)["Location"] == "/mandates/"
    asked = Action.objects.get(operation__slug="give_mandate")
    assert (asked.arguments["at_most"], asked.arguments["total"], asked.arguments["until"]) == (
        1_000, 2_500, f"{until}T23:59:59.000000Z")  # fmt: skip
    drive(asked.id)
    world.sign(Review.objects.get(action=asked))
    drive(asked.id)
    page = browser.get("/mandates/").content.decode()
    assert ("in force" in page, "0 of 3, €0.00 of €25.00" in page) == (True, True)
    browser.post(f"/mandates/{Mandate.objects.get().pk}/revoke/")
    assert "revoked" in browser.get("/mandates/").content.decode()


def test_it_covers_nothing_that_has_to_be_looked_at_first(world: World, like: Action) -> None:
    give(world, like)
    asking = POLICY.format("", "{group: finance}").replace("review: {slots", "review: {states: [amount], slots")
    publish_policy(asking, actor=acting("mira"))
    assert ask(world, like.grantee, "apart", 400).state == "held"
    publish()
    assert ask(world, like.grantee, "apart", 400).state == "succeeded"
