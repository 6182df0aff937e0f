"""What follows from the states of a run's steps. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BAD = frozenset({"failed", "cancelled"})
FINAL = BAD | {"succeeded"}


@dataclass(frozen=True, slots=True)
class Next:
    """Names of steps to make ready and to cancel; `end` is the run's last state once nothing is left."""

    ready: tuple[str, ...]
    cancel: tuple[str, ...]
    end: str | None


def follow(states: Mapping[str, str], needs: Mapping[str, Iterable[str]]) -> Next:
    """A planned step becomes ready when all it needs has succeeded, and is cancelled when one of these never will."""
    known = dict(states)
    cancelled: list[str] = []
    while True:
        lost = [
            name for name, state in known.items() if state == "planned" and any(known[n] in BAD for n in needs[name])
        ]
        if not lost:
            break
        cancelled += lost
        known |= dict.fromkeys(lost, "cancelled")
    ready = [
        name
        for name, state in known.items()
        if state == "planned" and all(known[n] == "succeeded" for n in needs[name])
    ]
    return Next(tuple(ready), tuple(cancelled), None if ready else _end(known.values()))


def _end(states: Iterable[str]) -> str | None:
    present = set(states)
    if present - FINAL:
        return None
    return "failed" if present & BAD else "succeeded"
