"""What a grant would have allowed of the past, before it is given. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.grantees import Asked
from integrations.limits import Spent, check_limits


@dataclass(frozen=True, slots=True)
class Beyond:
    asked: Asked
    why: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """`beyond` is what would have been refused, the newest first."""

    fits: int
    beyond: list[Beyond]

    @property
    def asked(self) -> int:
        return self.fits + len(self.beyond)


def simulate(
    operations: Collection[str], limits: Mapping[str, Any], described: Mapping[str, Any], past: Sequence[Asked]
) -> Simulation:
    """As if there had been this grant alone. `described` are the arguments of operations, by name; in `past` the newest
    come first."""
    spent, beyond = Spent(limits), list[Beyond]()
    for one in reversed(past):
        why = "" if one.operation in operations else "The grant does not name this operation."
        why = why or check_limits(limits, described.get(one.operation) or {}, one.arguments)
        why = why or spent.beyond(one.at, one.arguments)
        if why:
            beyond.append(Beyond(one, why))
        elif one.counts:
            spent.add(one.at, one.arguments)
    return Simulation(len(past) - len(beyond), beyond[::-1])
