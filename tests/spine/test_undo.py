"""Undoing what was done: asked for by people, worked out by the console, ruled on and signed like anything else."""

import datetime as dt
import json
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse as reverse_url

from approvals.models import Action, Review
from approvals.propose import Proposal, propose
from approvals.reverse import done_by, reverse
from audit.models import Record
from console.accounts.models import User
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid, NotFound
from console.runs.cancel import cancel_run
from console.runs.models import Run
from console.runs.start import start_run
from console.workflows.access import access_version
from console.workflows.publish import publish_workflow
from examples.demo.access import ARN, DOCUMENT, HELD, INPUTS, USER, WANTED, ask, attached
from examples.demo.people import acting
from integrations.amend import review_operation
from integrations.describe import give_grant, revoke_grant
from integrations.description_schema import REVIEWED
from integrations.grantees import PEOPLE
from integrations.models import Call, Grant, Operation
from tests.spine.attacker import Attacker, writes
from tests.spine.conftest import World, the_access_review
from tests.standins.fault_proxy import FaultProxy

WHY = "She does not take over the payouts after all."


@pytest.fixture
def done(asked: World) -> Action:
    review = asked.sign(the_access_review())
    asked.settle()
    return Action.objects.get(pk=review.action_id, state="succeeded")


def undo(action: Action, who: str = "jonas") -> Action:
    [asked] = reverse([action.id], says=WHY, actor=acting(who))
    return asked


def outcome(action: Action) -> tuple[str, Any]:
    action.refresh_from_db()
    return action.state, (action.outcome or {}).get("code")


def test_undone_once_by_a_call_of_its_own(asked: World, done: Action, gate: FaultProxy, access: str) -> None:
    back = undo(done)
    asked.settle()
    review = Review.objects.get(action=back, state="open")
    back.refresh_from_db()
    assert (back.operation.slug, back.arguments, back.grantee, back.makers, back.says) == (
        "detach_user_policy", {name: INPUTS[name] for name in ("user", "policy")}, PEOPLE, [acting("jonas").id], WHY,
    )  # fmt: skip
    assert attached(access) == sorted([HELD, WANTED])
    asked.sign(review)
    asked.settle()
    assert (outcome(back), outcome(done), attached(access)) == (
        ("succeeded", "succeeded"), ("succeeded", "succeeded"), [HELD],
    )  # fmt: skip
    assert sorted(Call.objects.values_list("key", flat=True)) == sorted([done.id, back.id])
    assert len(writes(gate)) == 2
    told = bytes(Record.objects.of(back.id).get(kind="approvals:action:proposed").leaf)
    assert f'"reverses":"{done.id}"'.encode() in told


def test_whoever_asks_does_not_sign(asked: World, done: Action) -> None:
    """Ana reviews for security, so she may ask; then somebody else has to sign."""
    back = undo(done, "ana")
    asked.settle()
    with pytest.raises(Forbidden):
        asked.sign(Review.objects.get(action=back, state="open"), "ana")


def test_asked_twice_it_is_undone_once(asked: World, done: Action) -> None:
    back = undo(done)
    with pytest.raises(Conflict, match="asked for this already"):
        undo(done, "mira")
    asked.settle()
    asked.sign(Review.objects.get(action=back, state="open"))
    asked.settle()
    with pytest.raises(Conflict, match="has been undone"):
        undo(done)
    double = Action(team_id=done.team_id, operation=done.operation, arguments={}, grantee=PEOPLE, reverses=done)
    double.attestation = b"x" * 64
    with pytest.raises(IntegrityError, match="action_reversed_once"), transaction.atomic():
        double.save(force_insert=True)


def test_refused_it_may_be_asked_for_again(asked: World, done: Action, access: str) -> None:
    first = undo(done)
    asked.settle()
    asked.sign(Review.objects.get(action=first, state="open"), verdict="refuse", reason="She needs it until May.")
    asked.settle()
    again = undo(done)
    asked.settle()
    asked.sign(Review.objects.get(action=again, state="open"))
    asked.settle()
    assert (outcome(first)[0], outcome(again)[0], attached(access)) == ("refused", "succeeded", [HELD])


def test_people_need_a_grant_too(asked: World, done: Action) -> None:
    revoke_grant(Grant.objects.get(grantee=PEOPLE), actor=acting("mira"))
    with pytest.raises(Conflict, match="not granted"):
        undo(done)
    assert not Action.objects.filter(reverses=done).exists()


def test_who_may_ask_and_for_what(asked: World, done: Action) -> None:
    with pytest.raises(Invalid, match="Say why"):
        reverse([done.id], says=" ", actor=acting("jonas"))
    with pytest.raises(NotFound):
        reverse([done.id, "act_nobody"], says=WHY, actor=acting("jonas"))
    with pytest.raises(Forbidden):
        reverse([done.id], says=WHY, actor=acting("theo"))
    read = Action.objects.filter(operation__effect="read", state="succeeded").first()
    assert read is not None
    with pytest.raises(NotFound):
        undo(read)


def test_what_somebody_else_undid_is_not_undone_again(
    asked: World, done: Action, gate: FaultProxy, access: str
) -> None:
    back = undo(done)
    asked.settle()
    ask(access, "DetachUserPolicy", UserName=USER, PolicyArn=WANTED)
    asked.sign(Review.objects.get(action=back, state="open"))
    asked.settle()
    assert (outcome(back), len(writes(gate))) == (("stale", "precondition_changed"), 1)


def test_the_latest_is_undone_first_and_each_waits_for_the_one_before(asked: World, done: Action, access: str) -> None:
    back = undo(done)
    asked.settle()
    asked.sign(Review.objects.get(action=back, state="open"))
    asked.settle()  # what was attached is detached, which can be undone in turn
    again = Grant.objects.get(grantee=PEOPLE)
    give_grant(grantee=PEOPLE, operations=["attach_user_policy", "get_user"], credential=again.credential,
               actor=acting("mira"))  # fmt: skip
    third = undo(back)
    asked.settle()
    asked.sign(Review.objects.get(action=third, state="open"))
    asked.settle()
    assert attached(access) == sorted([HELD, WANTED])
    assert [way.action for way in done_by(acting("mira"), grantee=PEOPLE)] == [third, back]


def test_of_several_each_is_read_and_signed_after_the_one_before(
    asked: World, done: Action, gate: FaultProxy, access: str
) -> None:
    other = second_policy(asked, done, access)
    [first, second] = reverse([done.id, other.id], says=WHY, actor=acting("jonas"))
    asked.settle()
    assert [(one.reverses_id, one.after_id) for one in (first, second)] == [(other.id, None), (done.id, first.id)]
    assert (outcome(first)[0], outcome(second)[0]) == ("held", "proposed")
    asked.sign(Review.objects.get(action=first, state="open"))
    asked.settle()
    assert (outcome(first)[0], outcome(second)[0], attached(access)) == ("succeeded", "held", sorted([HELD, WANTED]))
    asked.sign(Review.objects.get(action=second, state="open"))
    asked.settle()
    assert attached(access) == [HELD]


def test_when_the_one_before_is_refused_the_rest_is_not_undone(asked: World, done: Action, access: str) -> None:
    other = second_policy(asked, done, access)
    [first, second] = reverse([done.id, other.id], says=WHY, actor=acting("jonas"))
    asked.settle()
    asked.sign(Review.objects.get(action=first, state="open"), verdict="refuse", reason="Both stay as they are.")
    asked.settle()
    assert (outcome(first)[0], outcome(second)) == ("refused", ("refused", "earlier_undo"))


def test_after_its_time_it_is_too_late(asked: World, done: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    describe_way_back(hours=1)
    back = undo(done)
    asked.settle()
    asked.sign(Review.objects.get(action=back, state="open"))
    monkeypatch.setattr("approvals.authority.now", lambda: now() + dt.timedelta(minutes=61))
    asked.settle()
    assert outcome(back) == ("stale", "too_late")


def test_a_way_back_that_was_described_otherwise_meanwhile_is_not_gone(asked: World, done: Action) -> None:
    back = undo(done)
    asked.settle()
    review = asked.sign(Review.objects.get(action=back, state="open"))
    describe_way_back(loses="Everything that was built on it.")
    asked.settle()
    assert (review.state, outcome(back)) == ("approved", ("stale", "description_changed"))


@pytest.mark.parametrize(
    ("column", "value"),
    [("reverses_id", None), ("after_id", "self"), ("arguments", json.dumps({"user": USER, "policy": HELD}))],
)
def test_a_row_cannot_be_made_to_undo_something_else(
    asked: World, done: Action, gate: FaultProxy, committed: str, column: str, value: str | None
) -> None:
    back = undo(done)
    asked.settle()
    asked.sign(Review.objects.get(action=back, state="open"))
    with Attacker(committed) as sql:
        given = back.id if value == "self" else value
        sql.alter(f"UPDATE approvals_action SET {column} = %s WHERE id = %s", given, back.id)
    asked.settle()
    assert (outcome(back), len(writes(gate))) == (("stale", "tampered"), 1)


def second_policy(asked: World, done: Action, access: str) -> Action:
    """Attached beside the first."""
    ask(access, "CreatePolicy", PolicyName="audit-read", PolicyDocument=DOCUMENT)
    action = propose(
        Proposal(team=done.team_id, operation="iam.attach_user_policy", grantee=done.grantee, makers=[],
                 arguments={"user": USER, "policy": ARN.format("audit-read")}),
        actor=acting("jonas"),
    )  # fmt: skip
    asked.settle()
    asked.sign(Review.objects.get(action=action, state="open"))
    asked.settle()
    action.refresh_from_db()
    assert action.state == "succeeded"
    return action


def describe_way_back(**said: object) -> None:
    attach = Operation.objects.get(slug="attach_user_policy")
    told = {name: value for name, value in attach.description.items() if name in REVIEWED and name != "trust"}
    told["compensation"] = {**told["compensation"], **said}
    review_operation(attach, told, seen=bytes(attach.digest).hex(), actor=acting("mira"))


FAILING = """
workflow: grant-access
title: Grant access, and fail afterwards
on_failure: {}
inputs: {{user: {{type: string}}, policy: {{type: string}}, reason: {{type: string}}}}
steps:
  attach:
    call: iam.attach_user_policy
    arguments: {{user: "${{{{ inputs.user }}}}", policy: "${{{{ inputs.policy }}}}"}}
  look:
    after: [attach]
    call: iam.get_user
    arguments: {{user: nobody.of.that.name}}
"""


def fail_after_attaching(asked: World, on_failure: str) -> Run:
    """The demo's run is left where it is; another version of its workflow does the same, and then fails."""
    actor = acting("jonas")
    cancel_run(Run.objects.get(version__workflow__slug="grant-access"), actor=actor)
    publish_workflow(FAILING.format(on_failure), actor=acting("mira"))
    run = start_run(access_version(actor, "grant-access"), inputs=INPUTS, actor=actor)
    asked.settle()
    asked.sign(the_access_review())
    asked.settle()
    run.refresh_from_db()
    assert run.state == "failed"
    return run


def page_of(run: Run) -> str:
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="jonas"))
    return client.get(reverse_url("run", args=[run.id])).content.decode()


def test_a_failed_run_is_undone_where_its_workflow_says_so(asked: World, access: str) -> None:
    run = fail_after_attaching(asked, "undo")
    assert (run.outcome or {})["undone"] == {"asked": 1, "left": 0}
    assert "being undone</a>: 1 of 1 action." in page_of(run)
    back = Action.objects.get(grantee=PEOPLE)
    assert (back.makers, back.state, back.reverses and back.reverses.run) == ([acting("jonas").id], "held", run.id)
    assert back.says.startswith("The run failed at look.")
    with pytest.raises(Forbidden):
        asked.sign(Review.objects.get(action=back, state="open"), "jonas")
    asked.sign(Review.objects.get(action=back, state="open"))
    asked.settle()
    assert (outcome(back), attached(access)) == (("succeeded", "succeeded"), [HELD])


def test_a_failed_run_stays_as_it_is_where_nothing_is_said(asked: World, access: str) -> None:
    run = fail_after_attaching(asked, "keep")
    assert "undone" not in (run.outcome or {})
    assert (Action.objects.filter(grantee=PEOPLE).count(), attached(access)) == (0, sorted([HELD, WANTED]))


def test_a_failed_run_says_what_it_cannot_undo(asked: World, access: str) -> None:
    """Without the grant to people the run still ends, and says what is left."""
    revoke_grant(Grant.objects.get(grantee=PEOPLE), actor=acting("mira"))
    run = fail_after_attaching(asked, "undo")
    assert (run.outcome or {})["undone"] == {"asked": 0, "left": 1}
    assert "Nothing of what it had changed can be undone by itself" in page_of(run)
    assert (Action.objects.filter(grantee=PEOPLE).count(), attached(access)) == (0, sorted([HELD, WANTED]))
