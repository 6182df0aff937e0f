"""What happens around the story: reads, cancelling, doubts, and passwords that SQL wrote."""

import pytest
from django.contrib.auth.hashers import make_password

from approvals.models import Action, Review
from approvals.propose import Proposal, propose
from approvals.signoff import BySession, signoff
from audit.models import Record
from console.accounts.models import User
from console.core.actor import system
from console.core.errors import Forbidden
from console.dispatch.sweep import withdraw_orphans
from console.runs.cancel import cancel_run
from console.runs.models import Run, Step
from examples.demo.people import acting
from tests.services import services
from tests.spine.conftest import World


def test_an_allowed_read_costs_two_records_and_no_permit(held: World) -> None:
    action = Action.objects.get(operation__slug="list_charges")
    kinds = Record.objects.of(action.id).order_by("at").values_list("kind", flat=True)
    assert list(kinds) == ["approvals:action:proposed", "approvals:action:succeeded"]
    assert not action.permits.exists()


def test_cancelling_a_run_takes_its_proposals_back(held: World) -> None:
    run = Run.objects.get()
    cancel_run(run, actor=acting("jonas"))
    held.settle()
    assert set(Step.objects.filter(run=run, state="cancelled").values_list("name", flat=True)) == {"refund"}
    assert set(Review.objects.values_list("state", flat=True)) == {"withdrawn"}
    assert set(Action.objects.filter(operation__slug="create_refund").values_list("state", flat=True)) == {"withdrawn"}
    assert held.refunds("large") == held.refunds("small") == []


def test_a_proposal_made_in_the_moment_of_the_cancel_is_withdrawn(held: World) -> None:
    run = Run.objects.get()
    cancel_run(run, actor=acting("jonas"))
    step = Step.objects.filter(run=run, state="cancelled", parent=None).get()
    late = Proposal(team=run.team_id, operation="stripe.create_refund", grantee="workflow:billing-care",
                    arguments={"charge": held.seeded.pair("large").later, "amount": 1}, makers=[run.on_behalf_of_id],
                    run=run.id, step=step.id)  # fmt: skip
    action = propose(late, actor=system("worker"))
    assert withdraw_orphans() == 1
    assert Action.objects.get(pk=action.id).state == "withdrawn"


def test_a_password_that_sql_wrote_opens_nothing(held: World) -> None:
    ana = User.objects.get(username="ana")
    ana.set_password("the right password")
    ana.save(update_fields=["password", "password_attestation"])
    assert User.objects.get(pk=ana.pk).check_password("the right password")
    with services().role("countersign_app", services_database()) as connection:
        connection.execute("UPDATE accounts_user SET password = %s WHERE id = %s", [make_password("mine"), ana.id])
    assert not User.objects.get(pk=ana.pk).check_password("mine")


def services_database() -> str:
    from django.conf import settings

    return str(settings.DATABASES["default"]["NAME"])


def test_a_refusal_by_session_ends_an_action_but_settles_no_doubt(held: World) -> None:
    review = held.review(large=False)
    Review.objects.filter(pk=review.pk).update(kind="doubt")
    with pytest.raises(Forbidden, match="passkey"):
        signoff(review.id, verdict="refuse", reason="No trace of it.", proof=BySession(), actor=acting("ana"))


def test_the_second_workflow_passes_the_same_spine_by_yaml_alone(world: World) -> None:
    from console.runs.start import start_run
    from console.workflows.access import access_version

    jonas = acting("jonas")
    subscription = next(iter(world.seeded.subscriptions.values()))
    inputs = {"subscription": subscription, "reason": "They asked for it."}
    run = start_run(access_version(jonas, "cancel-subscription"), inputs=inputs, actor=jonas)
    world.settle()
    review = Review.objects.select_related("action").get(action__run=run.id)
    world.sign(review, who="sam")
    world.settle()
    run.refresh_from_db()
    assert (run.state, Action.objects.get(pk=review.action_id).state) == ("succeeded", "succeeded")
