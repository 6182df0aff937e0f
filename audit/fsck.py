"""Everything that the tables say of the log, derived again from the bytes of the records. It only reads."""

import datetime as dt
import itertools
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.db import connection, transaction

from audit import trees
from audit.cosigned import check_cosignature, witness_keys
from audit.derived import DerivedTiles, held_hashes
from audit.merkle import HASH
from audit.models import Checkpoint, Cosignature, Disclosure, LogKey, Record, Tree
from audit.proof import differing, erasures, open_commitment
from audit.restored import told_end
from audit.verify import Frontier, Mismatch, VKey, leaf_hash, open_note
from audit.vocabulary import Kind
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
    pruned: Counter[str] = field(default_factory=Counter)  # by month
    waiting: int = 0
    restores: list[str] = field(default_factory=list)
    count: int = 0
    findings: list[str] = field(default_factory=list)

    def find(self, text: str) -> None:
        self.count += 1
        if len(self.findings) < MOST:
            self.findings.append(text)

    @property
    def sound(self) -> bool:
        return not self.count


@transaction.atomic
def check() -> Report:
    """Of one moment: what is written meanwhile is left for the next time."""
    report = Report()
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    pruned, erased = pruned_months(), erasures()
    known = list(Tree.objects.filter(log=trees.log_name()).order_by("number"))
    for tree in known:
        _TreeCheck(tree, report, pruned, erased).run()
    for tree, following in itertools.zip_longest(known, known[1:]):
        _check_end(tree, following, report)
    for month, count in pruned.items():
        if report.pruned[month] != count:
            report.find(f"{report.pruned[month]:,} records of {month} are gone, and {count:,} were told to be dropped")
    with connection.cursor() as cursor:
        cursor.execute(_STRAYS, [MOST])
        for (identity,) in cursor.fetchall():
            report.find(f"Record {identity} is in the log and has no place in a tree")
        cursor.execute("SELECT count(*) FROM audit_waiting")
        report.waiting = int(cursor.fetchone()[0])
    return report


class _TreeCheck:
    def __init__(
        self, tree: Tree, report: Report, pruned: Mapping[str, int], erased: Mapping[tuple[str, str], str]
    ) -> None:
        self.tree, self.report, self.erased = tree, report, erased
        self.frontier, self.tiles = Frontier(), DerivedTiles(tree, report.find)
        self.pruned = pruned
        self.vkeys = [VKey.parse(text) for text in LogKey.objects.filter(tree=tree).values_list("vkey", flat=True)]
        self.checkpoints = list(
            Checkpoint.objects.filter(tree=tree).order_by("size").values_list("size", "root", "note")
        )[::-1]

    def run(self) -> None:
        for begin in range(0, self.tree.size, CHUNK):
            self._chunk(begin, min(begin + CHUNK, self.tree.size))
        self._signed_up_to(self.tree.size, [])
        self.tiles.finish()
        if (self.tree.size, bytes(self.tree.root)) != (self.frontier.end, self.frontier.root):
            self.report.find(f"The root of {self.tree} is not that of its leaves")
        for size, _, _ in self.checkpoints:
            self.report.find(f"A checkpoint of {self.tree} has {size} leaves, and there are {self.tree.size}")
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
        if record is None:
            if f"{at:%Y-%m}" in self.pruned:
                self.report.pruned[f"{at:%Y-%m}"] += 1
            else:
                self.report.find(f"{name} is gone, and no record tells that its month was dropped")
            return
        self.report.records += 1
        raw = bytes(record.leaf)
        if leaf_hash(raw) != held:
            self.report.find(f"{name} is not what the tree was made of: its bytes were changed")
            return
        leaf = json.loads(raw)
        if profile(leaf) != raw:
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
        while self.checkpoints and self.checkpoints[-1][0] <= end:
            size, root, note = self.checkpoints.pop()
            self.frontier.append(hashes[done - begin : size - begin])
            done = size
            self._checkpoint(size, bytes(root), note)
        self.frontier.append(hashes[done - begin :])

    def _checkpoint(self, size: int, root: bytes, note: str) -> None:
        self.report.checkpoints += 1
        try:
            signed, _ = open_note(note, self.vkeys)
        except Mismatch as fault:
            self.report.find(f"The checkpoint of {size} leaves of {self.tree}: {fault}")
            return
        if (signed.origin, signed.size, signed.root) != (self.tree.origin, size, root):
            self.report.find(f"The checkpoint of {size} leaves of {self.tree} says something else than its row")
        if signed.root != self.frontier.root:
            self.report.find(f"The checkpoint of {size} leaves of {self.tree} is not the root of these leaves")

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


def _check_end(tree: Tree, following: Tree | None, report: Report) -> None:
    if tree.closed_at is None:
        if following is not None:
            report.find(f"{tree} goes on, and {following} does as well")
        if tree.remembered:
            report.find(f"The signer remembers more of the log than {tree} holds, and no restore was agreed to")
        return
    try:
        report.restores.append(told_end(tree, following))
    except (Mismatch, KeyError, TypeError) as fault:
        report.find(f"{tree} was closed: {fault}")


def pruned_months() -> dict[str, int]:
    """How many records went with each month, as the log tells."""
    told = Record.objects.filter(kind=Kind.RETENTION_PRUNED).values_list("subject", "leaf")
    return {month: json.loads(bytes(leaf))["detail"].get("records", 0) for month, leaf in told}


def disclosures(records: dict[uuid.UUID, Record]) -> dict[uuid.UUID, list[Disclosure]]:
    found: dict[uuid.UUID, list[Disclosure]] = {}
    for row in Disclosure.objects.filter(record_id__in=list(records)):
        found.setdefault(row.record_id, []).append(row)
    return found


def lines(report: Report) -> Iterator[str]:
    """For people."""
    pruned = report.pruned.total()
    yield f"records        {report.records:,} hashed, {pruned:,} in dropped months, {report.waiting:,} waiting"
    yield f"checkpoints    {report.checkpoints:,} derived again, {report.cosignatures:,} cosignatures"
    if report.unchecked:
        yield f"               {report.unchecked:,} of them not checked: by keys that the publishing file does not name"
    yield f"disclosures    {report.disclosed:,} match, {report.erased:,} erased"
    for restore in report.restores:
        yield f"restore        {restore}"
    for finding in report.findings:
        yield f"WRONG          {finding}"
    if report.count > len(report.findings):
        yield f"WRONG          and {report.count - len(report.findings):,} more"
    yield "integrity      " + ("ok" if report.sound else f"FAILED: {report.findings[0]}")
