"""Before a policy rules: what it says of what was asked for, what can be found in it, and what it must not break."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from approvals.counted import Counted
from approvals.models import Action, PolicyVersion, Trial
from approvals.policies.document import parse
from approvals.policies.strength import Strength
from approvals.publish import ask_to_publish, publish_policy
from approvals.replay import replay
from approvals.trials import begin_trial, compare_trial, end_trial, trial_of
from audit.models import Record
from console.accounts.models import Team, User
from console.core.errors import Forbidden, Invalid
from examples.demo.people import acting
from tests.gateway.test_spending import granted
from tests.gateway.test_totals import ask
from tests.spine.conftest import World

LAST = "  - {id: last, when: {}, then: review, review: {slots: [{group: finance}]}}\n"
LARGE = "  - {id: large, when: {amount: {currency: eur, at_least: 9_000}}, then: deny}\n"
TOTAL = """policy: p
totals: {spent: {sum: eur, hours: 24}}
rules:
  - {id: enough, when: {total: {spent: {at_least: 12_000}}}, then: deny}
"""
NEVER = "never:\n  - {id: blind, label: Nothing unseen, when: {categories: [financial]}}\n"
LETS = "  - {id: lets, when: {amount: {currency: eur, at_most: 100}}, then: allow}\n"
ONE = Strength("review", (1, 1, 0))


def policy(*rules: str) -> str:
    return "policy: p\nrules:\n" + "".join(rules) + LAST


@pytest.fixture
def asked(world: World) -> list[Action]:
    """Two refunds, one after the other, under a policy that asks about both."""
    publish_policy(policy(), actor=acting("mira"))
    grantee = granted({})
    return [ask(world, grantee, "large", 10_000), ask(world, grantee, "apart", 6_500)]


def test_each_action_is_asked_about_as_it_was_then(asked: list[Action]) -> None:
    old, new, total = (parse(source) for source in (policy(), policy(LARGE), TOTAL + LAST))
    everything = Action.objects.all()
    assert [
        (one.action.pk, one.before, one.after, one.rule, one.laxer) for one in replay(everything, old, new).differing
    ] == [(asked[0].pk, ONE, Strength("deny"), "large", False)]
    back = replay(everything, new, old)
    assert [(one.action.pk, one.laxer) for one in back.differing] == [(asked[0].pk, True)]
    assert (back.looked_at, back.of) == (2, 2)
    # When the first was asked for, the second had not been: only the second goes beyond the total.
    assert [one.action.pk for one in replay(everything, old, total).differing] == [asked[1].pk]
    assert Counted(asked[0], total)["total_spent"] == 16_500
    assert replay(everything, old, new, seconds=-1).looked_at == 0


def test_a_trial_is_asked_about_what_comes_after_it(world: World) -> None:
    publish_policy(policy(), actor=acting("mira"))
    current, grantee = PolicyVersion.objects.get(number=2), granted({})
    ask(world, grantee, "large", 9_500)
    trial = begin_trial(policy(LARGE.replace("9_000", "6_000")), actor=acting("mira"))
    later = ask(world, grantee, "apart", 6_400)
    assert later.state == "held"  # it rules nothing
    found = compare_trial(trial, current, Action.objects.all())
    assert ([one.action.pk for one in found.differing], found.of) == ([later.pk], 1)
    again = begin_trial(policy(LETS), actor=acting("mira"))
    assert trial_of(again.team_id) == again
    with pytest.raises(Forbidden):
        end_trial(actor=acting("ana"))
    end_trial(actor=acting("mira"))
    end_trial(actor=acting("mira"))
    assert (Trial.objects.count(), PolicyVersion.objects.count()) == (0, 2)
    told = Record.objects.filter(kind__startswith="approvals:trial").order_by("at").values_list("kind", "subject")
    assert list(told) == [("approvals:trial:begun", trial.pk), ("approvals:trial:ended", trial.pk),
                          ("approvals:trial:begun", again.pk), ("approvals:trial:ended", again.pk)]  # fmt: skip


def test_a_broken_promise_is_published_by_nobody(world: World, tmp_path: Path) -> None:
    source = NEVER + policy(LETS)
    for publish in (
        lambda: publish_policy(source, actor=acting("mira")),
        lambda: ask_to_publish(source, why="So.", actor=acting("mira")),
    ):
        with pytest.raises(Invalid, match=r"Nothing unseen\) is broken by the rule lets"):
            publish()
    file = tmp_path / "policy.yaml"
    file.write_text(source)
    with pytest.raises(CommandError, match="broken by the rule lets"):
        call_command("policy", "check", str(file))
    with pytest.raises(CommandError, match="broken by the rule lets"):
        call_command("policy", "publish", str(file), "--team", Team.objects.get().slug)
    assert (PolicyVersion.objects.count(), Action.objects.count()) == (1, 0)
    publish_policy(NEVER + policy(), actor=acting("mira"))


def test_the_command_says_what_it_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(policy())
    new.write_text(
        policy(
            "  - {id: reads, when: {effect: [read]}, then: allow}\n",
            "  - {id: never, when: {effect: [read]}, then: deny}\n",
        )
    )
    call_command("policy", "check", str(new), "--against", str(old))
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == ["reads: Effect read: Allowed", "never: Effect read: Denied",
                        "last: Everything else: 1 of finance by a passkey, within 4 h"]  # fmt: skip
    assert said[3] == "The rule never is never reached: reads answers before it."
    assert said[-1].startswith(
        "By the rule reads: was reviewed, by 1 signature (passkey), would be allowed. Such as: A read"
    )


def test_the_pages_show_it(asked: list[Action]) -> None:
    browser = Client(headers={"host": "localhost"})
    browser.force_login(User.objects.get(username="mira"))
    source = policy(LARGE, "  - {id: reads, when: {effect: [read]}, then: allow}\n")
    checked = browser.post("/policies/change/", {"source": source, "check": "1"}).content.decode()
    assert "By the rule reads: was reviewed, by 1 signature (passkey), would be allowed." in checked
    assert "Of the newest 2 actions 1 would be decided otherwise than by version 2" in checked
    assert Trial.objects.count() == 0
    assert browser.get("/policies/trial/").content.decode().count("Nothing is on trial") == 1
    tried = browser.post("/policies/change/", {"source": source, "try": "1"})
    assert (tried.status_code, tried["Location"]) == (302, "/policies/trial/")
    assert "It rules nothing" in browser.get("/policies/").content.decode()
    page = browser.get("/policies/trial/").content.decode()
    assert "Nothing was asked for yet." in page
    assert source.splitlines()[2].strip()[:20] in browser.get("/policies/change/?trial=1").content.decode()
    assert browser.post("/policies/trial/end/")["Location"] == "/policies/"
    assert trial_of(asked[0].team_id) is None
