"""What becomes of a text, line by line. Pure; the same texts always make the same lines."""

from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice

AROUND = 2  # lines that stay, on either side of what changes
FEW = 3  # lines are not worth a fold
MOST = 800  # lines: above that, two texts that somebody chose for it would take long to compare


@dataclass(frozen=True, slots=True)
class Piece:
    """`kind` is same, gone, new or folded: those that stay, far from any change."""

    kind: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    pieces: tuple[Piece, ...]
    gone: int
    new: int


def diff_of(was: str, becomes: str) -> Diff:
    before, after = was.split("\n"), becomes.split("\n")
    pieces = []
    for kind, lines in _changes(before, after):
        pieces += _same(lines) if kind == "same" else [Piece(kind, tuple(lines))]
    counts = {kind: sum(len(one.lines) for one in pieces if one.kind == kind) for kind in ("gone", "new")}
    return Diff(tuple(pieces), counts["gone"], counts["new"])


def _changes(before: list[str], after: list[str]) -> list[tuple[str, list[str]]]:
    if before == [""] or len(before) + len(after) > MOST:
        return [(kind, lines) for kind, lines in (("gone", before), ("new", after)) if lines != [""]]
    found = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            found.append(("same", before[i1:i2]))
            continue
        found += [(kind, lines) for kind, lines in (("gone", before[i1:i2]), ("new", after[j1:j2])) if lines]
    return found


def _same(lines: list[str]) -> list[Piece]:
    if len(lines) <= 2 * AROUND + FEW:
        return [Piece("same", tuple(lines))]
    middle = tuple(islice(lines, AROUND, len(lines) - AROUND))
    return [Piece("same", tuple(lines[:AROUND])), Piece("folded", middle), Piece("same", tuple(lines[-AROUND:]))]
