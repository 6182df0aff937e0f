"""What an import found: one bad operation never fails the whole, and nothing is left out without a word."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

MOST_TOLD = 1_000


class Problem(NamedTuple):
    place: str  # `GET /customers/{id}`, or a pointer into the document
    code: str
    text: str


@dataclass(slots=True)
class Report:
    """`left_out` are operations that cannot be called; `notes` say what was understood in another way than written;
    `unapplied` are facts of an overlay that found no operation, or none that they fit."""

    operations: int = 0
    noted: int = 0
    left_out: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    unapplied: list[Problem] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)

    def note(self, place: str, code: str, text: str) -> None:
        self.counted[code] += 1
        self.noted += 1
        if len(self.notes) < MOST_TOLD:
            self.notes.append(Problem(place, code, text))

    def not_apply(self, place: str, text: str) -> None:
        self.counted["overlay"] += 1
        self.unapplied.append(Problem(place, "overlay", text))

    def leave_out(self, place: str, code: str, text: str) -> None:
        self.counted[code] += 1
        self.left_out.append(Problem(place, code, text))
