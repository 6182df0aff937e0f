"""A door dies at every line between an intent and its receipt, in each mode of idempotency, while the other side fails
in each way: never two effects, and never one that nobody knows of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest

from approvals.repeat import REPEATABLE
from approvals.tasks import drive
from tests.crash.lines import ROOT, Lines, Stop
from tests.crash.place import TRUSTED, Place
from tests.standins.upstream import Fault

# A dead door's sockets are closed by the kernel; here by the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
T = TypeVar("T")
MODES = ("native_key", "client_id", "natural_key", "conditional", "set_semantics", "none", "unknown")
# How the other side fails while the first door sends; then a second one goes on in the same breath.
FAULTS: dict[str, Callable[[], list[Fault]]] = {
    "none": list,
    "cut unread": lambda: [Fault("unread")],
    "cut before the effect": lambda: [Fault("read")],
    "put off, and cut": lambda: [Fault("read", late=True)],
    "cut after the effect": lambda: [Fault("done")],
    "cut within the answer": lambda: [Fault("half")],
    "500 before the effect": lambda: [Fault("read", status=500)],
    "500 after the effect": lambda: [Fault("done", status=500)],
    "408 after the effect": lambda: [Fault("done", status=408)],
    "400": lambda: [Fault("read", status=400)],
    "401": lambda: [Fault("read", status=401)],  # which the door notes of its credential
    "cut after the effect, then 503": lambda: [Fault("done"), Fault("read", status=503)],
    "cut after the effect, then 429": lambda: [Fault("done"), Fault("read", status=429)],
}
SAMPLE = 12  # of each mode, in the standard run
REST = 128  # one of so many


@dataclass(frozen=True)
class Point:
    operation: str
    fault: str
    stop: Stop | None = None
    allowed: bool = False  # by the policy, so that it is begun as soon as it is ruled on; else people have signed


def run(place: Place, point: Point) -> Lines:
    action = place.propose(point.operation, TRUSTED) if point.allowed else place.permitted(point.operation)
    place.upstream.plan(*FAULTS[point.fault]())
    lines = place.dies_at(point.stop, lambda: drive(action.id))
    place.check_so_far(action)
    place.upstream.work_again()
    place.check_end(place.recover(action))
    return lines


def every_point(place: Place, mode: str, allowed: bool) -> list[Point]:
    """Found by runs in which nobody dies; the first of all fills caches. A door dies at every line that any of the
    failures leads to. Where several lead to the same lines, some of these are enough."""
    run(place, Point(mode, "none", allowed=allowed))
    points, died = list[Point](), set[str]()
    for operation in (mode, f"{mode}_blind"):  # with and without a probe
        for fault in FAULTS:
            for number, stop in enumerate(run(place, Point(operation, fault, allowed=allowed)).ends()):
                if (operation, fault) == (mode, "none") or stop.line not in died or number % REST == 0:
                    points.append(Point(operation, fault, stop, allowed))
                died.add(stop.line)
    return points


def test_a_door_dies_at_every_line_to_which_some_failure_leads(place: Place) -> None:
    stops = {point.stop.line for point in every_point(place, "native_key", allowed=False) if point.stop}
    both = ("native_key", "native_key_blind")
    reached = set[str]().union(*(run(place, Point(one, fault)).seen for one in both for fault in FAULTS))
    assert len(reached - stops) <= 0.01 * len(reached)  # by chance: another chunk on the wire
    files = {line.rpartition(":")[0].removeprefix(f"{ROOT}/") for line in stops}
    assert files >= {"integrations/refusals.py", "integrations/tokens.py", "integrations/credential_types.py",
                     "console/traces/store.py", "approvals/tasks.py", "audit/record.py"}  # fmt: skip


def evenly(points: Sequence[T], most: int | None) -> Sequence[T]:
    """All of them, or so many."""
    return points if most is None else [points[index * len(points) // most] for index in range(most)]


@pytest.mark.parametrize("most", [SAMPLE, pytest.param(None, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("mode", "allowed"), [*((mode, False) for mode in MODES), *((mode, True) for mode in MODES if mode in REPEATABLE)]
)
def test_wherever_a_door_dies_there_is_one_effect_at_most_and_it_is_known(
    place: Place, mode: str, allowed: bool, most: int | None
) -> None:
    points, died = evenly(every_point(place, mode, allowed), most), 0
    for point in points:
        try:
            died += run(place, point).stopped
        except AssertionError as error:
            raise AssertionError(f"{point}: {error}") from error
    assert len(points) - died <= max(2, 0.05 * len(points))  # a chunk more or less on the wire moves the last lines
