"""What the log tells of dropped months, and whether it explains what is missing: a record of it is easily written."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from audit.models import Record, Tree
from audit.proof import read_leaf
from audit.retention import KEPT, later, listing
from audit.vocabulary import Kind

YOUNGEST = 7  # months from the first of a month to when it may be dropped: six whole ones lie between
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


@dataclass
class Told:
    """Of one dropped month: how many records went with it; and of all its leaves, where in each tree, and how many."""

    records: int
    places: dict[str, tuple[int, int, int]]  # by origin: begin, end, how many
    gone: int = 0
    leaves: Counter[str] = field(default_factory=Counter)  # by origin, as they are here


class PrunedMonths:
    def __init__(self) -> None:
        self.told: dict[str, Told] = {}
        self.faults: list[str] = []
        here = {str(month) for month in listing()}
        rows = Record.objects.filter(kind=Kind.RETENTION_PRUNED).order_by("at", "id")
        for month, at, leaf in rows.values_list("subject", "at", "leaf"):
            if not MONTH.fullmatch(month):
                continue
            if month in here:
                self.faults.append(f"{month} is told to be dropped, and is here")
            elif month in self.told:
                self.faults.append(f"{month} is told to be dropped more than once")
            elif at.date() < later(dt.date(int(month[:4]), int(month[5:]), 1), YOUNGEST):
                self.faults.append(f"{month} is told to be dropped before it was six months old")
            else:
                told = read_leaf(bytes(leaf))
                self.told[month] = _read(told["detail"] if told else {})

    def take(self, tree: Tree, index: int, month: str, kind: str | None) -> str:
        """One leaf of a month, with the kind of its record unless that is gone. What is wrong with it, or ""."""
        told = self.told.get(month)
        if told is None:
            return "" if kind else "is gone, and no record tells that its month was dropped"
        told.leaves[tree.origin] += 1
        if kind:
            return "" if kind in KEPT else f"is left of {month}, which was dropped"
        begin, end, _ = told.places.get(tree.origin, (0, 0, 0))
        if not begin <= index < end:
            return f"is gone, and lies outside of what was told to be dropped with {month}"
        told.gone += 1
        return ""

    def finish(self) -> Iterator[str]:
        for month, told in self.told.items():
            if told.gone != told.records:
                yield f"{told.gone:,} records of {month} are gone, and {told.records:,} were told to be dropped"
            for origin in sorted({*told.places, *told.leaves}):
                count = told.places.get(origin, (0, 0, 0))[2]
                if told.leaves[origin] != count:
                    yield f"{told.leaves[origin]:,} leaves of {origin} are of {month}, and {count:,} were told"


def _read(detail: dict[str, Any]) -> Told:
    try:
        places = {one["origin"]: (int(one["begin"]), int(one["end"]), int(one["records"])) for one in detail["trees"]}
        return Told(int(detail["records"]), places)
    except (KeyError, TypeError, ValueError):  # it explains nothing
        return Told(0, {})
