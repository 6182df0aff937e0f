"""The door dies or its answer is lost, at each exact point: one refund, no lost step, every record there."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from approvals import recover as recovery
from approvals.authority import Loaded, load
from approvals.execute import Result, begin_call, finish, perform, verify_authority
from approvals.models import Action, Permit, Review
from approvals.repeat import OUTRUN
from approvals.tasks import drive
from audit.models import Record
from console.core import presence
from console.core.actor import Actor
from console.core.clock import now
from console.runs.models import Run
from integrations import exchange
from integrations.models import Call, Credential
from integrations.outbound import Answer, send
from integrations.render import Rendered
from tests.spine.conftest import DOOR, World
from tests.standins.fault_proxy import FaultProxy

Crash = Callable[[str], None]


def crash_after_intent(action_id: str) -> None:
    loaded = load(action_id)
    begin_call(loaded, verify_authority(loaded), actor=DOOR)


def crash_after_send(action_id: str) -> None:
    loaded = load(action_id)
    rendered = verify_authority(loaded)
    perform(loaded, begin_call(loaded, rendered, actor=DOOR), rendered)


@pytest.fixture
def dead_door(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def die() -> None:
        monkeypatch.setattr(presence, "alive", set)
        monkeypatch.setattr(recovery, "now", lambda: now() + OUTRUN + dt.timedelta(minutes=1))

    return die


@pytest.mark.parametrize("crash", [crash_after_intent, crash_after_send])
def test_a_door_that_died_leaves_exactly_one_refund(held: World, crash: Crash, dead_door: Callable[[], None]) -> None:
    review = held.sign(held.review(large=True))
    crash(review.action_id)
    dead_door()
    drive(review.action_id)
    assert [refund["amount"] for refund in held.refunds()] == [48_000]
    call = Call.objects.get(action=review.action_id)
    kinds = Record.objects.of(call.id).order_by("at", "id").values_list("kind", flat=True)
    assert (Action.objects.get(pk=review.action_id).state, call.state) == ("succeeded", "succeeded")
    expected = ["integrations:call:sending", "integrations:call:in_doubt", "integrations:call:succeeded"]
    assert list(kinds) == (expected if crash is crash_after_send else expected[:2] + expected[:1] + expected[2:])
    assert Permit.objects.filter(action=review.action_id, consumed_at__isnull=True).count() == 0


def test_each_write_has_a_fresh_connection(held: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And reads those of their credential."""
    sent: list[tuple[str, str]] = []

    def sending(rendered: Rendered, *, credential: str, **more: Any) -> Answer:
        sent.append((rendered.method, credential))
        return send(rendered, credential=credential, **more)

    monkeypatch.setattr(exchange, "send", sending)
    drive(held.sign(held.review(large=True)).action_id)
    assert [refund["amount"] for refund in held.refunds()] == [48_000]
    assert dict(sent) == {"GET": Credential.objects.get(integration__slug="stripe").pk, "POST": ""}


def test_a_request_that_the_transport_refuses_as_altered_ends_with_an_alarm(held: World) -> None:
    loaded = load(held.sign(held.review(large=True)).action_id)
    call = begin_call(loaded, verify_authority(loaded), actor=DOOR)
    finish(loaded, call, Result("failed", {"error": "It is another one.", "code": "tampered"}), actor=DOOR)
    alarms = Record.objects.of(loaded.action.id).filter(kind="console:alarm:tampered").count()
    assert (Action.objects.get(pk=loaded.action.id).state, alarms) == ("failed", 1)


def test_a_call_of_a_living_door_is_left_to_it(held: World) -> None:
    review = held.sign(held.review(large=True))
    crash_after_intent(review.action_id)
    drive(review.action_id)
    assert (Call.objects.get(action=review.action_id).state, held.refunds()) == ("sending", [])


def test_an_unreadable_probe_decides_nothing(held: World, proxy: FaultProxy, dead_door: Callable[[], None]) -> None:
    review = held.sign(held.review(large=True))
    crash_after_send(review.action_id)
    dead_door()
    fault = proxy.cut_before("GET", "/v1/refunds")
    drive(review.action_id)
    fault.wait()  # the door hears of its cut a moment before the proxy notes it
    action = Action.objects.get(pk=review.action_id)
    assert action.state == "in_doubt"
    assert action.not_before  # it is looked at again, and not each second
    Action.objects.update(not_before=None)
    drive(review.action_id)
    assert (Action.objects.get(pk=review.action_id).state, len(held.refunds())) == ("succeeded", 1)


def test_a_probe_that_stays_unreadable_leads_to_a_person(
    held: World, proxy: FaultProxy, dead_door: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    review = held.sign(held.review(large=True))
    crash_after_send(review.action_id)
    dead_door()
    monkeypatch.setattr(recovery, "now", lambda: now() + 2 * recovery.UNREADABLE_FOR)
    fault = proxy.cut_before("GET", "/v1/refunds")
    drive(review.action_id)
    fault.wait()
    assert Review.objects.get(action=review.action_id, state="open").kind == "doubt"


def test_no_probe_means_a_person_is_asked_and_their_answer_ends_it(
    held: World, dead_door: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    review = held.sign(held.review(large=True))
    crash_after_send(review.action_id)
    dead_door()
    monkeypatch.setattr("integrations.description.Description.probe", None)
    drive(review.action_id)
    doubt = Review.objects.get(action=review.action_id, state="open")
    assert doubt.kind == "doubt"
    held.sign(doubt, verdict="approve", reason="Seen in the provider's dashboard.")
    held.sign_by_password(held.review(large=False))
    held.settle()
    call = Call.objects.get(action=review.action_id)
    assert call.receipt is not None
    assert (call.state, call.receipt["found_by"], Run.objects.get().state) == ("succeeded", "person", "succeeded")
    assert len(held.refunds()) == 1


def test_a_probe_that_nobody_has_reviewed_decides_nothing(
    held: World, dead_door: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although it would find the refund."""
    resolve = recovery._resolve

    def unreviewed(loaded: Loaded, call: Call, actor: Actor) -> Action:
        loaded.action.operation.description = {**loaded.action.operation.description, "trust": "imported"}
        return resolve(loaded, call, actor)

    review = held.sign(held.review(large=True))
    crash_after_send(review.action_id)
    dead_door()
    monkeypatch.setattr(recovery, "_resolve", unreviewed)
    drive(review.action_id)
    assert Action.objects.get(pk=review.action_id).state == "in_doubt"
    assert Review.objects.get(action=review.action_id, state="open").kind == "doubt"
