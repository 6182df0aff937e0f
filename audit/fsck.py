"""Everything that the tables say of the log, derived again from the bytes of the records. It only reads."""

import datetime as dt
import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from audit import trees
from audit.cosigned import check_cosignature, witness_keys
from audit.derived import DerivedTiles, held_hashes
from audit.keys import TreeKeys
from audit.merkle import HASH
from audit.models import Checkpoint, Cosignature, Disclosure, Record, Tree
from audit.proof import differing, erasures, open_commitment, read_leaf
from audit.pruned import PrunedMonths
from audit.restored import told_end
from audit.signing import SignerAway, SignerClient, SignerRefused
from audit.verify import Frontier, Mismatch, VKey, leaf_hash, parse_checkpoint, parse_note
from console.core.canonical import profile

CHUNK = 5_000
MOST = 100  # findings that are kept; the rest is counted

_LEAVES = """
SELECT leaf.idx, leaf.record_id, leaf.at, leaf.leaf_hash
FROM audit_leaf AS leaf WHERE tree_id = %s AND idx >= %s AND idx < %s ORDER BY idx
"""
_STRAYS = """
SELECT id FROM audit_record AS record
WHERE NOT EXISTS (SELECT 1 FROM audit_leaf WHERE record_id = record.id AND at = record.at)
LIMIT %s
"""


@dataclass
class Report:
    """`findings` are in the order of the log: the first is the first that is wrong."""

    records: int = 0
    checkpoints: int = 0
    cosignatures: int = 0
    unchecked: int = 0  # of them, by keys that nobody named
    disclosed: int = 0
    erased: int = 0
    pruned: int = 0
    waiting: int = 0
    restores: list[str] = field(default_factory=list)
    unpinned: list[str] = field(default_factory=list)  # trees of which nobody gave a key
    signer: str = "not asked"
    count: int = 0
    findings: list[str] = field(default_factory=list)

    def find(self, text: str) -> None:
        self.count += 1
        if len(self.findings) < MOST:
            self.findings.append(text)

    @property
    def sound(self) -> bool:
        return not self.count


def check(given: Sequence[VKey] = (), signer: SignerClient | None = None) -> Report:
    """The keys are those that somebody has whom the database cannot reach. The signer is asked before the tables are
    read: what it has signed is here by then."""
    report = Report()
    notes: dict[str, str] = {}
    if signer is not None:
        try:
            notes = {tree.origin: signer.tree(tree.origin) for tree in trees.all_trees()}
            report.signer = "asked"
        except (SignerAway, SignerRefused) as fault:
            report.signer = f"not asked: {fault}"
    _check(report, given, notes)
    return report


@transaction.atomic
def _check(report: Report, given: Sequence[VKey], notes: Mapping[str, str]) -> None:
    """Of one moment: what is written meanwhile is left for the next time."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    pruned, erased = PrunedMonths(), erasures()
    known = list(Tree.objects.filter(log=trees.log_name()).order_by("number"))
    for fault in pruned.faults:
        report.find(fault)
    for name in sorted({vkey.name for vkey in given} - {tree.origin for tree in known}):
        report.find(f"A key of {name} was given, and there is no such tree here")
    keys = {tree: TreeKeys(tree, given) for tree in known}
    for tree in known:
        _TreeCheck(tree, keys[tree], notes.get(tree.origin, ""), report, pruned, erased).run()
    for tree, following in itertools.zip_longest(known, known[1:]):
        _check_end(tree, following, keys[tree], report)
    for fault in pruned.finish():
        report.find(fault)
    report.pruned = sum(told.gone for told in pruned.told.values())
    with connection.cursor() as cursor:
        cursor.execute(_STRAYS, [MOST])
        for (identity,) in cursor.fetchall():
            report.find(f"Record {identity} is in the log and has no place in a tree")
        cursor.execute("SELECT count(*) FROM audit_waiting")
        report.waiting = int(cursor.fetchone()[0])


class _TreeCheck:
    def __init__(self, tree: Tree, keys: TreeKeys, remembered: str, report: Report, pruned: PrunedMonths,
                 erased: Mapping[tuple[str, str], str]) -> None:  # fmt: skip
        self.tree, self.keys, self.report, self.erased = tree, keys, report, erased
        self.frontier, self.tiles = Frontier(), DerivedTiles(tree, report.find)
        self.pruned = pruned
        self.signed = {
            size: (bytes(root), note)
            for size, root, note in Checkpoint.objects.filter(tree=tree).values_list("size", "root", "note")
        }
        self.remembered = remembered
        self.last = parse_checkpoint(parse_note(remembered).body) if remembered else None
        self.sizes = sorted({*self.signed, *([self.last.size] if self.last else [])}, reverse=True)

    def run(self) -> None:
        if not self.keys.pinned:
            self.report.unpinned.append(self.tree.origin)
        for fault in self.keys.faults():
            self.report.find(fault)
        for begin in range(0, self.tree.size, CHUNK):
            self._chunk(begin, min(begin + CHUNK, self.tree.size))
        self._signed_up_to(self.tree.size, [])
        self.tiles.finish()
        if (self.tree.size, bytes(self.tree.root)) != (self.frontier.end, self.frontier.root):
            self.report.find(f"The root of {self.tree} is not that of its leaves")
        for size in self.sizes:
            self._past_the_end(size)
        self._cosignatures()

    def _chunk(self, begin: int, end: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_LEAVES, [self.tree.pk, begin, end])
            rows = {index: (identity, at, bytes(digest)) for index, identity, at, digest in cursor.fetchall()}
        records = self._records(rows)
        disclosed = disclosures(records)
        hashes = held_hashes(self.tree, begin, end)
        for index, held in enumerate(hashes, begin):
            if not held:  # the tile is told of as a whole
                hashes[index - begin] = held = rows[index][2] if index in rows else bytes(HASH)
            if index not in rows:
                self.report.find(f"{self._name(index)} has no row: a place in the tree is missing")
            else:
                identity, at, digest = rows[index]
                self._leaf(index, identity, at, digest, held, records.get(identity), disclosed)
        self._signed_up_to(end, hashes)
        self.tiles.append(hashes)

    def _records(self, rows: dict[int, tuple[uuid.UUID, dt.datetime, bytes]]) -> dict[uuid.UUID, Record]:
        if not rows:
            return {}
        moments = [at for _, at, _ in rows.values()]
        found = Record.objects.filter(at__gte=min(moments), at__lte=max(moments))
        return {record.pk: record for record in found.filter(pk__in=[identity for identity, _, _ in rows.values()])}

    def _leaf(self, index: int, identity: uuid.UUID, at: dt.datetime, digest: bytes, held: bytes,
              record: Record | None, disclosed: dict[uuid.UUID, list[Disclosure]]) -> None:  # fmt: skip
        name = f"{self._name(index)} ({identity})"
        if digest != held:
            self.report.find(f"{name} differs from the tile that the tree is made of")
        if fault := self.pruned.take(self.tree, index, f"{at:%Y-%m}", record.kind if record else None):
            self.report.find(f"{name} {fault}")
        if record is None:
            return
        self.report.records += 1
        raw = bytes(record.leaf)
        if leaf_hash(raw) != held:
            self.report.find(f"{name} is not what the tree was made of: its bytes were changed")
            return
        leaf = read_leaf(raw)
        if leaf is None:
            self.report.find(f"{name} is no record: its bytes are not in the form of one")
            return
        if not _is_canonical(leaf, raw):
            self.report.find(f"{name} is not in its canonical form")
        if columns := differing(record, leaf):
            self.report.find(f"{name} is shown with another {', '.join(columns)} than its bytes say")
        self._commitments(identity, name, leaf["c"], {row.path: row for row in disclosed.get(identity, [])})

    def _commitments(self, identity: uuid.UUID, name: str, sealed: dict[str, str], rows: dict[str, Disclosure]) -> None:
        for path, seal in sealed.items():
            status = open_commitment(path, seal, rows.pop(path, None)).status
            if status == "mismatch":
                self.report.find(f"{name}: the disclosed {path} is not the one that was committed to")
            elif status == "erased":
                self.report.erased += 1
                if (str(identity), path) not in self.erased:
                    self.report.find(f"{name}: {path} is gone, and no record tells that it was erased")
            else:
                self.report.disclosed += 1
        for path in rows:
            self.report.find(f"{name}: {path} is disclosed and was never committed to")

    def _signed_up_to(self, end: int, hashes: list[bytes]) -> None:
        """The frontier, stopped at each signed size on the way to `end`."""
        begin = done = self.frontier.end
        while self.sizes and self.sizes[-1] <= end:
            size = self.sizes.pop()
            self.frontier.append(hashes[done - begin : size - begin])
            done = size
            if size in self.signed:
                self._checkpoint(size, *self.signed[size])
            if self.last and size == self.last.size:
                self._signer()
        self.frontier.append(hashes[done - begin :])

    def _past_the_end(self, size: int) -> None:
        if size in self.signed:
            self.report.find(f"A checkpoint of {self.tree} has {size} leaves, and there are {self.tree.size}")
        elif not self.tree.closed_at and not self.tree.remembered:  # else the end of the tree tells of it
            self.report.find(f"The signer has signed {size} leaves of {self.tree}, and there are {self.tree.size}")

    def _checkpoint(self, size: int, root: bytes, note: str) -> None:
        self.report.checkpoints += 1
        try:
            signed = self.keys.open(note)
        except Mismatch as fault:
            self.report.find(f"The checkpoint of {size} leaves of {self.tree}: {fault}")
            return
        if (signed.origin, signed.size, signed.root) != (self.tree.origin, size, root):
            self.report.find(f"The checkpoint of {size} leaves of {self.tree} says something else than its row")
        if signed.root != self.frontier.root:
            self.report.find(f"The checkpoint of {size} leaves of {self.tree} is not the root of these leaves")

    def _signer(self) -> None:
        """What it signed last of this tree, as it says itself."""
        try:
            signed = self.keys.open(self.remembered)
        except Mismatch as fault:
            self.report.find(f"What the signer has signed of {self.tree}: {fault}")
            return
        if signed.root != self.frontier.root:
            self.report.find(f"The signer has signed another root of {signed.size} leaves of {self.tree}")

    def _cosignatures(self) -> None:
        notes, vkeys = dict(Checkpoint.objects.filter(tree=self.tree).values_list("size", "note")), witness_keys()
        for row in Cosignature.objects.filter(tree=self.tree).order_by("size", "witness").iterator():
            self.report.cosignatures += 1
            under = f"{row.size} leaves of {self.tree}"
            if row.size not in notes:
                self.report.find(f"{row.witness} has signed {under}; no checkpoint tells of it")
                continue
            try:
                self.report.unchecked += not check_cosignature(row, notes[row.size], vkeys)
            except Mismatch as fault:
                self.report.find(f"The cosignature of {row.witness} under {under}: {fault}")

    def _name(self, index: int) -> str:
        return f"Record {index} of {self.tree}"


def _is_canonical(leaf: dict[str, Any], raw: bytes) -> bool:
    try:
        return profile(leaf) == raw
    except ValueError:
        return False


def _check_end(tree: Tree, following: Tree | None, keys: TreeKeys, report: Report) -> None:
    if tree.closed_at is None:
        if following is not None:
            report.find(f"{tree} goes on, and {following} does as well")
        if tree.remembered:
            report.find(f"The signer remembers more of the log than {tree} holds, and no restore was agreed to")
        return
    try:
        report.restores.append(told_end(tree, following, keys))
    except Mismatch as fault:
        report.find(f"{tree} was closed: {fault}")


def disclosures(records: dict[uuid.UUID, Record]) -> dict[uuid.UUID, list[Disclosure]]:
    found: dict[uuid.UUID, list[Disclosure]] = {}
    for row in Disclosure.objects.filter(record_id__in=list(records)):
        found.setdefault(row.record_id, []).append(row)
    return found


def lines(report: Report) -> Iterator[str]:
    """For people."""
    yield f"records        {report.records:,} hashed, {report.pruned:,} in dropped months, {report.waiting:,} waiting"
    yield f"checkpoints    {report.checkpoints:,} derived again, {report.cosignatures:,} cosignatures"
    if report.unchecked:
        yield f"               {report.unchecked:,} of them not checked: by keys that the publishing file does not name"
    yield f"disclosures    {report.disclosed:,} match, {report.erased:,} erased"
    unpinned = ", ".join(report.unpinned)
    yield f"keys           {f'not pinned, give them by --key: of {unpinned}' if unpinned else 'as they were given'}"
    yield f"signer         {report.signer}"
    for restore in report.restores:
        yield f"restore        {restore}"
    for finding in report.findings:
        yield f"WRONG          {finding}"
    if report.count > len(report.findings):
        yield f"WRONG          and {report.count - len(report.findings):,} more"
    yield "integrity      " + ("ok" if report.sound else f"FAILED: {report.findings[0]}")
