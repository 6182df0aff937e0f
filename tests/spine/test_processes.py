"""Real worker, door, beat and broker; each is killed or stopped at the worst moment."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from approvals.models import Action, Review
from audit.models import Record
from console.runs.models import Run, Step
from console.runs.start import start_run
from console.workflows.publish import publish_workflow
from examples.demo.people import acting
from integrations.models import Call
from tests.busy.kind import install
from tests.spine.conftest import World
from tests.stack import Stack, wait_until
from tests.standins.fault_proxy import FaultProxy


@pytest.fixture
def stack(committed: str, tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(committed, tmp_path)
    try:
        yield stack
    finally:
        stack.stop()


def held_by_processes(world: World) -> Run:
    run = world.begin()
    wait_until(lambda: Review.objects.filter(state="open").count() == 2, "two refunds wait")
    return run


def is_settled(action_id: str) -> bool:
    return Action.objects.get(pk=action_id).settled


def outcome_of(review: Review) -> tuple[str, str]:
    call = Call.objects.get(action=review.action_id)
    return Action.objects.get(pk=review.action_id).state, call.state


@pytest.mark.parametrize("lost", [pytest.param("cut_before", marks=pytest.mark.long), "cut_after"])
def test_a_lost_answer_leads_to_exactly_one_refund(world: World, stack: Stack, proxy: FaultProxy, lost: str) -> None:
    stack.start("worker", "door", "beat")
    held_by_processes(world)
    fault = getattr(proxy, lost)("POST", "/v1/refunds")
    review = world.sign(world.review(large=True))
    wait_until(lambda: is_settled(review.action_id), "the refund is settled")
    fault.wait()
    assert (outcome_of(review), len(world.refunds())) == (("succeeded", "succeeded"), 1)
    assert "integrations:call:in_doubt" in Record.objects.filter(run=review.action.run).values_list("kind", flat=True)


def test_a_killed_door_is_replaced_and_sends_once(world: World, stack: Stack, proxy: FaultProxy) -> None:
    stack.start("worker", "door", "beat")
    run = held_by_processes(world)
    fault = proxy.hold("POST", "/v1/refunds")
    review = world.sign(world.review(large=True))
    fault.wait()
    stack.kill("door")
    assert Call.objects.get(action=review.action_id).state == "sending"
    stack.start("door")
    # Half a minute passes before the new door trusts that nothing of the old one's can arrive any more.
    wait_until(lambda: is_settled(review.action_id), "the refund is settled", seconds=80)
    assert (outcome_of(review), len(world.refunds())) == (("succeeded", "succeeded"), 1)
    world.sign_by_password(world.review(large=False))
    wait_until(lambda: Run.objects.get(pk=run.pk).state == "succeeded", "the run ends")


def test_worker_and_broker_killed_mid_run_only_delay_it(world: World, stack: Stack, proxy: FaultProxy) -> None:
    stack.start("worker", "door", "beat")
    fault = proxy.hold("GET", "/v1/charges")
    run = world.begin()
    fault.wait()
    stack.kill("worker")
    stack.kill_broker()
    fault.release()
    stack.start_broker()
    stack.start("worker")
    wait_until(lambda: Review.objects.filter(state="open").count() == 2, "two refunds wait")
    world.sign(world.review(large=True))
    world.sign_by_password(world.review(large=False))
    wait_until(lambda: Run.objects.get(pk=run.pk).state == "succeeded", "the run ends")
    assert [len(world.refunds("large")), len(world.refunds("small"))] == [1, 1]


@pytest.mark.parametrize("broker", ["hung", pytest.param("gone", marks=pytest.mark.long)])
def test_a_signature_is_answered_within_two_seconds_without_a_broker(world: World, stack: Stack, broker: str) -> None:
    stack.start("worker", "door", "beat")
    held_by_processes(world)
    review = world.review(large=True)
    if broker == "hung":
        stack.hang_broker()
    else:
        stack.kill_broker()
    began = time.monotonic()
    world.sign(review)
    assert time.monotonic() - began < 2
    assert (Action.objects.get(pk=review.action_id).state, world.refunds()) == ("permitted", [])
    if broker == "hung":
        stack.release_broker()
    else:
        stack.start_broker()
    wait_until(lambda: is_settled(review.action_id), "the sweep has the refund sent")
    assert len(world.refunds()) == 1


FAN = """
workflow: fan
title: Look at many charges
steps:
  look:
    for_each: "${{ [NUMBERS] }}"
    call: stripe.get_charge
    arguments: {charge: CHARGE}
"""


def test_answers_that_come_before_the_step_parks_strand_none(world: World, stack: Stack) -> None:
    """A hundred reads by real processes, and no beat: only the lock on the action saves a step that is late."""
    numbers = ", ".join(f"`{n}`" for n in range(100))
    source = FAN.replace("NUMBERS", numbers).replace("CHARGE", world.seeded.pair("large").later)
    from integrations.describe import give_grant
    from integrations.models import Credential

    version = publish_workflow(source, actor=acting("mira"))
    give_grant(
        grantee="workflow:fan", operations=["get_charge"], credential=Credential.objects.get(), actor=acting("mira")
    )
    stack.start("worker", "door")
    run = start_run(version, inputs={}, actor=acting("jonas"))
    wait_until(lambda: Run.objects.get(pk=run.pk).state != "running", "the run ends")
    assert Run.objects.get(pk=run.pk).state == "succeeded"
    assert Step.objects.filter(run=run, state="succeeded").count() == 101


BUSY = """
workflow: busy
title: Hold every lane
steps:
  hold: {for_each: "${{ [`1`, `2`, `3`, `4`, `5`, `6`] }}", busy: {seconds: 25}}
"""


def test_long_steps_in_every_lane_do_not_delay_a_signed_action(world: World, committed: str, tmp_path: Path) -> None:
    install()
    stack = Stack(committed, tmp_path, COUNTERSIGN_EXTRA_APPS="tests.busy")
    try:
        stack.start("worker", "door", "beat")
        held_by_processes(world)
        run = start_run(publish_workflow(BUSY, actor=acting("mira")), inputs={}, actor=acting("jonas"))
        wait_until(lambda: Step.objects.filter(run=run, state="running").count() == 4, "every lane is taken")
        review = world.sign(world.review(large=True))
        wait_until(lambda: is_settled(review.action_id), "the refund is sent", seconds=5)
        assert Step.objects.filter(run=run, state="running").count() == 4
        assert len(world.refunds()) == 1
    finally:
        stack.stop()
