"""Once a run is cancelled nothing further of it leaves the door, wherever the door is at that moment."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from approvals import lease, tasks
from approvals.authority import Loaded, Stale, load
from approvals.execute import Result, begin_again, begin_call, finish, perform, verify_authority
from approvals.halts import halt, lift, standing
from approvals.models import Action, Review
from approvals.tasks import drive
from approvals.withdraw import withdraw_actions
from audit.models import Record
from console.core import wake
from console.core.actor import Actor
from console.core.ids import new_id
from integrations import outbound
from integrations.amend import Wanted, decide_amendments, quarantine
from integrations.describe import give_grant, revoke_credential, revoke_grant, store_credential
from integrations.description import Description
from integrations.models import Call, Credential, Grant, Integration, Operation
from tests.crash.lines import Lines
from tests.crash.place import DOOR, TRUSTED, Place
from tests.crash.test_matrix import evenly
from tests.standins.upstream import Fault

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of a second is too short for a test to tell before from after."""
    monkeypatch.setattr(lease, "KNOWN_FOR", 0.0)


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the transport was answered right before it writes: whoever cancels after that is too late."""
    found: list[str] = []
    traced, ask = outbound._traced, lease._LIVE
    writing: list[str] = []

    def note(first: Callable[[], object], event: str, info: Any) -> None:
        writing.append(event)
        traced(first, event, info)

    def noted(action: str) -> Sequence[Action]:
        """As soon as the database has answered, and not when all of that is read."""

        def answered(execute: Callable[..., object], *question: object) -> object:
            answer = execute(*question)
            if writing[-1:] == ["http11.send_request_headers.started"]:
                found.append(action)
            return answer

        with connection.execute_wrapper(answered):
            return ask(action)

    monkeypatch.setattr(outbound, "_traced", note)
    monkeypatch.setattr(lease, "_LIVE", noted)
    return found


class Cancelling(threading.Thread):
    """Somebody at the page. They meet the locks that the door holds, and give up rather than wait."""

    def __init__(self, run: str, passed: list[str]) -> None:
        super().__init__()
        self.of, self.passed = run, passed
        self.done, self.too_late = False, False

    def run(self) -> None:
        wake._started = threading.Lock()  # theirs is another process
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '30ms'")
            cancel(self.of)
            self.done = True
        except OperationalError as error:
            if "lock timeout" not in str(error):
                raise
        finally:
            connections.close_all()

    def at_once(self) -> None:
        self.too_late = bool(self.passed)
        self.start()
        self.join(20)
        assert not self.is_alive()


@transaction.atomic
def cancel(run: str) -> None:
    withdraw_actions(run, actor=DOOR)


@pytest.mark.parametrize("most", [40, pytest.param(None, marks=pytest.mark.long)])
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "allowed"])
def test_wherever_a_run_is_cancelled_nothing_leaves_after_it(
    place: Place, passed: list[str], signed: bool, most: int | None
) -> None:
    def make() -> Action:
        run = new_id("run")
        return place.permitted("native_key", run=run) if signed else place.propose("native_key", TRUSTED, run)

    action = make()
    with Lines() as lines:
        drive(action.id)
    ended = set()
    for line in evenly(lines.ends(), most):
        action = make()
        passed.clear()
        cancelling = Cancelling(action.run, passed)
        with Lines(line, then=cancelling.at_once):
            drive(action.id)
        action = place.recover(action)
        sent = place.upstream.requests(action.arguments["thing"])
        call = Call.objects.filter(action=action.id).first()
        if call is None:
            assert (sent, action.state) == (0, "withdrawn")
        elif cancelling.done and not cancelling.too_late:
            assert (sent, action.state, action.outcome and action.outcome["code"]) == (0, "failed", "lease_ended")
            assert (call.state, Record.objects.of(call.pk).filter(kind="integrations:lease:revoked").count()) == (
                "failed", 1)  # fmt: skip
        else:
            assert (sent, action.state, call.state) == (1, "succeeded", "succeeded")
        ended.add((action.state, bool(call and call.revoked_at)))
    assert ended - {("withdrawn", False)} == {("failed", True), ("succeeded", True), ("succeeded", False)}


def while_it_connects(action: Action, then: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> Action:
    """The intent is committed, the secret is open, and the name is being looked up."""
    outbound._pool.cache_clear()
    looked_up = outbound.allowed_address

    def slowly(host: str, port: int, **more: Any) -> str:
        if Call.objects.filter(action=action.id, revoked_at=None).exists():
            other = threading.Thread(target=aside, args=[then])
            other.start()
            other.join(20)
        return looked_up(host, port, **more)

    monkeypatch.setattr(outbound, "allowed_address", slowly)
    drive(action.id)
    return Action.objects.get(pk=action.pk)


def aside(act: Callable[[], object]) -> None:
    try:
        act()
    finally:
        connections.close_all()


@pytest.mark.parametrize("ends", ["run", "grant", "credential", "description", "halt"])
def test_what_ends_while_the_door_connects_is_not_sent(
    place: Place, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration, admin = Integration.objects.get(), place.team.admin
    name = new_id("key")
    credential = store_credential(integration, name=name, secret="another secret of the tests", actor=admin)
    former = Grant.objects.get(grantee=TRUSTED, revoked_at=None)
    revoke_grant(former, actor=admin)
    grant = give_grant(grantee=TRUSTED, operations=["native_key"], credential=credential, actor=admin)
    run = new_id("run")
    action = place.propose("native_key", TRUSTED, run)
    acts: dict[str, Callable[[], object]] = {
        "run": lambda: cancel(run),
        "grant": lambda: revoke_grant(grant, actor=admin),
        "credential": lambda: revoke_credential(Credential.objects.get(name=name), actor=admin),
        "halt": lambda: halt("team", reason="An agent went wild.", actor=admin),
        "description": lambda: quarantine(operation, changed, None, actor=admin),
    }
    operation = Operation.objects.get(slug="native_key")
    changed = Description(operation.slug, {**operation.description, "title": "Something else"})
    ended = while_it_connects(action, acts[ends], monkeypatch)
    for waits in operation.amendments.filter(state="quarantined"):
        wanted = Wanted(waits.pk, bytes(waits.digest).hex())
        decide_amendments(integration, [wanted], adopt=False, actor=admin)
    assert (ended.state, ended.outcome and ended.outcome["code"]) == ("failed", "lease_ended")
    assert place.upstream.requests(action.arguments["thing"]) == 0
    for halted in standing(admin):
        lift(halted.pk, actor=admin)
    if ends != "grant":
        revoke_grant(grant, actor=admin)
    usable = Credential.objects.get(name="key")
    give_grant(grantee=TRUSTED, operations=former.operations, credential=usable, actor=admin)


def leave_alone(loaded: Loaded, *, actor: Actor) -> Action:
    return loaded.action


@pytest.mark.parametrize(("operation", "moment", "expected"), [
    ("native_key", "unread", "asked"),  # with a probe, which finds nothing: it would be sent again
    ("native_key_blind", "unread", "asked"),  # and this one without a look
    ("native_key", "done", "succeeded"),  # the probe finds it
])  # fmt: skip
def test_what_is_in_doubt_when_its_run_is_cancelled_is_looked_for_and_never_sent_again(
    place: Place, operation: str, moment: Any, expected: str
) -> None:
    action = place.permitted(operation, run=(run := new_id("run")))
    place.upstream.plan(Fault(moment))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tasks._WORK, "in_doubt", leave_alone)
        drive(action.id)
    assert Action.objects.get(pk=action.pk).state == "in_doubt"
    before = place.upstream.requests(action.arguments["thing"])
    cancel(run)
    drive(action.id)
    found = Action.objects.get(pk=action.pk)
    assert place.upstream.requests(action.arguments["thing"]) == before
    asked = Review.objects.filter(action=action, kind="doubt", state="open").exists()
    assert ("asked" if asked else found.state) == expected
    place.check_end(place.recover(action))


def test_it_is_not_sent_again_when_it_is_cancelled_between_the_look_and_the_sending(place: Place) -> None:
    action = place.permitted("native_key", run=(run := new_id("run")))
    loaded = load(action.id)
    call = begin_call(loaded, verify_authority(loaded), actor=DOOR)
    place.doors.replaced()
    finish(loaded, call, Result("in_doubt", {"error": "It seems dead."}), actor=DOOR)
    loaded = load(action.id)
    rendered, call = verify_authority(loaded), Call.objects.get(action=action.id)
    cancel(run)
    with pytest.raises(Stale, match="stopped"):
        begin_again(loaded, call, actor=DOOR)
    assert perform(loaded, call, rendered).state == "failed"
    assert place.upstream.requests(action.arguments["thing"]) == 0
    place.check_end(place.recover(action))


def test_a_lease_tells_whose_it_is_and_does_not_come_back(place: Place) -> None:
    action = place.permitted("native_key", run=new_id("run"))
    drive(action.id)
    call = Call.objects.get(action=action.id)
    assert (call.credential_id, call.grant, call.run) == (action.grant.credential_id, action.grant_id, action.run)  # type: ignore[union-attr]
    Call.objects.filter(pk=call.pk).update(revoked_at=action.created_at)
    with pytest.raises(Exception, match="a revocation is final"):
        Call.objects.filter(pk=call.pk).update(revoked_at=None)


def test_nothing_is_asked_of_the_database_that_was_known_a_moment_ago(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = lease._LIVE

    def noted(action: str) -> Sequence[Action]:
        asked.append(action)
        return ask(action)

    monkeypatch.setattr(lease, "_LIVE", noted)
    monkeypatch.setattr(lease, "KNOWN_FOR", 60.0)
    drive(place.permitted("native_key").id)
    assert asked == []
    monkeypatch.setattr(lease, "KNOWN_FOR", 0.0)
    drive(place.permitted("native_key").id)
    assert len(asked) > 0
