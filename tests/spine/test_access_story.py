"""The second story, about security: a user gets an access policy once somebody has signed for it, and exactly once."""

import json
from pathlib import Path

import pytest
from django.db.models import F

from approvals.models import Action, Review, Slot
from approvals.policies.slots import SlotSpec, Way
from approvals.propose import Proposal, propose
from approvals.tasks import drive
from audit.models import Record
from console.accounts.models import Team
from console.runs.models import Run
from examples.demo.access import (
    HELD,
    KEY,
    USER,
    WANTED,
    ask,
    attached,
    begin_access_run,
    connect_access,
)
from examples.demo.people import acting
from examples.demo.seed import begin_run
from integrations.models import Call
from tests.spine.attacker import writes
from tests.spine.conftest import World, the_access_review
from tests.stack import Stack, wait_until
from tests.standins.fault_proxy import FaultProxy


def test_the_policy_waits_for_security_and_nothing_is_sent(asked: World, gate: FaultProxy, access: str) -> None:
    review = the_access_review()
    slot, action = Slot.objects.get(review=review), review.action
    assert (slot.asks, action.amount_minor) == (SlotSpec((Way("security"),)), None)
    assert action.sentence == "Attach the policy payouts-operate to the user linnea.berg"
    assert action.facts[0]["name"] == "arn:aws:iam::123456789012:user/linnea.berg"
    assert [(line["label"], line["was"], line["becomes"]) for line in action.facts] == [
        ("User", "linnea.berg", "linnea.berg"),
        ("Policy", None, f"{WANTED}, version v1"),
        ("What the policy says it is for", None, "Start and stop batches of payouts"),
        ("Policies of this user", "reports-read", "payouts-operate, reports-read"),
    ]
    assert (writes(gate), attached(access)) == ([], [HELD])


def test_it_stands_in_the_queue_beside_the_money(asked: World) -> None:
    begin_run()
    asked.settle()
    waiting = Review.objects.filter(state="open").order_by(F("action__amount_minor").asc(nulls_last=True))
    assert [(one.action.operation.slug, one.action.amount_minor) for one in waiting] == [
        ("create_refund", 4_200), ("create_refund", 48_000), ("attach_user_policy", None),
    ]  # fmt: skip


def test_signed_it_is_done_exactly_once(asked: World, gate: FaultProxy, access: str) -> None:
    asked.sign(the_access_review())
    asked.settle()
    [sent] = [arrival for arrival in gate.requests if arrival.method == "POST"]
    assert sent.body.decode().split("&") == [
        "Action=AttachUserPolicy", "ContentType=JSON", "Version=2010-05-08", f"UserName={USER}",
        f"PolicyArn={WANTED.replace(':', '%3A').replace('/', '%2F')}",
    ]  # fmt: skip
    assert sent.headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY['access_key_id']}/")
    assert (attached(access), Run.objects.get().state) == (sorted([HELD, WANTED]), "succeeded")
    assert Call.objects.get().state == "succeeded"


def test_refused_it_is_not_done(asked: World, gate: FaultProxy, access: str) -> None:
    asked.sign(the_access_review(), verdict="refuse", reason="She is on leave until May.")
    asked.settle()
    assert (writes(gate), attached(access), Run.objects.get().state) == ([], [HELD], "failed")


@pytest.mark.parametrize("lost", [pytest.param("cut_before", marks=pytest.mark.long), "cut_after"])
def test_with_real_processes_a_lost_answer_leads_to_exactly_one_attachment(
    asked: World, gate: FaultProxy, access: str, committed: str, tmp_path: Path, lost: str
) -> None:
    stack = Stack(committed, tmp_path)
    try:
        stack.start("worker", "door", "beat")
        fault = getattr(gate, lost)("POST", "/")
        review = asked.sign(the_access_review())
        wait_until(lambda: Action.objects.get(pk=review.action_id).settled, "the policy is attached")
        fault.wait()
        wait_until(lambda: Run.objects.get().state == "succeeded", "the run ends")
    finally:
        stack.stop()
    assert attached(access) == sorted([HELD, WANTED])
    assert Action.objects.get(pk=review.action_id).state == "succeeded"
    kinds = Record.objects.of(Call.objects.get().id).order_by("at", "id").values_list("kind", flat=True)
    again = ["integrations:call:sending"] if lost == "cut_before" else []
    assert list(kinds) == [
        "integrations:call:sending", "integrations:call:in_doubt", *again, "integrations:call:succeeded",
    ]  # fmt: skip
    # What was sent after the fault, as the stand-in saw it: once in all.
    assert len(writes(gate)) == len(again) + 1


def test_a_user_who_got_another_policy_meanwhile_gets_nothing(asked: World, gate: FaultProxy, access: str) -> None:
    review = asked.sign(the_access_review())
    ask(access, "DetachUserPolicy", UserName=USER, PolicyArn=HELD)
    asked.settle()
    action = Action.objects.get(pk=review.action_id)
    assert action.outcome is not None
    assert (action.state, action.outcome["code"]) == ("stale", "precondition_changed")
    assert (writes(gate), attached(access)) == ([], [])


def test_a_policy_whose_meaning_changed_meanwhile_is_not_attached(asked: World, gate: FaultProxy, access: str) -> None:
    review = asked.sign(the_access_review())
    wider = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    ask(access, "CreatePolicyVersion", PolicyArn=WANTED, PolicyDocument=wider, SetAsDefault="true")
    asked.settle()
    assert (Action.objects.get(pk=review.action_id).state, writes(gate)) == ("stale", [])


def test_a_policy_that_is_attached_already_is_not_asked_about(world: World, gate: FaultProxy, access: str) -> None:
    ask(access, "AttachUserPolicy", UserName=USER, PolicyArn=WANTED)
    connect_access(gate.base_url)
    begin_access_run()
    world.settle()
    action = Action.objects.get(operation__slug="attach_user_policy")
    assert action.outcome is not None
    assert (action.state, action.outcome["text"]) == ("failed", "The policy is attached to this user already.")
    assert not Review.objects.exists()


@pytest.mark.parametrize("grantee", ["workflow:billing-care", "agent:helpful", "workflow:grant-access-2"])
def test_whoever_was_not_granted_it_is_refused_and_recorded(world: World, gate: FaultProxy, grantee: str) -> None:
    connect_access(gate.base_url)
    team = Team.objects.get()
    action = propose(
        Proposal(team=team.id, operation="iam.attach_user_policy", arguments={"user": USER, "policy": WANTED},
                 grantee=grantee, makers=[]),
        actor=acting("jonas"),
    )  # fmt: skip
    drive(action.id)
    action.refresh_from_db()
    assert action.outcome is not None
    assert (action.state, action.outcome["code"]) == ("refused", "not_granted")
    told = json.loads(bytes(Record.objects.of(action.id).get(kind="approvals:action:refused").leaf))
    assert told["detail"]["code"] == "not_granted"
    assert (gate.requests, Review.objects.count()) == ([], 0)


def test_a_workflow_is_granted_no_more_than_its_operations(world: World, gate: FaultProxy) -> None:
    connect_access(gate.base_url)
    arguments = {"user": USER, "policy": HELD}
    proposal = Proposal(team=Team.objects.get().id, operation="iam.detach_user_policy", arguments=arguments,
                        grantee="workflow:grant-access", makers=[])  # fmt: skip
    action = propose(proposal, actor=acting("jonas"))
    assert (action.state, (action.outcome or {})["code"], gate.requests) == ("refused", "not_granted", [])
