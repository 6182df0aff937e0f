"""The whole story as acts: a run proposes, people sign, the door does it once."""

import json

from approvals.models import Action, Permit, Review
from audit.models import Record
from console.runs.models import Run, Step
from integrations.models import Call
from tests.spine.conftest import World


def test_a_run_proposes_just_the_two_double_charges_and_sends_nothing(held: World) -> None:
    actions = Action.objects.filter(operation__slug="create_refund").order_by("-amount_minor")
    assert [(a.state, a.amount_minor, a.currency, a.arguments["charge"]) for a in actions] == [
        ("held", 48_000, "eur", held.seeded.pair("large").later),
        ("held", 4_200, "eur", held.seeded.pair("small").later),
    ]
    assert held.refunds("large") == held.refunds("small") == []


def test_signed_refunds_are_sent_once_and_the_run_succeeds(held: World) -> None:
    held.sign(held.review(large=True))
    held.sign_by_password(held.review(large=False))
    held.settle()
    assert [len(held.refunds("large")), len(held.refunds("small"))] == [1, 1]
    assert Run.objects.get().state == "succeeded"
    assert set(Step.objects.values_list("state", flat=True)) == {"succeeded"}


def test_a_refusal_needs_a_reason_that_reaches_the_run(held: World) -> None:
    held.sign(held.review(large=True), verdict="refuse", reason="Both charges are right: two orders.")
    held.sign_by_password(held.review(large=False))
    held.settle()
    run = Run.objects.get()
    assert run.outcome is not None
    assert (run.state, run.outcome["code"]) == ("failed", "refused")
    assert "Both charges are right: two orders." in run.outcome["text"]
    assert [len(held.refunds("large")), len(held.refunds("small"))] == [0, 1]


def test_every_state_that_was_reached_has_its_record(held: World) -> None:
    held.sign(held.review(large=True))
    held.settle()
    action = Action.objects.get(amount_minor=48_000)
    review = Review.objects.get(action=action)
    kinds = Record.objects.of(action.id, review.id).order_by("at", "id").values_list("kind", flat=True)
    assert list(kinds) == [
        "approvals:action:proposed",
        "approvals:action:held",
        "approvals:review:open",
        "approvals:review:approved",
        "approvals:action:permitted",
        "approvals:action:executing",
        "approvals:action:succeeded",
    ]


def test_records_tell_which_permit_was_given_and_which_was_used(held: World) -> None:
    held.sign(held.review(large=True))
    held.settle()
    permit = Permit.objects.get(action__amount_minor=48_000)
    call = Call.objects.get(action=permit.action_id)
    told = Record.objects.of(permit.action_id, call.id).filter(
        kind__in=["approvals:action:permitted", "integrations:call:sending"]
    )
    assert permit.consumed_at is not None
    assert [json.loads(bytes(leaf))["detail"]["permit"] for leaf in told.values_list("leaf", flat=True)] == [
        permit.id
    ] * 2
