"""The ways of the log out of the house: witnesses, anchors and streams. Each has a thread of its own in the publisher,
so that one that hangs holds up no other, and none holds up the log."""

import datetime as dt
import hashlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from django.db import Error, connection, transaction
from django.db.models.functions import Now

from audit import trees
from audit.anchors import Anchor, AnchorAhead, AnchorFailed
from audit.models import Checkpoint, Cosignature, Outlet, Receipt, Tree
from audit.record import record
from audit.verify import VKey, open_note
from audit.vocabulary import Kind
from audit.witnessing import Ahead, WitnessFailed, submit
from console.core.actor import system

logger = logging.getLogger(__name__)

ACTOR = system("publisher")
SOONEST, LATEST = 1.0, 60.0  # seconds between two tries of what fails


class OutletFailed(Exception):
    """Why nothing got out this time; it will be tried again."""


class OutletAhead(OutletFailed):
    """It has seen more of this tree than is here: an older copy of the database was put back."""


class Way(Protocol):
    """`advance` takes the log from `reached` leaves as far as it can go at once, and says how far that is. It raises
    OutletFailed, and may be called with the same `reached` again."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def every(self) -> float: ...

    def advance(self, tree: Tree, reached: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Witness:
    """Asks a witness for its signature under the newest checkpoint: c2sp.org/tlog-witness."""

    vkey: str
    url: str
    every: float = 10.0
    kind: str = "witness"

    @property
    def name(self) -> str:
        return VKey.parse(self.vkey).name

    def advance(self, tree: Tree, reached: int) -> int:
        newest = trees.newest_checkpoint(tree)
        if newest is None or newest.size <= reached:
            return reached
        try:
            line = submit(self.url, self.vkey, newest.note, reached,
                          lambda old: trees.consistency_proof(tree, old, newest.size))  # fmt: skip
        except Ahead as fault:
            raise OutletAhead(str(fault)) from fault
        except WitnessFailed as fault:
            raise OutletFailed(str(fault)) from fault
        _, signed = open_note(newest.note + line, [VKey.parse(self.vkey)])
        moment = dt.datetime.fromtimestamp(signed[self.name] or 0, dt.UTC)
        row = Cosignature(tree=tree, size=newest.size, witness=self.name, line=line, at=moment)
        Cosignature.objects.bulk_create([row], ignore_conflicts=True)
        return newest.size


@dataclass(frozen=True, slots=True)
class Anchoring:
    """Lays the newest checkpoint down where nobody here can change it, every so often."""

    name: str
    anchor: Anchor
    every: float = 3600.0

    @property
    def kind(self) -> str:
        return self.anchor.kind

    def advance(self, tree: Tree, reached: int) -> int:
        newest = trees.newest_checkpoint(tree)
        if newest is None or newest.size <= reached:
            return reached
        try:
            receipt = self.anchor.anchor(newest.note, origin=tree.origin, size=newest.size)
        except AnchorAhead as fault:
            raise OutletAhead(str(fault)) from fault
        except AnchorFailed as fault:
            raise OutletFailed(str(fault)) from fault
        detail = {"anchor": self.name, "kind": self.kind, "size": newest.size, "root": bytes(newest.root).hex(),
                  "place": receipt.place, "receipt_digest": hashlib.sha256(receipt.data).hexdigest()}  # fmt: skip
        with transaction.atomic():
            Receipt.objects.create(tree=tree, size=newest.size, anchor=self.name, kind=self.kind, data=receipt.data,
                                   place=receipt.place)  # fmt: skip
            record(Kind.CHECKPOINT_ANCHORED, subject=tree.origin, actor=ACTOR, team="", detail=detail)
        return newest.size


def keep_going(way: Way, stop: threading.Event) -> None:
    """The life of one outlet."""
    delay = 0.0
    failures = 0
    while not stop.wait(delay):
        try:
            failed = not step(way)
        except Error as error:
            logger.warning("%s lost the database (%s); trying again", way.name, type(error).__name__)
            failed = True
        except Exception:  # one outlet's fault must not end the others, nor itself
            logger.exception("%s failed", way.name)
            failed = True
        connection.close()
        failures = failures + 1 if failed else 0
        delay = min(SOONEST * 2 ** (failures - 1), LATEST) if failed else way.every


def step(way: Way) -> bool:
    """One try; false when it failed. What is told of it is the change from going to failing, and back."""
    outlet = outlet_of(way)
    if outlet.tree is None:
        return True
    try:
        reached = _advance(way, outlet)
    except OutletFailed as fault:
        _failed(outlet, str(fault))
        return False
    _reached(outlet, reached)
    return True


def _advance(way: Way, outlet: Outlet) -> int:
    """A tree that a restore has closed is finished first, unless the other side is ahead; then the next one begins."""
    assert outlet.tree is not None
    while True:
        reached = _reached_in(way, outlet)
        following = _next_of(outlet.tree)
        if following is None or reached < _signed(outlet.tree):
            return reached
        outlet.tree, outlet.reached = following, 0


def _reached_in(way: Way, outlet: Outlet) -> int:
    """Of a closed tree, the other side may hold leaves that were lost here: then it has all that there will be."""
    assert outlet.tree is not None
    try:
        return way.advance(outlet.tree, outlet.reached)
    except OutletAhead:
        if _next_of(outlet.tree) is None:
            raise
        return _signed(outlet.tree)


def _next_of(tree: Tree) -> Tree | None:
    return Tree.objects.filter(log=tree.log, number__gt=tree.number).order_by("number").first()


def _signed(tree: Tree) -> int:
    newest = trees.newest_checkpoint(tree)
    return newest.size if newest else 0


def outlet_of(way: Way) -> Outlet:
    outlet, _ = Outlet.objects.get_or_create(name=way.name, defaults={"kind": way.kind})
    if outlet.tree is None:
        outlet.tree = Tree.objects.filter(log=trees.log_name()).order_by("number").first()
    return outlet


@transaction.atomic
def _failed(outlet: Outlet, text: str) -> None:
    if outlet.failing_since is None:
        logger.error("%s: %s", outlet.name, text)
        detail = {"kind": outlet.kind, "error": text[:500]}
        record(Kind.OUTLET_FAILED, subject=outlet.name, actor=ACTOR, team="", detail=detail)
        outlet.failing_since = Now()
    outlet.error, outlet.tried_at = text[:500], Now()
    outlet.save(update_fields=["failing_since", "error", "tried_at"])


@transaction.atomic
def _reached(outlet: Outlet, reached: int) -> None:
    if outlet.failing_since is not None:
        record(Kind.OUTLET_RECOVERED, subject=outlet.name, actor=ACTOR, team="", detail={"kind": outlet.kind})
    if reached != outlet.reached:
        outlet.reached_at = Now()
    outlet.reached, outlet.failing_since, outlet.error = reached, None, ""
    outlet.tried_at = Now()
    outlet.save()


def start(ways: list[Way], stop: threading.Event,
          spawn: Callable[..., threading.Thread] = threading.Thread) -> list[threading.Thread]:  # fmt: skip
    threads = [spawn(target=keep_going, args=(way, stop), name=way.name, daemon=True) for way in ways]
    for thread in threads:
        thread.start()
    return threads


def covered(tree: Tree) -> int:
    """How many leaves somebody outside knows: the largest checkpoint with a cosignature or a receipt."""
    witnessed = Cosignature.objects.filter(tree=tree).order_by("-size").values_list("size", flat=True).first()
    anchored = Receipt.objects.filter(tree=tree).order_by("-size").values_list("size", flat=True).first()
    return max(witnessed or 0, anchored or 0)


def uncovered_since(tree: Tree) -> dt.datetime | None:
    """Since when something signed is known to nobody outside. None when all is known."""
    beyond = Checkpoint.objects.filter(tree=tree, size__gt=covered(tree))
    return beyond.order_by("size").values_list("at", flat=True).first()
