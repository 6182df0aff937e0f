"""Another policy rules once somebody else has signed it, and not before: whatever is written into rows."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from approvals.models import Action, PolicyVersion, Review
from approvals.policies.sentence import then_in_words, when_in_words
from approvals.publish import ask_to_publish, asked_for, publish_policy, publish_signed
from approvals.sweep import offer_policies
from approvals.tasks import drive
from audit.models import Record
from console.accounts.models import Team, User
from console.accounts.people import create_team, set_membership
from console.core.actor import system
from console.core.errors import Conflict, Forbidden, Invalid, Tampered
from examples.demo.people import acting
from tests.spine.attacker import Attacker
from tests.spine.conftest import World

STRICT = "policy: demo\nrules:\n  - {id: nothing, when: {}, then: deny}\n"
WHY = "Until the provider is back."


def ask(source: str = STRICT) -> Action:
    action = ask_to_publish(source, why=WHY, actor=acting("mira"))
    assert action
    drive(action.id)
    return Action.objects.get(pk=action.pk)


def test_it_rules_once_another_admin_has_signed_it(world: World) -> None:
    before = PolicyVersion.objects.get()
    action = ask()
    assert (action.state, action.sentence) == ("held", "Let version 2 of the policy rule")
    assert "+  - {id: nothing" in action.arguments["changes"]
    assert [fact["format"] for fact in action.facts] == ["text", "lines", "lines"]
    review = Review.objects.get(action=action)
    assert str(review.slots.get().asks) == "1 of admins"
    with pytest.raises(Forbidden):
        world.sign(review, "mira")
    with pytest.raises(Conflict, match="asked for already"):
        ask(STRICT + "# again\n" + "  - {id: x, when: {}, then: deny}\n")
    world.sign(review, "sam")
    drive(action.id)
    assert PolicyVersion.objects.count() == 1  # the door has no key to publish with
    assert offer_policies() == 1
    version = publish_signed(action.id)
    assert version
    assert (version.number, version.source, version.action_id) == (2, STRICT, action.id)
    assert publish_signed(action.id) is None
    assert (offer_policies(), asked_for(before.policy.team_id)) == (0, None)
    told = Record.objects.get(kind="approvals:policy:published", subject=before.policy_id, actor="worker")
    assert action.id.encode() in bytes(told.leaf)


def test_no_policy_keeps_a_team_from_writing_another(world: World) -> None:
    publish_policy(STRICT, actor=acting("mira"))
    action = ask(STRICT.replace("deny", "review, review: {slots: [{group: finance}]}"))
    assert action.state == "held"
    assert str(Review.objects.get(action=action).slots.get().asks) == "1 of admins"


def test_what_was_overtaken_is_not_published(world: World) -> None:
    action = ask()
    world.sign(Review.objects.get(action=action), "sam")
    publish_policy(STRICT + "# meanwhile\n", actor=acting("mira"))
    drive(action.id)
    after = Action.objects.get(pk=action.pk)
    assert after.state == "stale" or (after.outcome or {}).get("code") == "rejected"
    assert publish_signed(action.id) is None
    assert PolicyVersion.objects.count() == 2


def test_a_refused_one_is_gone(world: World) -> None:
    action = ask()
    world.sign(Review.objects.get(action=action), "sam", verdict="refuse", reason="Too strict.")
    assert publish_signed(action.id) is None
    assert ask().state == "held"


def test_an_action_that_only_a_row_calls_done_publishes_nothing(world: World, committed: str) -> None:
    action = ask()
    with Attacker(committed) as sql, sql.together():
        sql.alter("UPDATE approvals_action SET state = 'permitted' WHERE id = %s", action.id)
        sql.record("approvals:action:permitted", action.id, "permitted")
    with Attacker(committed) as sql, sql.together():
        sql.alter("UPDATE approvals_action SET state = 'executing' WHERE id = %s", action.id)
        sql.record("approvals:action:executing", action.id, "executing")
    with Attacker(committed) as sql, sql.together():
        sql.alter("UPDATE approvals_action SET state = 'succeeded', settled_at = now() WHERE id = %s", action.id)
        sql.record("approvals:action:succeeded", action.id, "succeeded")
    with pytest.raises(Tampered, match="never approved"):
        publish_signed(action.id)
    assert PolicyVersion.objects.count() == 1


REFUSED = {
    "nothing new": (None, WHY, "says what the policy in force says"),
    "no reason": (STRICT, " ", "Say why"),
    "no policy": ("policy: demo\nrules: []", WHY, "rules"),
    "too long": (STRICT + "#" * 200_000, WHY, "under 200,000"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_not_asked_for(name: str, world: World) -> None:
    source, why, says = REFUSED[name]
    with pytest.raises(Invalid, match=says):
        ask_to_publish(source or PolicyVersion.objects.get().source, why=why, actor=acting("mira"))
    with pytest.raises(Forbidden):
        ask_to_publish(STRICT, why=WHY, actor=acting("jonas"))
    assert Action.objects.count() == 0


def test_the_first_one_rules_at_once(world: World) -> None:
    team = create_team("other", "Other", actor=system("tests"))
    set_membership(User.objects.get(username="mira"), team, roles=["admin"], groups=[], actor=system("tests"))
    actor = acting("mira")
    actor = type(actor)(**{**{n: getattr(actor, n) for n in actor.__slots__}, "team": team.pk})
    assert ask_to_publish(STRICT, why="", actor=actor) is None
    assert PolicyVersion.objects.get(policy__team=team).number == 1


def test_the_command_checks_and_publishes(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(STRICT)
    bad.write_text("policy: demo\nrules: []")
    call_command("policy", "check", str(good))
    assert capsys.readouterr().out == "nothing: Everything else: Denied\n"
    with pytest.raises(CommandError, match="rules"):
        call_command("policy", "check", str(bad))
    with pytest.raises(CommandError, match="No such file"):
        call_command("policy", "check", str(tmp_path / "none.yaml"))
    with pytest.raises(CommandError, match="no team"):
        call_command("policy", "publish", str(good), "--team", "Nobody")
    call_command("policy", "publish", str(good), "--team", Team.objects.get().slug)
    assert capsys.readouterr().out == "Version 2 rules from now on.\n"
    assert PolicyVersion.objects.order_by("-number")[0].source == STRICT


WORDS = {
    "{}": "Everything else",
    "{effect: [read], categories: [legal, security]}": "Effect read, legal or security",
    "{amount: {currency: eur, at_most: 5000}, new_counterparty: true}": "At most €50.00, with somebody new",
    "{operation: [a.b], amount: {currency: eur}}": "a.b, in EUR",
    "{total: {spent: {at_least: 5, at_most: 9}}}": "Total spent 5 to 9",
    "{time: {days: [sat, sun], from: '20:00', until: '06:00'}}": "On sat or sun between 20:00 and 06:00",
    "{environment: [production, staging], on_behalf_of: [usr_1]}": "In production or staging, for usr_1",
    "{prior_operations: [a.b], prior_actions: {at_least: 3}}": (
        "After a.b in the same run, after at least 3 actions of the same run"
    ),
    "{prior_actions: {}}": "Whatever was done before",
    "{effect: [write], distance: {at_least: 75}}": "Effect write, at least 75 of 100 away from what was asked for",
    "{distance: {at_least: 20, at_most: 75}}": "20 to 75 of 100 away from what was asked for",
    "{distance: {}}": "However far from what was asked for",
    "{untrusted: true, condition: amount > 5}": "After words of outsiders were read, such that amount > 5",
}


@pytest.mark.parametrize("when", WORDS)
def test_rules_are_said_in_words(when: str) -> None:
    import yaml

    assert when_in_words(yaml.safe_load(when)) == WORDS[when]
    review = {"slots": [{"group": "finance", "count": 2}, {"group": "legal", "signature": "device"}]}
    assert then_in_words({"then": "review", "review": review}) == (
        "2 of finance by a passkey (blind); and 1 of legal by a passkey that stays on its device, within 4 h"
    )


def test_the_page_shows_what_rules_and_asks_for_another(world: World) -> None:
    browser = Client(headers={"host": "localhost"})
    browser.force_login(User.objects.get(username="mira"))
    page = browser.get("/policies/").content.decode()
    assert "Financial, at most €50.00" in page
    checked = browser.post("/policies/change/", {"source": STRICT, "check": "1"})
    assert (checked.status_code, "Against version 1" in checked.content.decode()) == (200, True)
    assert Action.objects.count() == 0
    wrong = browser.post("/policies/change/", {"source": "policy: x", "why": WHY})
    assert (wrong.status_code, "rules" in wrong.content.decode()) == (422, True)
    asked = browser.post("/policies/change/", {"source": STRICT, "why": WHY})
    assert (asked.status_code, asked["Location"]) == (302, "/policies/")
    drive(Action.objects.get().id)
    assert "It waits for a signature" in browser.get("/policies/").content.decode()
    assert browser.get("/policies/7/").status_code == 404
