"""Which adapter does which kind of step."""

from collections.abc import Callable, Mapping

from console.executors import call, event, pairs, sleep
from console.executors.base import Context, Outcome, Request

EXECUTORS: Mapping[str, Callable[[Request, Context], Outcome]] = {
    "call": call.run,
    "event": event.run,
    "pairs": pairs.run,
    "sleep": sleep.run,
}
