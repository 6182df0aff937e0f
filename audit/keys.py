"""Whose signature a checkpoint of a tree has to bear: of the keys that somebody trusted gave, or else of those that the
rows tell of. Whoever writes the rows can write a key there too: what is pinned is not taken from here."""

from collections.abc import Iterator, Sequence

from audit.models import LogKey, Record, Tree
from audit.proof import read_leaf
from audit.verify import Checkpoint, Mismatch, VKey, check_signatures, open_note, parse_note
from audit.vocabulary import Kind


class TreeKeys:
    def __init__(self, tree: Tree, given: Sequence[VKey]) -> None:
        self.tree = tree
        self.rows = list(LogKey.objects.filter(tree=tree).order_by("vkey"))
        self.pinned = [vkey for vkey in given if vkey.name == tree.origin]

    def open(self, note: str) -> Checkpoint:
        """Raises Mismatch unless a key signed it that did not end before."""
        vkeys = self.pinned or [VKey.parse(row.vkey) for row in self.rows]
        signed, _ = open_note(note, vkeys)
        ended = {row.vkey for row in self.rows if row.until is not None and row.until < signed.size}
        if ended.issuperset(map(str, check_signatures(parse_note(note), vkeys).verified)):
            raise Mismatch("It is signed only by keys that had ended before.")
        return signed

    def faults(self) -> Iterator[str]:
        """Each key's beginning and end stand in a record as well, which the tree holds."""
        rows = {
            (Kind.KEY_ADDED, "begins"): {(row.vkey, row.since) for row in self.rows},
            (Kind.KEY_RETIRED, "ends"): {(row.vkey, row.until) for row in self.rows if row.until is not None},
        }
        for (kind, what), held in rows.items():
            told = self._told(kind)
            for vkey, size in sorted(held - told):
                yield f"No record tells that the key {_short(vkey)} {what} at {size} leaves of {self.tree}"
            for vkey, size in sorted(told - held):
                yield f"A record tells that the key {_short(vkey)} {what} at {size} leaves of {self.tree}; no row does"

    def _told(self, kind: Kind) -> set[tuple[str, int]]:
        leaves = Record.objects.filter(kind=kind, subject=self.tree.origin).values_list("leaf", flat=True)
        told = [leaf["detail"] for raw in leaves if (leaf := read_leaf(bytes(raw)))]
        return {(detail["vkey"], detail["size"]) for detail in told
                if isinstance(detail.get("vkey"), str) and isinstance(detail.get("size"), int)}  # fmt: skip


def _short(vkey: str) -> str:
    """Its name and id."""
    return "+".join(vkey.split("+", 2)[:2])[:100]
