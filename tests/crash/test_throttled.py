"""The other side wants to be asked later: nothing is lost, nothing is done twice, and it is not asked before."""

import datetime as dt
from email.utils import format_datetime

import pytest
from django.db import IntegrityError, transaction

from approvals import alarm, pace, sweep
from approvals.authority import load
from approvals.execute import Result, begin_call, finish, verify_authority
from approvals.models import Action
from approvals.tasks import drive
from approvals.withdraw import withdraw_action, withdraw_actions
from audit.models import Record
from console.core.clock import now
from console.core.ids import new_id
from integrations.describe import give_grant, revoke_grant
from integrations.description import Description
from integrations.models import Call, Credential, Operation
from tests.crash.place import DOOR, TRUSTED, Place
from tests.factories import a_grantee
from tests.standins.upstream import Fault

MODES = ("native_key", "client_id", "natural_key", "conditional", "set_semantics", "none", "unknown")


def too_many(status: int = 429, **headers: str) -> Fault:
    return Fault("read", status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


class Clock:
    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.passed = dt.timedelta()
        for module in (alarm, sweep):
            patch.setattr(module, "now", lambda: now() + self.passed)
        patch.setattr("random.uniform", lambda least, most: least)

    def passes(self, seconds: float) -> None:
        self.passed += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def driven(action: Action) -> str:
    drive(action.id)
    action.refresh_from_db()
    return action.state


def wait_of(action: Action) -> float:
    """Seconds, from now."""
    assert action.not_before is not None
    return (action.not_before - now()).total_seconds()


def calls(action: Action) -> list[tuple[str, bool]]:
    return list(Call.objects.filter(action=action.id).order_by("sent_at").values_list("state", "throttled"))


def test_reads_keep_the_pace_of_their_description(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    operation = Operation.objects.get(slug="get_thing")
    paced = Description("get_thing", {**operation.description, "rate_limit": {"calls": 2, "seconds": 60}})
    at = now()
    monkeypatch.setattr(pace, "now", lambda: at)
    for _ in range(2):
        pace.keep_read_pace(paced, operation.pk)
    with pytest.raises(pace.TooEarly):
        pace.keep_read_pace(paced, operation.pk)
    pace.keep_read_pace(paced, "another operation")
    monkeypatch.setattr(pace, "now", lambda: at + dt.timedelta(seconds=60))
    pace.keep_read_pace(paced, operation.pk)


@pytest.mark.parametrize("mode", MODES)
def test_a_write_goes_out_again_when_it_is_wanted(place: Place, clock: Clock, mode: str) -> None:
    action = place.permitted(mode)
    place.upstream.plan(too_many(Retry_After="30"))
    assert driven(action) == "permitted"
    assert 25 < wait_of(action) <= 30
    assert (driven(action), place.upstream.requests(action.arguments["thing"])) == ("permitted", 1)
    clock.passes(31)
    assert driven(action) == "succeeded"
    assert place.effects(action) == 1
    assert calls(action) == [("failed", True), ("succeeded", False)]
    kinds = Record.objects.of(action.id).filter(kind__startswith="approvals:action:").order_by("at", "id")
    assert [kind.rpartition(":")[2] for kind in kinds.values_list("kind", flat=True)] == [
        "proposed", "held", "permitted", "executing", "permitted", "executing", "succeeded",
    ]  # fmt: skip


def test_the_sweep_leaves_it_alone_until_then(place: Place, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    action, woken = place.permitted("native_key"), list[str]()
    monkeypatch.setattr(sweep, "wake", lambda task, queue, identity: woken.append(identity))
    place.upstream.plan(too_many(Retry_After="90"))
    driven(action)
    clock.passes(60)
    sweep.offer_actions()
    assert action.id not in woken
    clock.passes(31)
    sweep.offer_actions()
    assert action.id in woken
    assert driven(action) == "succeeded"


def test_what_nobody_has_to_sign_waits_too(place: Place, clock: Clock) -> None:
    action = place.propose("native_key", TRUSTED)
    place.upstream.plan(too_many(Retry_After=format_datetime(now() + dt.timedelta(seconds=40), usegmt=True)))
    assert driven(action) == "permitted"
    assert 35 < wait_of(action) <= 40
    clock.passes(41)
    assert (driven(action), place.effects(action)) == ("succeeded", 1)


def test_without_a_time_the_waits_grow_and_end(place: Place, clock: Clock) -> None:
    action, waits = place.permitted("none"), list[int]()
    place.upstream.plan(*(too_many() for _ in range(pace.MOST_TIMES + 1)))
    while driven(action) == "permitted":
        waits.append(round(wait_of(action)))
        clock.passes(wait_of(action) + 1)
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    outcome = action.outcome or {}
    assert (action.state, outcome["code"], outcome["status"]) == ("failed", "rejected", 429)
    assert calls(action) == [("failed", True)] * pace.MOST_TIMES + [("failed", False)]
    assert place.effects(action) == 0


@pytest.mark.parametrize(
    ("status", "headers", "state"),
    [
        (403, {"Retry_After": "5"}, "permitted"),
        (403, {}, "failed"),
        (403, {"Retry_After": "soon"}, "failed"),
        (503, {"Retry_After": "5"}, "in_doubt"),
        (429, {"Retry_After": "86401"}, "failed"),
        (429, {"Retry_After": "86400"}, "permitted"),
        (429, {"Retry_After": "-1"}, "permitted"),
    ],
)
def test_only_what_is_certain_is_put_off(
    place: Place, clock: Clock, status: int, headers: dict[str, str], state: str
) -> None:
    action = place.permitted("none_blind")
    place.upstream.plan(too_many(status, **headers))
    assert driven(action) == state
    assert place.effects(action) == 0


def test_a_repetition_that_is_put_off_says_nothing_of_the_first(place: Place, clock: Clock) -> None:
    """The first had its effect and nobody was told; the second is answered 429: it stays in doubt until it is found."""
    action = place.permitted("native_key_blind")
    place.upstream.plan(Fault("done"), too_many(Retry_After="5"))
    assert (driven(action), place.upstream.requests(action.arguments["thing"])) == ("in_doubt", 2)
    assert calls(action) == [("in_doubt", False)]
    assert place.recover(action).state == "succeeded"
    place.check_end(action)


def test_a_person_is_asked_about_the_one_that_counts(place: Place, clock: Clock) -> None:
    action = place.permitted("none_blind")
    place.upstream.plan(too_many(Retry_After="5"), Fault("done"))
    assert driven(action) == "permitted"
    clock.passes(6)
    assert driven(action) == "in_doubt"
    assert place.recover(action).state == "succeeded"
    assert calls(action) == [("failed", True), ("succeeded", False)]
    assert place.effects(action) == 1


def test_what_has_no_grant_any_more_does_not_go_out_later(place: Place, clock: Clock) -> None:
    admin, credential = place.team.admin, Credential.objects.get()
    brief = a_grantee("workflow:brief", admin)
    grant = give_grant(grantee=brief, operations=["native_key"], credential=credential, actor=admin)
    action = place.permitted("native_key", brief)
    place.upstream.plan(too_many(Retry_After="5"))
    driven(action)
    revoke_grant(grant, actor=admin)
    clock.passes(6)
    assert (driven(action), place.effects(action)) == ("stale", 0)


def test_what_is_put_off_while_its_run_is_cancelled_never_goes_out(place: Place, clock: Clock) -> None:
    action = place.permitted("native_key", run=(run := new_id("run")))
    loaded = load(action.id)
    call = begin_call(loaded, verify_authority(loaded), actor=DOOR)
    with transaction.atomic():
        withdraw_actions(run, actor=place.team.operator)
    finish(loaded, call, Result("throttled", {"status": 429, "code": "rejected"}, later=1.0), actor=DOOR)
    clock.passes(2)
    assert driven(action) == "failed"
    assert ((action.outcome or {})["code"], place.upstream.requests(action.arguments["thing"])) == ("lease_ended", 0)


def test_what_waits_can_be_taken_back(place: Place, clock: Clock) -> None:
    action = place.permitted("native_key")
    place.upstream.plan(too_many(Retry_After="5"))
    driven(action)
    with transaction.atomic():
        withdraw_action(action.id, actor=place.team.operator)
    clock.passes(6)
    assert (driven(action), place.effects(action)) == ("withdrawn", 0)


def test_a_read_is_made_again_when_it_is_wanted(place: Place, clock: Clock) -> None:
    action = place.propose("get_thing", TRUSTED)
    place.upstream.plan(Fault("read", status=503, headers={"Retry-After": "20"}, reading=True))
    assert driven(action) == "proposed"
    assert 15 < wait_of(action) <= 20
    assert driven(action) == "proposed"
    clock.passes(21)
    assert (driven(action), calls(action)) == ("succeeded", [])


def test_a_read_that_is_never_wanted_fails(place: Place, clock: Clock) -> None:
    action = place.propose("get_thing", TRUSTED)
    place.upstream.plan(*(Fault("read", status=429, reading=True) for _ in range(pace.MOST_TIMES + 1)))
    while driven(action) == "proposed":
        clock.passes(wait_of(action) + 1)
    assert (action.state, (action.outcome or {})["code"]) == ("failed", "throttled")


def test_what_cannot_be_read_again_now_is_sent_later(place: Place, clock: Clock) -> None:
    action = place.permitted("conditional")
    place.upstream.plan(Fault("read", status=429, headers={"Retry-After": "20"}, reading=True))
    assert (driven(action), calls(action)) == ("permitted", [])
    clock.passes(21)
    assert (driven(action), place.effects(action)) == ("succeeded", 1)


def test_what_is_in_doubt_is_looked_at_later(place: Place, clock: Clock) -> None:
    action = place.permitted("none")
    place.upstream.plan(Fault("done"), Fault("read", status=429, headers={"Retry-After": "20"}, reading=True))
    assert driven(action) == "in_doubt"
    place.pass_time()
    assert driven(action) == "in_doubt"
    assert action.not_before is not None
    clock.passes(21)
    assert driven(action) == "succeeded"
    place.check_end(action)


def test_the_database_takes_no_second_call_beside_one_that_counts(place: Place, clock: Clock) -> None:
    """Nor may a call that had its effect be set aside."""
    action = place.permitted("native_key")
    assert driven(action) == "succeeded"
    with pytest.raises(IntegrityError, match="call_throttled_failed"):
        Call.objects.filter(action=action.id).update(throttled=True)
