"""A real door process, killed by signal 9 with a call of each mode in flight, at the same moment of each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from approvals.models import Action, Review
from integrations.models import Call
from tests.crash.place import Place, set_up
from tests.crash.test_takeover import PROMPT
from tests.stack import Stack, wait_until
from tests.standins.upstream import Fault, Moment, Upstream


@pytest.fixture
def place(committed: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with Upstream() as upstream:
        yield Place(set_up(upstream), monkeypatch)


@pytest.fixture
def stack(committed: str, tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(committed, tmp_path)
    try:
        yield stack
    finally:
        stack.stop()


def state(action: Action) -> str:
    action.refresh_from_db()
    return action.state


def in_flight(place: Place, moment: Moment, modes: list[str]) -> list[Action]:
    """One action of each mode, whose request waits at this moment on the other side."""
    faults = [Fault(moment, held=True) for _ in modes]
    place.upstream.plan(*faults)
    actions = [place.propose(mode) for mode in modes]
    for action in actions:
        wait_until(lambda action=action: state(action) in ("held", "executing"), "the door prepares it")  # type: ignore[misc]
        if action.state == "held":
            place.sign(action, "approve")
    for fault in faults:
        fault.wait()
    assert {call.state for call in Call.objects.all()} == {"sending"}
    return actions


@pytest.mark.parametrize(
    "moment",
    ["unread", pytest.param("read", marks=pytest.mark.long), "done", pytest.param("half", marks=pytest.mark.long)],
)
def test_a_door_killed_with_every_mode_in_flight_leaves_one_effect_at_most(
    place: Place, stack: Stack, moment: Moment
) -> None:
    stack.start("door", "beat")
    # That no sign was found of what a dead door sent counts only after a while.
    actions = in_flight(
        place, moment, [mode for mode in PROMPT if mode != "natural_key_prompt" or moment in ("done", "half")]
    )
    stack.kill("door")
    place.upstream.release()
    stack.start("door")
    for action in actions:
        wait_until(lambda action=action: ends(place, action), "it ends")  # type: ignore[misc]
        place.check_end(action)


def ends(place: Place, action: Action) -> bool:
    if Review.objects.filter(action=action, kind="doubt", state="open").exists():
        place.answer_truthfully(action)
    return state(action) in Action.SETTLED
