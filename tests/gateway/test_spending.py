"""Caps of a grant hold when many ask at once, and when much is signed at once."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from approvals import spending
from approvals.models import Action
from approvals.propose import Proposal, propose
from approvals.tasks import drive
from console.accounts.models import Team
from console.core.actor import system
from console.core.clock import now
from examples.demo.people import acting
from integrations.describe import give_grant
from integrations.models import Credential
from tests.gateway.conftest import GRANTED, make_agent
from tests.spine.conftest import World

CAP = {"argument": "amount", "at_most": 50_000, "hours": 24}


def granted(limits: dict[str, Any], slug: str = "helper") -> str:
    agent, _, _ = make_agent(slug)
    give_grant(grantee=agent.grantee, operations=GRANTED, credential=Credential.objects.get(), limits=limits,
               actor=acting("mira"))  # fmt: skip
    return agent.grantee


def ask(world: World, grantee: str, which: str, amount: int) -> Action:
    arguments = {"charge": world.seeded.pair(which).later, "amount": amount}
    return propose(
        Proposal(Team.objects.get().id, "stripe.create_refund", arguments, grantee, ["usr_maker"]), actor=system("web")
    )


@pytest.mark.parametrize("limits", [{"sums": [CAP]}, {"calls": {"at_most": 5, "hours": 24}}], ids=["sums", "calls"])
def test_many_at_once_get_no_more_than_one_after_the_other(limits: dict[str, Any], world: World) -> None:
    grantee = granted(limits)

    def one(_: int) -> str:
        try:
            return ask(world, grantee, "large", 10_000).state
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(one, range(16)))
    assert sorted(states) == ["proposed"] * 5 + ["refused"] * 11
    assert {(action.outcome or {})["code"] for action in Action.objects.filter(state="refused")} == {"beyond_grant"}


def test_what_was_refused_withdrawn_or_has_lapsed_frees_its_part(world: World) -> None:
    grantee = granted({"sums": [CAP]})
    first = ask(world, grantee, "large", 48_000)
    assert ask(world, grantee, "apart", 6_500).state == "refused"
    drive(first.id)
    world.sign(first.reviews.get(), verdict="refuse", reason="Not now.")
    assert ask(world, grantee, "apart", 6_500).state == "proposed"


def signed_on_one_day(world: World, grantee: str, monkeypatch: pytest.MonkeyPatch) -> list[Action]:
    """Asked for on two days, each within the cap of its day."""
    first = ask(world, grantee, "large", 48_000)
    monkeypatch.setattr(spending, "now", lambda: now() + dt.timedelta(hours=25))
    second = ask(world, grantee, "apart", 6_500)
    monkeypatch.setattr(spending, "now", now)
    for action in (first, second):
        drive(action.id)
        world.sign(action.reviews.get())
        drive(action.id)
    return [Action.objects.get(pk=action.pk) for action in (first, second)]


@pytest.mark.parametrize("limits", [{"sums": [CAP]}, {"calls": {"at_most": 1, "hours": 24}}], ids=["sums", "calls"])
def test_what_is_signed_at_once_is_sent_within_the_cap(
    limits: dict[str, Any], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = signed_on_one_day(world, granted(limits), monkeypatch)
    assert (first.state, second.state, (second.outcome or {})["code"]) == ("succeeded", "stale", "beyond_grant")
    assert (len(world.refunds("large")), len(world.refunds("apart"))) == (1, 0)


def test_what_was_sent_lately_counts_though_it_was_asked_for_long_ago(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    grantee = granted({"sums": [CAP]})
    first = ask(world, grantee, "large", 48_000)
    drive(first.id)
    world.sign(first.reviews.get())
    drive(first.id)
    monkeypatch.setattr(spending, "now", lambda: now() + dt.timedelta(hours=23))
    Action.objects.filter(pk=first.pk).update(created_at=now() - dt.timedelta(days=3))
    assert ask(world, grantee, "apart", 6_500).state == "refused"
