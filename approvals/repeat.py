"""What to do about a call whose answer nobody has, once a probe (if there is one) has not found its effect. Pure.

Sending again is safe where the other side itself makes one effect of two requests, or where nothing that was sent
before can still arrive. For everything else there are people.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

PATIENCE = dt.timedelta(seconds=120)  # a door that lives but has not answered by then has lost its call
FRESH = dt.timedelta(seconds=10)  # an intent older than this is not sent: another door may have taken over
# By then, what a door that only seemed dead has sent has left it: fresh, and after two waits for a connection.
OUTRUN = dt.timedelta(seconds=30)
# For so long every other side that knows keys or ids still knows ours, where its description says nothing of that.
REMEMBERED = dt.timedelta(minutes=10)
MOST_ATTEMPTS = 3

KNOWN_AGAIN = frozenset({"native_key", "client_id", "set_semantics"})  # two requests are one effect
REPEATABLE = KNOWN_AGAIN | {"conditional", "natural_key"}
REVIEWED = frozenset({"reviewed", "proven"})

Step = Literal["repeat", "wait", "ask"]


@dataclass(frozen=True, slots=True)
class Doubt:
    mode: str
    trust: str
    looked: bool  # a probe was read after its settle time, and there was nothing
    attempt: int
    since_first: dt.timedelta  # sending
    since_last: dt.timedelta
    abandoned: bool  # its door never said that it had given it up
    settle: dt.timedelta
    remembered: dt.timedelta = REMEMBERED  # by the other side, from the first sending on
    stopped: bool = False  # its run or agent was: nothing more is sent for them


def surely_remembered(retention: dt.timedelta | None) -> dt.timedelta:
    """What is sent again within this time arrives while the first is still known."""
    return retention - OUTRUN if retention else REMEMBERED


def next_step(doubt: Doubt) -> Step:
    if doubt.stopped or doubt.mode not in REPEATABLE or doubt.trust not in REVIEWED or doubt.attempt >= MOST_ATTEMPTS:
        return "ask"
    known_again = doubt.mode in KNOWN_AGAIN and doubt.since_first < doubt.remembered
    if not doubt.looked:
        return "repeat" if known_again and doubt.trust == "proven" else "ask"
    # A condition in the request refuses the second of two by itself. Where nothing does, that there is no sign of the
    # first counts only once it cannot come any more.
    quiet = doubt.since_last >= doubt.settle + (OUTRUN if doubt.abandoned else dt.timedelta())
    return "repeat" if known_again or doubt.mode == "conditional" or quiet else "wait"
