"""What did happen: append-only rows whose bytes a Merkle log can take over as they are."""

import uuid
from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from audit.verify import leaf_hash
from console.core.ids import new_id
from console.core.states import transitions


class RecordQuerySet(models.QuerySet["Record"]):
    def of(self, *subjects: str) -> "RecordQuerySet":
        return self.filter(subject__in=subjects)


class Record(models.Model):
    """One entry of the log. `leaf` is what is proven; the other columns repeat parts of it for search.

    What is read is a view: the log itself, by month of `at`, and before it what was written and waits for its place in
    the tree. Writers add to the latter alone (not `at`, which the database fills); the sequencer takes it over.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    log = models.TextField()
    at = models.DateTimeField(db_default=Now())
    leaf = models.BinaryField()
    kind = models.TextField()
    subject = models.TextField()
    state = models.TextField(default="")
    actor_kind = models.TextField()
    actor = models.TextField()
    team = models.TextField(default="")
    run = models.TextField(default="")
    trace = models.TextField(default="")

    objects: ClassVar[models.Manager["Record"]] = RecordQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        managed = False
        db_table = "audit_log"

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject}"

    @property
    def leaf_hash(self) -> bytes:
        return leaf_hash(bytes(self.leaf))


class Waiting(models.Model):
    """A record that no tree holds yet. A sequencer consumes this queue; it never guesses by a highest id."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        managed = False

    def __str__(self) -> str:
        return str(self.id)


class Disclosure(models.Model):
    """The value behind a commitment in a leaf. Deleting the row erases it and leaves every proof valid."""

    id = models.BigAutoField(primary_key=True)
    record_id = models.UUIDField()
    path = models.TextField()
    salt = models.BinaryField()
    value = models.JSONField()

    class Meta:
        managed = False

    def __str__(self) -> str:
        return f"{self.path} of {self.record_id}"


class Tree(models.Model):
    """One Merkle log. Its origin is `<log>/<number>`; a restore from a backup opens the next number.

    `size` and `root` are what the tiles hold; signed trees are checkpoints. `problem` says why nothing is signed;
    `remembered` is the newest note that the signer gave, when an older copy of the database was put back."""

    id = models.SmallAutoField(primary_key=True)
    log = models.TextField()
    number = models.PositiveIntegerField()
    origin = models.TextField(unique=True)
    size = models.BigIntegerField(default=0)
    root = models.BinaryField()
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True)
    problem = models.TextField(default="")
    remembered = models.TextField(default="")

    class Meta:
        constraints: ClassVar = [
            # The numbers of a log's trees follow one another.
            models.UniqueConstraint(fields=["log", "number"], name="audit_tree_number"),
            # Two open trees would each take a part of what is pending.
            models.UniqueConstraint(fields=["log"], condition=models.Q(closed_at=None), name="audit_tree_open"),
        ]

    def __str__(self) -> str:
        return self.origin


class OfTree(models.Model):
    """Rows are many and are written by one process: no foreign key checks each of them."""

    tree = models.ForeignKey(Tree, models.PROTECT, related_name="+", db_constraint=False, db_index=False)

    class Meta:
        abstract = True


class Leaf(OfTree):
    """The place of a record in a tree. `at` is the record's, to find it in its month without asking the others."""

    pk = models.CompositePrimaryKey("tree_id", "idx")
    idx = models.BigIntegerField()
    record_id = models.UUIDField()
    at = models.DateTimeField()
    leaf_hash = models.BinaryField()

    class Meta:
        constraints: ClassVar = [
            # A record has one place in a tree, and is looked up by its id.
            models.UniqueConstraint(fields=["record_id", "tree"], name="audit_leaf_record"),
        ]

    def __str__(self) -> str:
        return f"{self.idx} of {self.tree_id}"


class Tile(OfTree):
    """Up to 256 hashes of level 8 · `level` of the tree, side by side: c2sp.org/tlog-tiles."""

    pk = models.CompositePrimaryKey("tree_id", "level", "n")
    level = models.SmallIntegerField()
    n = models.BigIntegerField()
    hashes = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.level}/{self.n} of {self.tree_id}"


class Checkpoint(OfTree):
    """A signed tree head; `note` is the text that the signer gave, c2sp.org/tlog-checkpoint."""

    pk = models.CompositePrimaryKey("tree_id", "size")
    size = models.BigIntegerField()
    root = models.BinaryField()
    at = models.DateTimeField(db_default=Now())
    note = models.TextField()

    def __str__(self) -> str:
        return f"{self.size} of {self.tree_id}"


class Cosignature(OfTree):
    """A line that a witness gave under a checkpoint; `at` is the moment that it states."""

    pk = models.CompositePrimaryKey("tree_id", "size", "witness")
    size = models.BigIntegerField()
    witness = models.TextField()
    line = models.TextField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.witness} under {self.size} of {self.tree_id}"


class Receipt(OfTree):
    """What an anchor gave for a checkpoint, and where the checkpoint lies now."""

    id = models.BigAutoField(primary_key=True)
    size = models.BigIntegerField()
    anchor = models.TextField()
    kind = models.TextField()
    at = models.DateTimeField(db_default=Now())
    data = models.BinaryField()
    place = models.TextField()

    class Meta:
        indexes: ClassVar = [
            # The largest tree that an anchor holds: asked before each risky send.
            models.Index(fields=["tree", "-size"], name="audit_receipt_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.anchor} of {self.size} of {self.tree_id}"


class Outlet(models.Model):
    """A way of the log out of the house: a witness, an anchor or a stream, and how far it has come.

    `reached` is a number of leaves: the size of the checkpoint that was taken, or the index of the next leaf to send.
    """

    name = models.TextField(primary_key=True)
    kind = models.TextField()
    tree = models.ForeignKey(Tree, models.PROTECT, related_name="+", null=True)
    reached = models.BigIntegerField(default=0)
    reached_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    error = models.TextField(default="")

    def __str__(self) -> str:
        return self.name


class LogKey(OfTree):
    """A key that signs checkpoints, as its records tell: from and until how many leaves."""

    vkey = models.TextField(primary_key=True)
    since = models.BigIntegerField()
    until = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return self.vkey


def export_id() -> str:
    return new_id("exp")


def hold_id() -> str:
    return new_id("hld")


class Export(models.Model):
    """A part of the log, written to files. `done` is the index of the next leaf to write, `written` the bytes so far:
    who goes on after a crash cuts the file there."""

    KIND: ClassVar = "audit:export"
    TRANSITIONS: ClassVar = transitions(
        initial="requested", requested="running failed", running="done failed", done="expired", failed="", expired=""
    )

    id = models.TextField(primary_key=True, default=export_id)
    team = models.TextField()
    state = models.TextField(default="requested")
    form = models.TextField()
    filter = models.JSONField(default=dict)
    previous = models.TextField(default="")
    requested_by = models.TextField()
    requested_at = models.DateTimeField(db_default=Now())
    tree = models.ForeignKey(Tree, models.PROTECT, related_name="+", null=True)
    begin = models.BigIntegerField(default=0)
    end = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    done = models.BigIntegerField(default=0)
    written = models.JSONField(default=dict)
    records = models.BigIntegerField(default=0)
    digest = models.TextField(default="")
    length = models.BigIntegerField(default=0)
    error = models.TextField(default="")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            # The list of a team's exports, newest first, by keyset.
            models.Index(fields=["team", "-requested_at", "-id"], name="audit_export_of_team"),
        ]

    def __str__(self) -> str:
        return self.id

    def audit_context(self) -> Mapping[str, str]:
        return {"team": self.team}


class Hold(models.Model):
    """While it is placed, no month that it touches is dropped, whatever the retention says, and no personal value of a
    record in it is erased. Why it was placed and released are personal values of these records."""

    KIND: ClassVar = "audit:hold"
    TRANSITIONS: ClassVar = transitions(initial="placed", placed="released", released="")

    id = models.TextField(primary_key=True, default=hold_id)
    team = models.TextField()
    state = models.TextField(default="placed")
    since = models.DateField()
    until = models.DateField(null=True)
    placed_by = models.TextField()
    placed_at = models.DateTimeField(db_default=Now())
    released_by = models.TextField(default="")
    released_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            # The list of a team's holds, newest first, by keyset.
            models.Index(fields=["team", "-placed_at", "-id"], name="audit_hold_of_team"),
        ]
        constraints: ClassVar = [
            # State, moment and person agree.
            models.CheckConstraint(
                condition=models.Q(state="placed", released_by="", released_at=None)
                | (models.Q(state="released", released_at__isnull=False) & ~models.Q(released_by="")),
                name="audit_hold_released_iff_by_somebody",
            ),
            # A hold that ends before it begins would hold nothing.
            models.CheckConstraint(
                condition=models.Q(until=None) | models.Q(until__gte=models.F("since")), name="audit_hold_days"
            ),
        ]

    def __str__(self) -> str:
        return self.id

    def audit_context(self) -> Mapping[str, str]:
        return {"team": self.team}
