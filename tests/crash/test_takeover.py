"""A door that only seems dead, and goes on while another one has taken over: what it does then is neither a second
effect nor the last word."""

import copy
import datetime as dt
import functools
import json
import threading

import pytest
from django.db import OperationalError, connection, connections

from approvals import execute as execution
from approvals.authority import load
from approvals.execute import Result, begin_again, begin_call, finish, perform, verify_authority
from approvals.known import known_of
from approvals.models import Action, Review
from approvals.repeat import FRESH
from approvals.tasks import drive
from audit.models import Record
from audit.vocabulary import Kind
from console.core import wake
from console.core.clock import now
from console.core.errors import Conflict
from integrations import outbound
from integrations.models import Call
from tests.crash.lines import Lines
from tests.crash.place import DOOR, TRUSTED, Place
from tests.crash.test_matrix import MODES, evenly
from tests.standins.upstream import Fault

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
# Of which the other door finds no sign at once.
PROMPT = ["natural_key_prompt" if mode == "natural_key" else mode for mode in MODES]


class Other(threading.Thread):
    """The door that takes over. It meets the locks that the first one holds, and gives up rather than wait."""

    def __init__(self, place: Place, action: Action) -> None:
        super().__init__()
        self.place, self.action = place, action

    def run(self) -> None:
        self.place.doors.replaced()
        # Another door has connections and a thread of its own, and never meets the first one's locks.
        outbound._pool.cache_clear()
        wake._started = threading.Lock()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '30ms'")
            drive(self.action.id)
        except OperationalError as error:
            if "lock timeout" not in str(error):
                raise
        finally:
            connections.close_all()

    def takes_over(self) -> None:
        self.start()
        self.join(20)
        assert not self.is_alive()


@pytest.mark.parametrize("most", [12, pytest.param(None, marks=pytest.mark.long)])
@pytest.mark.parametrize("blind", ["", "_blind"], ids=["probe", "blind"])
@pytest.mark.parametrize(
    ("mode", "signed"), [*((mode, True) for mode in PROMPT), ("native_key", False), ("conditional", False)]
)
def test_wherever_another_door_takes_over_there_is_one_effect(
    place: Place, mode: str, signed: bool, blind: str, most: int | None
) -> None:
    make = place.permitted if signed else functools.partial(place.propose, grantee=TRUSTED)
    action = make(f"{mode}{blind}")
    with Lines() as lines:
        drive(action.id)
    for line in evenly(lines.ends(), most):
        place.doors.replaced()
        action = make(f"{mode}{blind}")
        other = Other(place, action)
        with Lines(line, then=other.takes_over):
            drive(action.id)
        place.doors.replaced()
        place.check_end(place.recover(action))


def test_a_late_failure_does_not_end_what_was_sent_again(place: Place) -> None:
    action = place.permitted("native_key")
    loaded = load(action.id)
    first = begin_call(loaded, verify_authority(loaded), actor=DOOR)
    place.doors.replaced()
    again = load(action.id)
    finish(again, Call.objects.get(action=action.id), Result("in_doubt", {"error": "It seems dead."}), actor=DOOR)
    rendered = verify_authority(again := load(action.id))
    second = begin_again(again, Call.objects.get(action=action.id), actor=DOOR)
    assert perform(again, second, rendered).state == "succeeded"
    late = Record.objects.of(first.pk).filter(kind=Kind.CALL_ANSWERED_LATE)
    with pytest.raises(Conflict, match="no longer sending, attempt 1"):
        finish(loaded, copy.copy(first), Result("failed", {"error": "refused", "code": "not_sent"}), actor=DOOR)
    assert not late.exists()
    with pytest.raises(Conflict, match="no longer sending, attempt 1"):
        finish(loaded, first, Result("failed", {"status": 409, "digest": "ab", "code": "rejected"}), actor=DOOR)
    assert [json.loads(bytes(one.leaf))["detail"]["status"] for one in late] == [409]
    known = known_of(action)
    assert known is not None
    assert [event.text for event in known.events] == [
        "Sent.", "No answer that says what happened.", "Sent again, with the same key (attempt 2).",
        "A late answer to attempt 1: status 409.",
    ]  # fmt: skip
    place.doors.replaced()
    place.check_end(place.recover(action))


def test_a_door_that_was_held_up_sends_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    action = place.permitted("native_key")
    loaded = load(action.id)
    rendered = verify_authority(loaded)
    call = begin_call(loaded, rendered, actor=DOOR)
    monkeypatch.setattr(execution, "now", lambda: now() + FRESH + dt.timedelta(seconds=1))
    result = perform(loaded, call, rendered)
    assert (result.state, result.receipt["code"]) == ("failed", "not_sent")
    assert place.upstream.requests(action.arguments["thing"]) == 0


def test_a_question_is_withdrawn_when_a_probe_finds_the_answer(place: Place) -> None:
    """The two doors asked at once: one found nothing and asked a person, the other found it."""
    action = place.permitted("none")
    place.upstream.plan(Fault("read", late=True))
    drive(action.id)
    review = Review.objects.get(action=action, kind="doubt")
    place.upstream.catch_up()
    call = Call.objects.get(action=action.id)
    found = Result("succeeded", {"status": None, "body": {"thing": "found"}, "found_by": "probe"})
    finish(load(action.id), call, found, actor=DOOR)
    review.refresh_from_db()
    assert review.state == "withdrawn"
    place.check_end(Action.objects.get(pk=action.pk))


def test_nothing_is_sent_again_while_a_person_looks(place: Place) -> None:
    action = place.permitted("native_key_reviewed_blind")
    place.upstream.plan(Fault("read"))
    drive(action.id)
    assert Review.objects.filter(action=action, kind="doubt", state="open").exists()
    loaded = load(action.id)
    with pytest.raises(Conflict, match="has been asked"):
        begin_again(loaded, Call.objects.get(action=action.id), actor=DOOR)
    place.check_end(place.recover(action))


def test_what_is_on_a_later_page_is_found(place: Place) -> None:
    """A probe that read the first page alone would ask a person, who might look no further either."""
    for _ in range(3):
        drive(place.permitted("none").id)
    action = place.permitted("listed")
    place.upstream.plan(Fault("done"))
    drive(action.id)
    action.refresh_from_db()
    assert (action.state, (action.outcome or {})["body"]["thing"]) == ("succeeded", action.arguments["thing"])
    place.check_end(action)


@pytest.mark.parametrize(("status", "state"), [(200, "failed"), (202, "in_doubt"), (500, "in_doubt")])
def test_a_refusal_with_the_status_of_a_success_is_certain_where_it_is_described(
    place: Place, status: int, state: str
) -> None:
    """The upstream's error names the status, and the description knows the one of 200."""
    action = place.permitted("refusing")
    place.upstream.plan(Fault("read", status=status))
    drive(action.id)
    action.refresh_from_db()
    assert (action.state, place.effects(action)) == (state, 0)
    place.check_end(place.recover(action))
