"""Where the log stands: how far the tree has come, what is signed, and what somebody outside knows of it."""

import datetime as dt
import threading
import time
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from audit import trees
from audit.models import Cosignature, Leaf, Receipt, Tree
from audit.outlets import covered, uncovered_since

COUNTED = 100_000
REMEMBERED = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Standing:
    """`uncovered_since`: the oldest signed tree that nobody outside knows of. None where all is known."""

    tree: Tree
    waiting: int
    signed: int
    signed_at: dt.datetime | None
    witnessed: int
    witnessed_at: dt.datetime | None
    anchored: int
    anchored_at: dt.datetime | None
    uncovered_since: dt.datetime | None

    @property
    def known_outside(self) -> int:
        return max(self.witnessed, self.anchored)


def standing() -> Standing | None:
    """None before the first start of the sequencer."""
    tree = trees.open_tree()
    if tree is None:
        return None
    newest = trees.newest_checkpoint(tree)
    witnessed = Cosignature.objects.filter(tree=tree).order_by("-size", "-at").first()
    anchored = Receipt.objects.filter(tree=tree).order_by("-size", "-at").first()
    return Standing(
        tree=tree,
        waiting=waiting(),
        signed=newest.size if newest else 0,
        signed_at=newest.at if newest else None,
        witnessed=witnessed.size if witnessed else 0,
        witnessed_at=witnessed.at if witnessed else None,
        anchored=anchored.size if anchored else 0,
        anchored_at=anchored.at if anchored else None,
        uncovered_since=uncovered_since(tree),
    )


def waiting() -> int:
    """Records that no tree holds yet; one more than COUNTED stands for any larger number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM (SELECT 1 FROM audit_waiting LIMIT %s) AS counted", [COUNTED + 1])
        return int(cursor.fetchone()[0])


class _Remembered:
    """Asked before each risky send: the database answers once in two seconds."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.until = 0.0
        self.answer = ""

    def ask(self) -> str:
        with self.lock:
            if time.monotonic() >= self.until:
                self.answer = _why_not()
                self.until = time.monotonic() + REMEMBERED
            return self.answer


_remembered = _Remembered()


def why_risky_actions_wait() -> str:
    """Empty when they need not wait: no limit is set, or the log is being signed and somebody outside has seen it
    recently enough."""
    return _remembered.ask() if settings.MAX_UNANCHORED else ""


def _why_not() -> str:
    tree = trees.open_tree()
    if tree is None:
        return "The log has no tree yet."
    if tree.problem:
        return f"Nothing is signed: {tree.problem} Until it is, risky actions wait."
    oldest = _oldest_unknown(tree)
    if oldest is None or age(oldest) <= settings.MAX_UNANCHORED:
        return ""
    return (
        f"For {age(oldest):.0f} seconds no witness and no anchor has taken the log;"
        f" after {settings.MAX_UNANCHORED:.0f} risky actions wait."
    )


def _oldest_unknown(tree: Tree) -> dt.datetime | None:
    """Of what is signed, in the tree or waiting for it: the moment of what nobody outside can know by now."""
    since = uncovered_since(tree) if covered(tree) else tree.opened_at
    newest = trees.newest_checkpoint(tree)
    unsigned = Leaf.objects.filter(tree=tree, idx=newest.size if newest else 0).values_list("at", flat=True).first()
    return min((moment for moment in (since, unsigned, _waiting_too_long()) if moment), default=None)


def _waiting_too_long() -> dt.datetime | None:
    """One record that waits for its place longer than it may. It ends at the first one: where the sequencer stands
    still, the oldest come first, and no index has to be kept for it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at FROM audit_waiting WHERE extract(epoch FROM clock_timestamp() - at) > %s LIMIT 1",
            [settings.MAX_UNANCHORED],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def age(moment: dt.datetime) -> float:
    """Seconds, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp() - %s)", [moment])
        return float(cursor.fetchone()[0])
