"""The sequencer: takes pending records into the tree, in batches, and has each tree signed.

It consumes a queue and never looks for "what is newer": of two transactions the one that began first may commit last.
One process leads, by an advisory lock; a second waits. What a batch does is one transaction, so that a crash at any
point loses nothing and repeats nothing. The order in the tree is that of integration, not of time.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from audit import merkle, trees
from audit.models import Checkpoint, LogKey, Tree
from audit.record import record
from audit.signing import SignerAway, SignerClient, SignerRefused
from audit.verify import EMPTY, leaf_hash, parse_checkpoint, parse_note
from audit.vocabulary import Kind
from audit.waiting import OLDEST, ONE, take
from console.core import presence
from console.core.actor import system

logger = logging.getLogger(__name__)

BATCH = 5000
EVERY = 0.4  # seconds between two looks at the queue: half of it is the usual wait for a place in the tree
HEARTBEAT = 300.0  # seconds without a record after which the log says that nothing happened
HEART = 10.0
LOOK_BACK = 10.0  # seconds between two looks at a part of the log that is signed long since
PAUSE = 1.0  # seconds, after something went wrong

ACTOR = system("sequencer")

# Whether people agreed that the log goes on in a new tree: what its first leaf has to tell of that, or None.
# It is asked for the tree here and for the newest note of the signer.
Restorations = Callable[[Tree, str], Mapping[str, object] | None]

# What no checkpoint here holds gets a second place, in the next tree, where it can be proven.
_UNSIGNED = """
INSERT INTO audit_leaf (tree_id, idx, record_id, at, leaf_hash)
SELECT %s, %s + row_number() OVER (ORDER BY idx) - 1, record_id, at, leaf_hash
FROM audit_leaf WHERE tree_id = %s AND idx >= %s
RETURNING idx, leaf_hash
"""

_TILE = """
SELECT leaf.idx, leaf.leaf_hash, (SELECT leaf FROM audit_record WHERE id = leaf.record_id AND audit_record.at = leaf.at)
FROM audit_leaf AS leaf WHERE tree_id = %s AND idx >= %s AND idx < %s ORDER BY idx
"""


class Broken(Exception):
    """The database does not hold what was signed. Nothing is integrated until somebody has looked."""


class Behind(Broken):
    """The signer remembers more than is here, in its newest `note`: an older copy was put back, or leaves are gone."""

    def __init__(self, text: str, note: str) -> None:
        super().__init__(text)
        self.note = note


class Sequencer:
    def __init__(
        self, signer: SignerClient, heart: Callable[[str], None], restorations: Restorations = lambda *_: None
    ) -> None:
        self.signer, self.heart, self.restorations = signer, heart, restorations
        self.compared = float("-inf")
        self.told: set[int] = set()
        self.problem: str | None = None  # what the row says is not known yet

    def lead(self, session: psycopg.Connection, stop: threading.Event) -> None:
        """For as long as the session lives that holds the lock."""
        beaten = looked = float("-inf")
        checked = False
        while not stop.is_set():
            if time.monotonic() - beaten >= HEART:
                self.heart("sequencer")
                beaten = time.monotonic()
            if not presence.leads(session, presence.SEQUENCER):
                checked = False
            elif not checked:
                checked = self._begin()
            elif not self._work():
                checked = False
            elif time.monotonic() - looked >= LOOK_BACK:
                self._look_back()
                looked = time.monotonic()
            connection.close_if_unusable_or_obsolete()
            stop.wait(EVERY if checked else PAUSE)

    def _begin(self) -> bool:
        """Whether the tree here is the one that was signed last, or one that continues it."""
        self.compared = float("-inf")
        return self._watched(self._continue)

    def _continue(self) -> None:
        tree = current()
        try:
            compare(tree, self.signer)
        except Behind as behind:
            agreed = self.restorations(tree, behind.note)
            if agreed is None:
                raise
            reopen(tree, behind.note, agreed)

    def _work(self) -> bool:
        return self._watched(self._round)

    def _round(self) -> None:
        tree = current()
        while integrate(tree) == BATCH:
            self._sign(tree)
        self._sign(tree)
        if time.monotonic() - self.compared >= HEART:
            compare(tree, self.signer)
            self.heart("signer")
            self.compared = time.monotonic()
        if quiet_for(tree) > HEARTBEAT:
            record(Kind.LOG_HEARTBEAT, subject=tree.origin, actor=ACTOR, team="", detail={"size": tree.size})

    def _sign(self, tree: Tree) -> None:
        tree.refresh_from_db()
        newest = trees.newest_checkpoint(tree)
        if newest and newest.size == tree.size:
            return
        sign(tree, self.signer)
        learn_keys(tree, self.signer)

    def _watched(self, work: Callable[[], object]) -> bool:
        """A tree that may not be signed is a matter for people, and so is what the database refuses; a signer or
        database that is away comes back."""
        try:
            work()
        except (Broken, SignerRefused, SignerAway) as problem:
            self._tell(str(problem), getattr(problem, "note", ""))
            return False
        except (OperationalError, InterfaceError) as error:
            logger.warning("the sequencer lost the database (%s); trying again", type(error).__name__)
            return False
        except Error as refusal:
            why, _, _ = str(refusal).partition("\n")
            self._tell(f"The database refuses what would go into the tree: {why}")
            return False
        self._tell("")
        return True

    def _tell(self, problem: str, remembered: str = "") -> None:
        if problem == self.problem:
            return
        if problem:
            logger.error("%s", problem)
        tell_problem(problem, remembered)
        self.problem = problem

    def _look_back(self) -> None:
        """One tile, somewhere in the past, hashed again: what was altered is found without being asked for."""
        tree = current()
        if tree.size < merkle.WIDTH:
            return
        number = random.randrange(tree.size // merkle.WIDTH)  # noqa: S311  (a sample)
        if number in self.told:
            return
        for fault in faults_in_tile(tree, number):
            self.told.add(number)
            logger.error("%s", fault)
            record(Kind.ALARM_TAMPERED, subject=tree.origin, actor=ACTOR, team="", detail={"what": fault})
            return


def current() -> Tree:
    """The tree that grows. The first start of all opens it."""
    tree = trees.open_tree()
    if tree is None:
        log = trees.log_name()
        with transaction.atomic():
            tree = Tree.objects.create(log=log, number=1, origin=f"{log}/1", root=EMPTY)
            record(Kind.LOG_OPENED, subject=tree.origin, actor=ACTOR, team="")
    return tree


@transaction.atomic
def integrate(tree: Tree) -> int:
    """The oldest pending records become leaves. Returns how many were taken off the queue."""
    return _take(Tree.objects.select_for_update().get(pk=tree.pk), OLDEST, BATCH)


def _take(locked: Tree, which: str, given: int | str) -> int:
    new, again = take(locked, which, given)
    for one in again:
        what = f"a second record bears the id {one}: it is kept, and has no place in the tree"
        record(Kind.ALARM_TAMPERED, subject=locked.origin, actor=ACTOR, team="", detail={"what": what})
    if new:
        grow(locked, new)
    return len(new) + len(again)


def grow(tree: Tree, new: list[bytes]) -> None:
    partial = trees.read_tiles(tree, merkle.rightmost(tree.size))
    size = tree.size + len(new)
    with whole_tiles(tree):
        changed = merkle.extend(tree.size, partial, new)
        root = merkle.tree_root(size, merkle.reader({**partial, **changed}))
    trees.store_tiles(tree, changed)
    Tree.objects.filter(pk=tree.pk).update(size=size, root=root)


@contextmanager
def whole_tiles(tree: Tree) -> Iterator[None]:
    """Raises Broken for tiles that are missing or too short."""
    try:
        yield
    except (KeyError, ValueError) as fault:
        raise Broken(f"Tiles of {tree.origin} are missing or too short: {fault}") from fault


def compare(tree: Tree, signer: SignerClient) -> None:
    """Raises Broken when the signer remembers more than is here, or something else."""
    if later := newest_note(tree, signer):
        origin = parse_checkpoint(parse_note(later).body).origin
        raise Behind(
            f"The signer has signed {origin}, and this database knows only {tree.origin}: an older copy was restored.",
            later,
        )
    note = signer.tree(tree.origin)
    if not note:
        if Checkpoint.objects.filter(tree=tree).exists():
            raise Broken(f"The signer knows nothing of {tree.origin}, which was signed before: its memory was lost.")
        return
    last = parse_checkpoint(parse_note(note).body)
    if last.size > tree.size:
        raise Behind(
            f"The signer has signed {last.size} leaves of {tree.origin}, and this database holds {tree.size}:"
            " an older copy was restored, or leaves were deleted.",
            note,
        )
    with whole_tiles(tree):
        root = trees.tree_root(tree, last.size)
    if root != last.root:
        raise Broken(f"The first {last.size} leaves of {tree.origin} are no longer those that were signed.")
    store_checkpoint(tree, note)


def newest_note(tree: Tree, signer: SignerClient) -> str:
    """Of the trees of this log that come after this one; "" when the signer knows none."""
    found, number = "", tree.number + 1
    while note := signer.tree(f"{tree.log}/{number}"):
        found, number = note, number + 1
    return found


@transaction.atomic
def reopen(tree: Tree, note: str, agreed: Mapping[str, object]) -> Tree:
    """The log goes on in the next tree. Its leaf 0 names the end of the last one that was signed, and what is here of
    it; what was here already stays where it is."""
    here = Tree.objects.select_for_update().get(pk=tree.pk)
    last = parse_checkpoint(parse_note(note).body)
    newest = trees.newest_checkpoint(here)
    if newest and not holds(here, newest):
        raise Broken(
            f"The first {newest.size} leaves of {here.origin} are not those that were signed: no backup of it."
        )
    number = int(last.origin.rpartition("/")[2]) + 1
    Tree.objects.filter(pk=here.pk).update(closed_at=Now(), problem="", remembered=note)
    opened = Tree.objects.create(log=here.log, number=number, origin=f"{here.log}/{number}", root=EMPTY)
    detail = {"before": last.origin, "size": last.size, "root": last.root.hex(), "note": note, **agreed,
              "present": here.origin, "present_size": here.size, "present_root": bytes(here.root).hex()}  # fmt: skip
    first = record(Kind.LOG_RESTORED, subject=opened.origin, actor=ACTOR, team="", detail=detail)
    _take(opened, ONE, first)
    with connection.cursor() as cursor:
        cursor.execute(_UNSIGNED, [opened.pk, 1, here.pk, newest.size if newest else 0])
        again = sorted(cursor.fetchall())
    if again:
        grow(Tree.objects.get(pk=opened.pk), [bytes(digest) for _, digest in again])
    return opened


def holds(tree: Tree, checkpoint: Checkpoint) -> bool:
    try:
        with whole_tiles(tree):
            return trees.tree_root(tree, checkpoint.size) == bytes(checkpoint.root)
    except Broken:
        return False


def sign(tree: Tree, signer: SignerClient) -> None:
    """Raises SignerRefused, SignerAway."""
    note = signer.tree(tree.origin)
    last = parse_checkpoint(parse_note(note).body) if note else None
    old = last.size if last else 0
    if old > tree.size:
        raise Broken(f"The signer has signed {old} leaves of {tree.origin}, and this database holds {tree.size}.")
    with whole_tiles(tree):
        proof = trees.consistency_proof(tree, old, tree.size)
    opens = leaf_zero(tree) if tree.number > 1 and not last else b""
    size, root = (1, leaf_hash(opens)) if opens else (tree.size, bytes(tree.root))
    store_checkpoint(tree, signer.sign(tree.origin, size, root, old=old, proof=proof if not opens else [], opens=opens))


def leaf_zero(tree: Tree) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute(_TILE, [tree.pk, 0, 1])
        return bytes(cursor.fetchone()[2])


def store_checkpoint(tree: Tree, note: str) -> None:
    signed = parse_checkpoint(parse_note(note).body)
    Checkpoint.objects.bulk_create(
        [Checkpoint(tree=tree, size=signed.size, root=signed.root, note=note, at=Now())], ignore_conflicts=True
    )


def learn_keys(tree: Tree, signer: SignerClient) -> None:
    """A key that is new, or gone, becomes a record: while both keys sign, the old one signs for the new one."""
    signing = signer.keys(tree.origin)
    known = list(LogKey.objects.filter(tree=tree, until=None).values_list("vkey", flat=True))
    with transaction.atomic():
        for vkey in [one for one in signing if one not in known]:
            LogKey.objects.create(vkey=vkey, tree=tree, since=tree.size)
            record(Kind.KEY_ADDED, subject=tree.origin, actor=ACTOR, team="", detail={"vkey": vkey, "size": tree.size})
        for vkey in [one for one in known if one not in signing]:
            LogKey.objects.filter(vkey=vkey).update(until=tree.size)
            record(Kind.KEY_RETIRED, subject=tree.origin, actor=ACTOR, team="",
                   detail={"vkey": vkey, "size": tree.size})  # fmt: skip


def quiet_for(tree: Tree) -> float:
    """Seconds since the last leaf's record, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - at) FROM audit_leaf WHERE tree_id = %s AND idx = %s",
            [tree.pk, tree.size - 1],
        )
        row = cursor.fetchone()
    return float(row[0]) if row else 0.0


def faults_in_tile(tree: Tree, number: int) -> list[str]:
    """What differs between a tile, the places of its leaves and the records. Dropped months have no records."""
    begin = number * merkle.WIDTH
    hashes = merkle.split(trees.hashes_between(tree, begin, begin + merkle.WIDTH))
    if len(hashes) != merkle.WIDTH:
        return [f"The tile of the records from {begin} on of {tree.origin} is missing or has another length"]
    with connection.cursor() as cursor:
        cursor.execute(_TILE, [tree.pk, begin, begin + merkle.WIDTH])
        rows = {index: (bytes(digest), leaf) for index, digest, leaf in cursor.fetchall()}
    return [
        f"Record {index} of {tree.origin} is not what the tree was made of"
        for index, digest in enumerate(hashes, begin)
        if (rows.get(index) or (b"",))[0] != digest or _altered(rows[index][1], digest)
    ]


def _altered(leaf: bytes | memoryview | None, digest: bytes) -> bool:
    return leaf is not None and leaf_hash(bytes(leaf)) != digest


def tell_problem(text: str, remembered: str = "") -> None:
    """Why no tree is signed; empty when it is."""
    told = {"problem": text, "remembered": remembered}
    Tree.objects.filter(log=trees.log_name(), closed_at=None).exclude(**told).update(**told)


def run(stop: threading.Event, heart: Callable[[str], None], restorations: Restorations = lambda *_: None) -> None:
    """Lead for as long as the session that holds the lock lives; stand by otherwise."""
    sequencer = Sequencer(SignerClient(Path(settings.SIGNER_SOCKET)), heart, restorations)
    while not stop.is_set():
        try:
            with presence.connect() as session:
                sequencer.lead(session, stop)
        except (psycopg.Error, Error) as error:
            logger.warning("the sequencer lost the database (%s); trying again", type(error).__name__)
            connection.close()
            stop.wait(1.0)
