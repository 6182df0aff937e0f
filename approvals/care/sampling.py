"""Which of what was allowed somebody looks at again: more likely what would hurt more. Pure, but for chance."""

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from approvals.policies.decide import GATED

_BY_RISK = {"gated": 4.0, "destructive": 2.0, "final": 2.0, "new": 3.0}


@dataclass(frozen=True, slots=True)
class Candidate:
    """`final` is what has no way back, `new` what was the first with its counterparty."""

    id: str
    categories: frozenset[str] = frozenset()
    effect: str = "write"
    final: bool = False
    new: bool = False
    amount_minor: int | None = None


def weight(one: Candidate) -> float:
    """Ten times the amount is one step more."""
    told: Mapping[str, bool] = {
        "gated": not GATED.isdisjoint(one.categories),
        "destructive": one.effect == "destructive",
        "final": one.final,
        "new": one.new,
    }
    by_risk = math.prod(factor for name, factor in _BY_RISK.items() if told[name])
    return by_risk * (1 + math.log10(1 + abs(one.amount_minor or 0)))


def draw(candidates: Iterable[Candidate], count: int, chance: random.Random) -> list[Candidate]:
    """So many of them, each at most once, by weight (Efraimidis and Spirakis 2006). `chance` must be one that nobody
    can foresee: an agent that knew would behave when it is looked at."""
    drawn = sorted(candidates, key=lambda one: -_key(one, chance))
    return drawn[:count]


def _key(one: Candidate, chance: random.Random) -> float:
    return math.log(1.0 - chance.random()) / weight(one)
