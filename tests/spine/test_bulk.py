"""Several reviews of one kind, decided with one signature: each is its own decision, down to the door."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from django.db import transaction

from approvals.bulk import alike_to, decide_several, has_alike, prepare_several
from approvals.care.drills import begin_drill
from approvals.listed import list_of
from approvals.models import Action, Decision, Review
from approvals.propose import Proposal, propose
from approvals.publish import publish_policy
from approvals.seats import seats_of
from approvals.signoff import BySession, signoff
from approvals.withdraw import withdraw_action
from audit.models import Record
from audit.vocabulary import Kind
from console.accounts.models import Team
from console.core.actor import system
from console.core.canonical import jcs
from console.core.errors import Conflict, Invalid, Refusal
from examples.demo.people import acting
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Credential
from tests.gateway.conftest import make_agent
from tests.gateway.test_spending import granted
from tests.gateway.test_totals import ask
from tests.spine.attacker import alarms
from tests.spine.conftest import World

GRANTEE = "workflow:billing-care"
DESK = """
integration: desk
title: Desk
credential: {type: bearer}
operations:
  note_customer:
    title: Note something about a customer
    effect: write
    trust: reviewed
    method: POST
    path: "/customers/{customer}"
    body: form
    arguments:
      customer: {in: path, required: true, schema: {type: string, pattern: "^cus_[A-Za-z0-9]+$"}}
      description: {in: body, required: true, schema: {type: string}}
    idempotency: {mode: native_key, header: Idempotency-Key}
    sentence: "Note at ${{ arguments.customer }}"
    facts:
      - {label: Customer, shows: customer, becomes: "${{ arguments.customer }}"}
      - {label: Text, shows: description, becomes: "${{ arguments.description }}"}
"""
POLICY = "policy: p\nrules:\n  - {id: rest, when: {}, then: review, review: {slots: [{group: finance}]}}\n"


@pytest.fixture
def desk(world: World) -> World:
    mira = acting("mira")
    integration = describe_integration(DESK, base_url=f"{world.standin}/v1", actor=mira)
    credential = store_credential(integration, name="desk", secret="sk_test_desk", actor=mira)
    give_grant(grantee=GRANTEE, operations=["note_customer"], credential=credential, actor=mira)
    publish_policy(POLICY, actor=mira)
    return world


def asked(world: World, *texts: str, by: str = GRANTEE) -> list[Review]:
    team = Team.objects.get().id
    for text in texts:
        arguments = {"customer": world.seeded.customers["zoe"], "description": text}
        propose(Proposal(team, "desk.note_customer", arguments, by, ["usr_maker"]), actor=system("web"))
    world.settle()
    return list(Review.objects.filter(action__grantee=by).order_by("opened_at", "id"))


def signed(world: World, reviews: Iterable[Review], verdict: str = "approve", reason: str = "") -> dict[str, Any]:
    said, key = {"verdict": verdict, "reason": reason}, world.authenticator("ana")
    made = prepare_several([one.pk for one in reviews], **said, actor=acting("ana"))
    assertion = key.sign_options(made["options"])
    return {**said, "prepared": str(made["prepared"]), "assertion": assertion, "actor": acting("ana")}


def states() -> dict[str, int]:
    found = list(Action.objects.filter(operation__slug="note_customer").values_list("state", flat=True))
    return {state: found.count(state) for state in found}


def test_one_signature_is_a_decision_for_each_and_each_is_done(desk: World) -> None:
    reviews = asked(desk, "a", "b", "c")
    done, left = decide_several(**signed(desk, reviews))
    assert (set(done), left) == ({one.pk for one in reviews}, [])
    desk.settle()
    assert states() == {"succeeded": 3}
    decisions = list(Decision.objects.all())
    assert len({bytes(one.listed or b"") for one in decisions}) == 1
    assert len({bytes(one.signature or b"") for one in decisions}) == 1
    assert len({one.nonce for one in decisions}) == 3
    details = [json.loads(bytes(one.leaf))["detail"] for one in Record.objects.filter(kind=Kind.DECISION_MADE)]
    assert len({one["list_digest"] for one in details}) == 1
    assert len({one["payload_digest"] for one in details}) == 3


def test_refusing_says_why_to_each(desk: World) -> None:
    reviews = asked(desk, "a", "b")
    with pytest.raises(Invalid, match="Say why you refuse"):
        prepare_several([one.pk for one in reviews], verdict="refuse", reason="", actor=acting("ana"))
    decide_several(**signed(desk, reviews, "refuse", "Nobody reads these."))
    assert states() == {"refused": 2}
    assert {one.outcome["text"] for one in Action.objects.all() if one.outcome} == {"Nobody reads these."}


def test_what_changed_meanwhile_is_left_out_and_said(desk: World) -> None:
    reviews = asked(desk, "a", "b", "c")
    ready = signed(desk, reviews)
    with transaction.atomic():
        withdraw_action(reviews[0].action_id, actor=system("web"))
    signoff(reviews[1].pk, verdict="refuse", reason="No.", proof=BySession(), actor=acting("ana"))
    done, left = decide_several(**ready)
    assert done == [reviews[2].pk]
    assert [one.review and one.review.pk for one in left] == [reviews[0].pk, reviews[1].pk]


def test_signed_list_counts_once(desk: World) -> None:
    ready = signed(desk, asked(desk, "a", "b"))
    decide_several(**ready)
    with pytest.raises(Refusal):
        decide_several(**ready)
    assert Decision.objects.count() == 2


def test_other_words_than_those_that_were_signed_decide_nothing(desk: World) -> None:
    ready = signed(desk, asked(desk, "a", "b"))
    done, left = decide_several(**{**ready, "verdict": "refuse", "reason": "No."})
    assert (done, len(left)) == ([], 2)
    assert {one.why for one in left} == {"What was signed is not what was sent. Open the review again."}
    assert Decision.objects.count() == 0


def refunds(world: World) -> list[Review]:
    publish_policy(POLICY, actor=acting("mira"))
    grantee = granted({})
    for which, amount in (("large", 4_200), ("apart", 4_300)):
        ask(world, grantee, which, amount)
    return list(Review.objects.all())


def test_money_is_decided_one_by_one(world: World) -> None:
    reviews = refunds(world)
    assert alike_to(acting("ana"), reviews[0].pk) is None
    with pytest.raises(Conflict, match="not all of one kind"):
        prepare_several([one.pk for one in reviews], verdict="approve", reason="", actor=acting("ana"))


def test_only_one_kind_is_decided_together(desk: World) -> None:
    first, second = asked(desk, "a", "b")
    agent, _, _ = make_agent()
    credential = Credential.objects.get(name="desk")
    give_grant(grantee=agent.grantee, operations=["note_customer"], credential=credential, actor=acting("mira"))
    [other] = asked(desk, "c", by=agent.grantee)
    for chosen, text in (([first, other], "not all of one kind"), ([first], "from two to 30"), ([], "from two to 30")):
        with pytest.raises(Refusal, match=text):
            prepare_several([one.pk for one in chosen], verdict="approve", reason="", actor=acting("ana"))
    shown = alike_to(acting("ana"), second.pk)
    assert shown
    assert [row.review.pk for row in shown.rows] == [second.pk, first.pk]
    assert [line.label for line in shown.shared] == ["Customer"]
    texts = [one.action.arguments["description"] for one in (second, first)]
    assert [[line.becomes for line in row.lines] for row in shown.rows] == [[text] for text in texts]


def test_the_door_counts_no_list_for_what_is_decided_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the process that took the vote believed."""
    reviews = refunds(world)
    monkeypatch.setattr("approvals.several.is_light", lambda operation: True)
    done, _ = decide_several(**signed(world, reviews))
    assert len(done) == 2
    world.settle()
    assert set(Action.objects.filter(amount_minor__gt=0).values_list("state", flat=True)) == {"stale"}
    assert all(alarms(one.action_id) for one in reviews)


@pytest.mark.parametrize(
    "changed",
    [
        {"decisions": ["ef" * 32, "01" * 32]},
        {"reviewer": "usr_other"},
        {"decision": "refuse"},
        {"count": 3},
        {"type": "x"},
    ],
    ids=["without it", "of somebody else", "of another verdict", "of more", "that is none"],
)
def test_the_door_counts_no_list_that_does_not_say_so(
    desk: World, changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("approvals.bulk.list_of", lambda payloads: jcs(json.loads(list_of(payloads)) | changed))
    reviews = asked(desk, "a", "b")
    done, _ = decide_several(**signed(desk, reviews))
    assert len(done) == 2
    desk.settle()
    assert states() == {"stale": 2}
    assert all(alarms(one.action_id) for one in reviews)


def test_drill_stands_in_the_list_like_any_other(desk: World) -> None:
    """Or whoever decides together would know which one it is."""
    decide_several(**signed(desk, asked(desk, "a", "b")))
    desk.settle()
    reviews = asked(desk, "c")[2:]
    drill = begin_drill(acting("ana"))
    assert drill
    shown = [row.review for row in alike_to(acting("ana"), reviews[0].pk).rows]  # type: ignore[union-attr]
    assert {one.pk for one in shown} == {reviews[0].pk, drill.pk}
    assert has_alike(acting("ana"), shown[0], seats_of(shown[0]))
    done, left = decide_several(**signed(desk, shown))
    assert (set(done), left) == ({reviews[0].pk, drill.pk}, [])
    drill.refresh_from_db()
    assert drill.state == ("wrong" if drill.planted else "right")
    assert Decision.objects.count() == 3
