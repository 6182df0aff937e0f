"""A log with a tree over it: sequencer and signer by hand, in this process or as the real programs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from audit import merkle, sequencer, trees
from audit.models import Leaf, Tree, Waiting
from audit.record import record
from audit.sequencer import Sequencer
from audit.signer import Refused, Signer, Store
from audit.signing import SignerClient, SignerRefused
from audit.trees import log_name
from audit.verify import Frontier
from audit.vocabulary import Kind
from console.core.actor import system
from console.home.restore import statement_of
from tests.accounts.authenticator import SoftAuthenticator
from tests.audit.written import agreement
from tests.services import services


class SignerInProcess(SignerClient):
    """The signer's own code behind the client's methods: its refusals, and no socket."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.signer = Signer(Store(directory), log_name())

    def _ask(self, request: str) -> str:
        try:
            return self.signer.answer(request)
        except Refused as refusal:
            raise SignerRefused(str(refusal)) from refusal


@dataclass
class SignedLog:
    signer: SignerInProcess

    def write(self, count: int = 1, *, kind: Kind = Kind.PAGE_READ, team: str = "") -> None:
        for number in range(count):
            record(kind, subject=f"thing {number}", actor=system("tests", team), detail={"number": number})

    def sequence(self) -> Tree:
        """All that is pending, integrated and signed."""
        at_work = Sequencer(self.signer, heart=lambda _: None)
        at_work._round()
        while Waiting.objects.exists():  # what the round itself had to tell
            at_work._round()
        tree = sequencer.current()
        assert trees.newest_checkpoint(tree) is not None
        return tree

    def sequence_in(self, batches: Sequence[int]) -> Tree:
        for count in batches:
            self.write(count)
            tree = self.sequence()
        return tree


@pytest.fixture
def signed_log(committed: str, tmp_path: Path) -> SignedLog:
    return SignedLog(SignerInProcess(tmp_path / "signer"))


def hashes_of(tree: Tree) -> list[bytes]:
    return [bytes(one) for one in Leaf.objects.filter(tree=tree).order_by("idx").values_list("leaf_hash", flat=True)]


def root_of(hashes: list[bytes]) -> bytes:
    frontier = Frontier()
    frontier.append(hashes)
    return frontier.root


@dataclass
class Adversary:
    """A superuser of PostgreSQL, whom no right and no trigger holds, and who writes what fits together again."""

    sql: psycopg.Connection

    def edit_leaf(self, index: int) -> None:
        self.sql.execute(
            "UPDATE audit_record SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'thing', 'THING'), 'UTF8'),"
            " subject = replace(subject, 'thing', 'THING')"
            " WHERE id = (SELECT record_id FROM audit_leaf WHERE idx = %s)",
            [index],
        )

    def delete_tail(self, size: int) -> None:
        """As if the log had never been longer: records, places, tiles and checkpoints."""
        self.sql.execute(
            "DELETE FROM audit_record WHERE id IN (SELECT record_id FROM audit_leaf WHERE idx >= %s)", [size]
        )
        self.sql.execute("DELETE FROM audit_leaf WHERE idx >= %s", [size])
        self.sql.execute("DELETE FROM audit_checkpoint WHERE size > %s", [size])
        self.derive()

    def derive(self) -> None:
        """Places, tiles and root from the records as they are now."""
        self.sql.execute(
            "UPDATE audit_leaf SET leaf_hash = sha256('\\x00'::bytea || record.leaf) FROM audit_record AS record"
            " WHERE record.id = audit_leaf.record_id"
        )
        tree = Tree.objects.get()
        hashes = hashes_of(tree)
        self.sql.execute("DELETE FROM audit_tile")
        for (level, n), tile in merkle.extend(0, {}, hashes).items():
            self.sql.execute("INSERT INTO audit_tile (tree_id, level, n, hashes) VALUES (%s, %s, %s, %s)",
                             [tree.pk, level, n, tile])  # fmt: skip
        self.sql.execute("UPDATE audit_tree SET size = %s, root = %s", [len(hashes), root_of(hashes)])


@pytest.fixture
def adversary(committed: str, signed_log: SignedLog) -> Iterator[Adversary]:
    """With 300 and 300 records in the tree, signed twice."""
    signed_log.sequence_in([300, 300])
    with services().superuser(committed) as superuser:
        superuser.execute("SET session_replication_role = replica")
        yield Adversary(superuser)


def agreed_by_two(tree: Tree, note: str) -> dict[str, object]:
    """By passkeys that nobody enrolled here."""
    statement = statement_of(tree, note)
    people = {"usr_mira": SoftAuthenticator(), "usr_max": SoftAuthenticator()}
    told = {"after": statement.after, **asdict(statement)}
    return {"signatures": agreement(told, people, settings.ORIGIN, settings.RP_ID)}


def begin_next_tree(log: SignedLog) -> None:
    """As after a restore of a backup from which nothing was missing."""
    tree = log.sequence()
    newest = trees.newest_checkpoint(tree)
    assert newest is not None
    sequencer.reopen(tree, newest.note, agreed_by_two(tree, newest.note))
    log.sequence()
