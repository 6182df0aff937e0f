"""Somebody holds all of PostgreSQL and what the web process can read, but not the signer's files: what they try, and
who finds it."""

import json
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from audit import fsck, merkle, sequencer, trees
from audit.derived import DerivedTiles, held_hashes
from audit.models import Checkpoint, Disclosure, Leaf, LogKey, Record, Tree
from audit.proof import prove
from audit.record import record
from audit.sequencer import Broken, Sequencer, compare, faults_in_tile, integrate
from audit.signer import Signer, Store
from audit.signing import SignerRefused
from audit.verify import VKey
from audit.vocabulary import Kind
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Conflict
from console.core.ids import uuid7
from tests.audit.conftest import Adversary, SignedLog, SignerInProcess, hashes_of, root_of
from tests.audit.definition import LEAVES
from tests.audit.past import months_ago


def name(index: int) -> str:
    place = Leaf.objects.get(idx=index)
    return f"Record {index} of {trees.log_name()}/1 ({place.record_id})"


def refusals(signed_log: SignedLog) -> list[str]:
    """Of the sequencer before it works, and of the signer when it is asked nevertheless."""
    said = []
    with pytest.raises(Broken) as broken:
        compare(Tree.objects.get(), signed_log.signer)
    said.append(str(broken.value))
    try:
        sequencer.sign(Tree.objects.get(), signed_log.signer)
    except (Broken, SignerRefused) as refused:
        said.append(str(refused))
    return said


def test_a_sound_log_is_called_sound(signed_log: SignedLog) -> None:
    signed_log.sequence_in([300, 1, 700])
    report = fsck.check()
    assert (report.findings, report.sound) == ([], True)
    assert report.records == Tree.objects.get().size == 1001 + 2
    assert report.checkpoints == Checkpoint.objects.count()


def test_an_edited_leaf(signed_log: SignedLog, adversary: Adversary) -> None:
    adversary.edit_leaf(20)
    assert faults_in_tile(Tree.objects.get(), 0) == [
        f"Record 20 of {trees.log_name()}/1 is not what the tree was made of"
    ]
    assert faults_in_tile(Tree.objects.get(), 1) == []
    assert fsck.check().findings == [f"{name(20)} is not what the tree was made of: its bytes were changed"]


def test_an_edited_leaf_and_its_place(signed_log: SignedLog, adversary: Adversary) -> None:
    adversary.edit_leaf(20)
    adversary.sql.execute("UPDATE audit_leaf SET leaf_hash = sha256('\\x00'::bytea || record.leaf)"
                          " FROM audit_record AS record WHERE record.id = audit_leaf.record_id")  # fmt: skip
    assert fsck.check().findings[0] == f"{name(20)} differs from the tile that the tree is made of"


def test_an_edited_leaf_with_everything_derived_again(signed_log: SignedLog, adversary: Adversary) -> None:
    """Rows, tiles and root fit together; the signed checkpoints and the signer do not."""
    adversary.edit_leaf(20)
    adversary.derive()
    assert fsck.check().findings[0].endswith("leaves of " + f"{trees.log_name()}/1 is not the root of these leaves")
    assert refusals(signed_log)[0].endswith("are no longer those that were signed.")


def test_rewritten_rows_tiles_and_checkpoints(signed_log: SignedLog, adversary: Adversary) -> None:
    """They also delete every checkpoint, so that nothing in the database contradicts them: the signer does."""
    adversary.edit_leaf(20)
    adversary.derive()
    adversary.sql.execute("DELETE FROM audit_checkpoint")
    assert fsck.check().sound
    signed_log.write(300)
    while integrate(Tree.objects.get()):
        pass
    first, second = refusals(signed_log)
    assert first.endswith("are no longer those that were signed.")
    assert "does not continue the last signed one" in second


def test_checkpoints_signed_by_a_key_of_their_own(signed_log: SignedLog, adversary: Adversary, tmp_path: Path) -> None:
    """First only these; then they also write the row of the key; then the record that tells of it."""
    tree, kept = Tree.objects.get(), LogKey.objects.get()
    forger = SignerInProcess(tmp_path / "forger")
    own = forger.signer.store.keys_for(tree.origin)[0].vkey

    def forge() -> list[str]:
        adversary.derive()
        adversary.sql.execute("DELETE FROM audit_checkpoint")
        forger.signer.store.write("trees", "{}")
        sequencer.sign(Tree.objects.get(), forger)
        return fsck.check().findings

    adversary.edit_leaf(20)
    unknown = "None of the given keys has signed this checkpoint."
    assert forge() == [f"The checkpoint of {tree.size} leaves of {tree}: {unknown}"]
    assert refusals(signed_log)[0].endswith("are no longer those that were signed.")
    adversary.sql.execute("UPDATE audit_logkey SET vkey = %s", [own])
    short, kept_short = ("+".join(vkey.split("+")[:2]) for vkey in (own, kept.vkey))
    assert forge() == [
        f"No record tells that the key {short} begins at {kept.since} leaves of {tree}",
        f"A record tells that the key {kept_short} begins at {kept.since} leaves of {tree}; no row does",
    ]
    replaced = "convert_to(replace(convert_from(leaf, 'UTF8'), %s, %s), 'UTF8')"
    adversary.sql.execute(
        f"UPDATE audit_record SET leaf = {replaced} WHERE kind = 'audit:key:added'".encode(), [kept.vkey, own]
    )
    assert forge() == []
    assert fsck.check().unpinned == [tree.origin]
    pinned = fsck.check([VKey.parse(kept.vkey)])
    assert pinned.findings == [f"The checkpoint of {tree.size} leaves of {tree}: {unknown}"]
    asked = fsck.check(signer=signed_log.signer)
    assert (asked.signer, asked.findings) == ("asked", [f"What the signer has signed of {tree}: {unknown}"])


def test_a_deleted_tail(signed_log: SignedLog, adversary: Adversary) -> None:
    adversary.delete_tail(500)
    first, second = refusals(signed_log)
    assert "and this database holds 500: an older copy was restored, or leaves were deleted." in first
    assert "and this database holds 500" in second
    assert Sequencer(signed_log.signer, heart=lambda _: None)._begin() is False
    assert "holds 500" in Tree.objects.get().problem


def test_a_deleted_record_in_the_middle(signed_log: SignedLog, adversary: Adversary) -> None:
    adversary.sql.execute("DELETE FROM audit_record WHERE id = (SELECT record_id FROM audit_leaf WHERE idx = 33)")
    assert fsck.check().findings == [f"{name(33)} is gone, and no record tells that its month was dropped"]


def test_a_deleted_record_that_retention_is_said_to_have_dropped(
    signed_log: SignedLog, adversary: Adversary, committed: str
) -> None:
    """Whoever can delete a record can write one as well."""
    tree = Tree.objects.get()
    adversary.sql.execute("DELETE FROM audit_record WHERE id = (SELECT record_id FROM audit_leaf WHERE idx = 33)")
    told = [{"origin": tree.origin, "begin": 33, "end": 34, "records": 1}]

    def tell(month: str) -> None:
        record(Kind.RETENTION_PRUNED, subject=month, actor=system("retention"), detail={"records": 1, "trees": told})
        signed_log.sequence()

    this = f"{now():%Y-%m}"
    tell(this)
    gone = f"{name(33)} is gone, and no record tells that its month was dropped"
    assert fsck.check().findings == [f"{this} is told to be dropped, and is here", gone]
    young, old = f"{months_ago(6):%Y-%m}", f"{months_ago(7):%Y-%m}"
    tell(young)
    assert fsck.check().findings[1:] == [f"{young} is told to be dropped before it was six months old", gone]
    tell(old)  # and nothing of that month was ever here
    nothing = [f"0 records of {old} are gone, and 1 were told to be dropped",
               f"0 leaves of {tree} are of {old}, and 1 were told"]  # fmt: skip
    assert fsck.check().findings[2:] == [gone, *nothing]


def test_a_deleted_record_and_its_place(signed_log: SignedLog, adversary: Adversary) -> None:
    adversary.sql.execute("DELETE FROM audit_record WHERE id = (SELECT record_id FROM audit_leaf WHERE idx = 33)")
    adversary.sql.execute("DELETE FROM audit_leaf WHERE idx = 33")
    said = fsck.check().findings
    assert said == [f"Record 33 of {trees.log_name()}/1 has no row: a place in the tree is missing"]


def test_an_old_backup_put_back(signed_log: SignedLog, adversary: Adversary) -> None:
    """The copy is whole and consistent, and shorter than what was signed."""
    adversary.delete_tail(302)
    assert fsck.check().sound
    assert "an older copy was restored" in refusals(signed_log)[0]
    signed_log.write(500)
    while integrate(Tree.objects.get()):
        pass
    assert Tree.objects.get().size > 602
    first, second = refusals(signed_log)
    assert first.endswith("are no longer those that were signed.")
    assert "does not continue the last signed one" in second


def test_two_views_of_one_log(signed_log: SignedLog, adversary: Adversary, tmp_path: Path) -> None:
    """Of two trees of one size the signer signs one."""
    signed_log.write(10)
    while integrate(Tree.objects.get()):
        pass
    tree = Tree.objects.get()
    sequencer.sign(tree, signed_log.signer)
    other = [*hashes_of(tree)[:-1], bytes(32)]
    proof = trees.consistency_proof(tree, tree.size, tree.size)
    with pytest.raises(SignerRefused, match="Two different trees"):
        signed_log.signer.sign(tree.origin, tree.size, root_of(other), old=tree.size, proof=proof)
    again = Signer(Store(tmp_path / "signer"), trees.log_name())
    assert f"\n{tree.size}\n" in again.answer(f"tree {tree.origin}\n")


def test_records_kept_out_of_the_tree(signed_log: SignedLog, adversary: Adversary) -> None:
    """Put into the log past the tree; and taken off the queue, which the database refuses while its guards stand."""
    record(Kind.PAGE_READ, subject="never in a tree", actor=system("tests"))
    identity = Record.objects.get(subject="never in a tree").pk
    adversary.sql.execute("SET session_replication_role = origin")
    with pytest.raises(psycopg.Error, match=f"record {identity} would be lost"):
        adversary.sql.execute("DELETE FROM audit_waiting")
    columns = "id, log, at, leaf, kind, subject, state, actor_kind, actor, team, run, trace"
    adversary.sql.execute(f"WITH taken AS (DELETE FROM audit_waiting RETURNING {columns})"
                          f" INSERT INTO audit_record ({columns}) SELECT * FROM taken")  # fmt: skip
    assert fsck.check().findings == [f"Record {identity} is in the log and has no place in a tree"]


@pytest.mark.parametrize("leaf", [b"no JSON \xff", b"[" * 60_000, b'{"v":1,"c":[],"detail":7}', b"null"])
@pytest.mark.parametrize(
    "kind", ["forged:thing:made", Kind.RETENTION_PRUNED, Kind.KEY_ADDED, Kind.DISCLOSURE_ERASED, Kind.LOG_RESTORED]
)
def test_bytes_that_are_no_record(signed_log: SignedLog, committed: str, leaf: bytes, kind: str) -> None:
    """Whoever has the console's role puts them into the queue, and the tree takes them like all others."""
    signed_log.sequence_in([3])
    identity, subject = uuid7(), Tree.objects.get().origin if kind == Kind.KEY_ADDED else "2020-01"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_waiting (id, log, leaf, kind, subject, state, actor_kind, actor)"
            " VALUES (%s, %s, %s, %s, %s, '', 'human', 'usr_forged')",
            [identity, trees.log_name(), leaf, kind, subject],
        )
    signed_log.sequence_in([3])
    found = fsck.check().findings
    told = f"{name(Leaf.objects.get(record_id=identity).idx)} is no record: its bytes are not in the form of one"
    assert [one for one in found if str(identity) in one] == [told]
    with pytest.raises(Conflict, match="not in the form"):
        prove(Record.objects.get(pk=identity))


def test_search_columns_that_lie(signed_log: SignedLog, adversary: Adversary) -> None:
    adversary.sql.execute("UPDATE audit_record SET actor = 'somebody else', subject = 'something else'"
                          " WHERE id = (SELECT record_id FROM audit_leaf WHERE idx = 7)")  # fmt: skip
    assert fsck.check().findings == [f"{name(7)} is shown with another actor, subject than its bytes say"]


def test_a_disclosure_that_was_swapped(signed_log: SignedLog, adversary: Adversary) -> None:
    record(Kind.PAGE_READ, subject="somebody", actor=system("tests"), personal={"name": "Ana", "why": "rest"})
    signed_log.sequence()
    adversary.sql.execute("UPDATE audit_disclosure SET value = '\"Eve\"' WHERE path = 'name'")
    adversary.sql.execute("INSERT INTO audit_disclosure (record_id, path, salt, value)"
                          " SELECT record_id, 'age', salt, '7' FROM audit_disclosure WHERE path = 'name'")  # fmt: skip
    index = Leaf.objects.get(record_id=Record.objects.get(subject="somebody").pk).idx
    assert fsck.check().findings == [
        f"{name(index)}: the disclosed name is not the one that was committed to",
        f"{name(index)}: age is disclosed and was never committed to",
    ]
    assert Disclosure.objects.count() == 3


def test_a_trigger_that_was_dropped(signed_log: SignedLog, adversary: Adversary) -> None:
    """A record says so. It lets them change a record; that it was changed is found nevertheless."""
    adversary.sql.execute("DROP TRIGGER append_only ON audit_record")
    adversary.edit_leaf(20)
    told = [json.loads(bytes(one.leaf))["detail"] for one in Record.objects.filter(kind=Kind.SCHEMA_CHANGED)]
    assert {"command": "DROP TRIGGER", "object": "append_only on public.audit_record"} in told
    assert fsck.check().findings == [f"{name(20)} is not what the tree was made of: its bytes were changed"]


def test_a_checkpoint_of_more_leaves_than_there_are(signed_log: SignedLog, adversary: Adversary) -> None:
    last = Checkpoint.objects.order_by("-size")[0]
    adversary.sql.execute("DELETE FROM audit_record WHERE id IN (SELECT record_id FROM audit_leaf WHERE idx >= 400)")
    adversary.sql.execute("DELETE FROM audit_leaf WHERE idx >= 400")
    adversary.derive()
    assert f"A checkpoint of {last.tree} has {last.size} leaves, and there are 400" in fsck.check().findings


def test_the_look_back_tells_what_it_finds_once(signed_log: SignedLog, adversary: Adversary) -> None:
    for index in range(256):
        adversary.edit_leaf(index)
    at_work = Sequencer(signed_log.signer, heart=lambda _: None)
    for _ in range(20):
        at_work._look_back()
    told = Record.objects.filter(kind=Kind.ALARM_TAMPERED)
    assert [b"is not what the tree was made of" in bytes(one.leaf) for one in told] == [True]
    connection.close()


PAST_THE_END = (
    "INSERT INTO audit_tile (tree_id, level, n, hashes) SELECT tree_id, {}, hashes FROM audit_tile WHERE n = 2"
)


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        ("UPDATE audit_tile SET hashes = set_byte(hashes, 5, get_byte(hashes, 5) # 1) WHERE level = 1",
         ["Tile 1/0 of {} is not what its leaves make"]),
        ("UPDATE audit_tile SET hashes = hashes || hashes WHERE (level, n) = (0, 2)",
         ["Tile 0/2 of {} is not what its leaves make"]),
        ("DELETE FROM audit_tile WHERE (level, n) = (0, 1)", ["Tile 0/1 of {} is missing"]),
        (PAST_THE_END.format("level, 3"),
         ["Tile 0/3 of {} lies past its end"]),
        (PAST_THE_END.format("8, 0"),
         ["Tile 8/0 of {} lies past its end"]),
    ],
)  # fmt: skip
def test_a_tile_that_the_leaves_do_not_make(
    signed_log: SignedLog, adversary: Adversary, forge: str, said: list[str]
) -> None:
    """Also where the root rests on none of its bytes: proofs do."""
    adversary.sql.execute(forge.encode())
    assert fsck.check().findings == [one.format(Tree.objects.get()) for one in said]


def test_a_tile_behind_which_the_root_is_whole(db: None) -> None:
    """From 65,536 leaves on there are tiles that neither appending nor the root reads."""
    tree = Tree.objects.create(log="log.example", number=1, origin="log.example/1", root=root_of(LEAVES))
    tiles = merkle.extend(0, {}, LEAVES)
    trees.store_tiles(tree, tiles | {(1, 0): bytes([tiles[1, 0][0] ^ 1]) + tiles[1, 0][1:]})
    assert trees.tree_root(tree, len(LEAVES)) == root_of(LEAVES)
    found: list[str] = []
    derived = DerivedTiles(tree, found.append)
    for begin in range(0, len(LEAVES), fsck.CHUNK):
        held = held_hashes(tree, begin, min(begin + fsck.CHUNK, len(LEAVES)))
        assert held == LEAVES[begin : begin + fsck.CHUNK]
        derived.append(held)
    derived.finish()
    assert found == ["Tile 1/0 of log.example/1 is not what its leaves make"]
