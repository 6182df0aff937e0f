"""A door dies at a line between the intent to call a tool and its receipt. A child of this process is that door, with a
presence of its own: within an event loop nothing else than the end of a process stops everything at once."""

import datetime as dt
import os
import signal
import threading
from collections.abc import Callable

import pytest
from django.db import connections

from approvals import recover as recovery
from approvals.models import Action, Review
from approvals.publish import publish_policy
from approvals.repeat import OUTRUN
from approvals.tasks import drive
from console.core import presence, wake
from console.core.clock import now
from examples.demo.people import acting
from integrations.amend import review_operation
from integrations.models import Call
from tests.crash.lines import Lines, Stop
from tests.crash.place import check_recorded
from tests.crash.test_matrix import evenly
from tests.mcp.test_tools import ALLOWING, Connected, added, connected, proxy, running_standin, server, standin, world

__all__ = ["added", "connected", "proxy", "running_standin", "server", "standin", "world"]

# Other threads of this process, such as the tool's server, are at work while it forks; the child needs none of them.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
SAMPLE = 12
LONGEST = 30  # seconds that a child may take
DEAD = 2  # the presence of a door that nobody takes for alive
_kept: list[object] = []


def dies_at(stop: Stop, act: Callable[[], object]) -> bool:
    """Whether it came so far. As much as a new process has: no connection, no thread, no presence."""
    child = os.fork()
    if not child:
        signal.alarm(LONGEST)
        _kept.append(connections["default"].connection)  # collected, it would take leave on the parent's socket
        del connections["default"]
        presence.number, wake._started = lambda: DEAD, threading.Lock()
        with Lines(stop, then=lambda: os._exit(9)):
            act()
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, 9), f"{stop}: {ended}"
    return ended == 9


def ready(added: Connected, mode: str) -> Action:
    """About to be called: signed, or as soon as it is prepared."""
    action = added.ask() if mode == "unknown" else added.propose()
    return added.sign(action) if mode == "unknown" else action


def bring_to_its_end(added: Connected, action: Action) -> None:
    for _ in range(6):
        drive(action.id)
        action.refresh_from_db()
        if action.settled:
            return
        for review in Review.objects.filter(action=action, kind="doubt", state="open").select_related("action"):
            added.world.sign(review, "sam", "approve" if added.server.calls else "refuse", "As I see it.")
    raise AssertionError(f"{action.id} never ends: {action.state}")


@pytest.mark.parametrize("most", [SAMPLE, pytest.param(None, marks=pytest.mark.long)])
@pytest.mark.parametrize("mode", ["unknown", "set_semantics"])
def test_wherever_a_door_dies_a_tool_is_called_once_at_most_or_may_be_called_again(
    added: Connected, mode: str, most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "now", lambda: now() + OUTRUN + dt.timedelta(minutes=1))
    if mode != "unknown":
        said = {"effect": "write", "categories": ["other"],
                "idempotency": {"mode": mode, "evidence": "https://messages.example/repeats"}}  # fmt: skip
        review_operation(added.send(), said, seen=bytes(added.send().digest).hex(), actor=acting("mira"))
        publish_policy(ALLOWING, actor=acting("mira"))
    for _ in range(2):  # the first fills caches
        action = ready(added, mode)
        with Lines() as lines:
            drive(action.id)
    points, died, ends = evenly(lines.ends(), most), 0, set[tuple[str, int]]()
    for stop in points:
        action = ready(added, mode)
        added.server.calls.clear()
        died += dies_at(stop, lambda: drive(action.id))  # noqa: B023  (at once)
        bring_to_its_end(added, action)
        call = Call.objects.get(action=action.id)
        made = len(added.server.calls)
        assert made <= (1 if mode == "unknown" else 2), stop
        assert (action.state == "succeeded") == (made > 0), (stop, action.state, made)
        for row in (action, call):
            check_recorded(row)
        ends.add((action.state, made))
    assert len(points) - died <= max(1, 0.05 * len(points))
    assert len(ends) == 2  # it died on both sides of the tool's own work
