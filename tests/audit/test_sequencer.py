"""From a record to its place in a signed tree, exactly once each."""

import json
import threading
import uuid
from collections.abc import Callable

import psycopg
import pytest
from django.db import connection, transaction

from audit import merkle, sequencer, trees
from audit.models import Checkpoint, Leaf, LogKey, Record, Tile, Tree, Waiting
from audit.record import record
from audit.sequencer import Sequencer, compare, faults_in_tile, integrate
from audit.signing import SignerAway
from audit.verify import EMPTY, VKey, check_consistency, check_inclusion, leaf_hash, open_note
from audit.vocabulary import Kind
from console.core.actor import system
from tests.audit.conftest import SignedLog, hashes_of, root_of
from tests.services import services


def test_every_record_gets_one_place_and_a_signed_tree(signed_log: SignedLog) -> None:
    tree = signed_log.sequence_in([3, 300, 1, 513])
    records = {leaf_hash(bytes(one)) for one in Record.objects.values_list("leaf", flat=True)}
    hashes = hashes_of(tree)
    assert len(hashes) == len(set(hashes)) == len(records) == tree.size
    assert set(hashes) == records
    assert [*Leaf.objects.order_by("idx").values_list("idx", flat=True)] == [*range(tree.size)]
    newest = trees.newest_checkpoint(tree)
    assert newest is not None
    (vkey,) = LogKey.objects.values_list("vkey", flat=True)
    checkpoint, _ = open_note(newest.note, [VKey.parse(vkey)])
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (tree.origin, tree.size, root_of(hashes))
    assert not Waiting.objects.exists()


def test_the_first_records_tell_of_the_log_itself(signed_log: SignedLog) -> None:
    tree = signed_log.sequence()
    signed_log.sequence()
    placed = Leaf.objects.order_by("idx").values_list("record_id", flat=True)
    kinds = [Record.objects.get(pk=one).kind for one in placed]
    assert kinds == [Kind.LOG_OPENED, Kind.KEY_ADDED]
    assert tree.origin == f"{trees.log_name()}/1"


def test_proofs_from_tiles_verify(signed_log: SignedLog) -> None:
    tree = signed_log.sequence_in([250, 10, 900])
    hashes = hashes_of(tree)
    for size in (1, 255, 256, 257, 700, tree.size):
        assert trees.tree_root(tree, size) == root_of(hashes[:size])
        for index in {0, size // 2, size - 1}:
            proof = trees.inclusion_proof(tree, index, size)
            check_inclusion(index, size, hashes[index], proof, root_of(hashes[:size]))
        proof = trees.consistency_proof(tree, size, tree.size)
        check_consistency(size, tree.size, root_of(hashes[:size]), root_of(hashes), proof)
    assert merkle.split(trees.hashes_between(tree, 200, 600)) == hashes[200:600]


def test_a_record_that_commits_late_is_not_passed_over(signed_log: SignedLog) -> None:
    """Two transactions: the first to write is the last to commit. A cursor over ids would never see it again."""
    written, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            record(Kind.PAGE_READ, subject="slow", actor=system("tests"))
            written.set()
            may_commit.wait(20)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert written.wait(20)
    signed_log.write(5)
    tree = signed_log.sequence()
    slow_record = Record.objects.filter(subject="slow")
    assert not slow_record.exists()
    may_commit.set()
    thread.join(20)
    after = signed_log.sequence()
    assert after.size > tree.size
    assert Leaf.objects.filter(record_id=slow_record.get().pk).count() == 1


def test_an_empty_queue_makes_no_checkpoint(signed_log: SignedLog) -> None:
    signed_log.sequence()
    tree = signed_log.sequence()
    count = Checkpoint.objects.count()
    assert signed_log.sequence().size == tree.size
    assert Checkpoint.objects.count() == count


def test_a_batch_that_fails_half_way_leaves_nothing(signed_log: SignedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = signed_log.sequence_in([300])
    before = (tree.size, Leaf.objects.count(), Tile.objects.count())
    signed_log.write(300)

    def fail(*_: object) -> None:
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(trees, "store_tiles", fail)
    with pytest.raises(psycopg.OperationalError):
        integrate(tree)
    monkeypatch.undo()
    assert (Tree.objects.get().size, Leaf.objects.count(), Tile.objects.count()) == before
    assert Waiting.objects.count() == 300
    assert signed_log.sequence().size == before[0] + 300


def test_two_sequencers_at_once_place_each_record_once(signed_log: SignedLog) -> None:
    tree = signed_log.sequence()
    signed_log.write(400)
    faults: list[Exception] = []

    def take() -> None:
        try:
            while integrate(tree):
                pass
        except Exception as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert faults == []
    after = signed_log.sequence()
    assert after.size == Record.objects.count() == len(set(hashes_of(after)))


def test_a_second_record_of_one_id_is_kept_and_told(signed_log: SignedLog) -> None:
    """Beside one that has its place already, and beside one that waits with it."""
    first = signed_log.sequence_in([1])
    placed = Record.objects.get(subject="thing 0")
    forge = ("INSERT INTO audit_waiting (id, log, leaf, kind, subject, actor_kind, actor)"
             " VALUES (%s, 'l', '{}', 'k', 'forged', 'system', 'a')")  # fmt: skip
    fresh = uuid.uuid4()
    with connection.cursor() as cursor:
        for identity in (placed.pk, fresh, fresh):
            cursor.execute(forge, [identity])
    signed_log.sequence()
    told = [json.loads(bytes(one.leaf))["detail"]["what"] for one in Record.objects.filter(kind=Kind.ALARM_TAMPERED)]
    says = "a second record bears the id {}: it is kept, and has no place in the tree"
    assert sorted(told) == sorted([says.format(placed.pk), says.format(fresh)])
    assert Record.objects.filter(subject="forged").count() == 3
    assert Leaf.objects.filter(idx__gte=first.size).count() == 3  # one of them, and what was told
    assert not Waiting.objects.exists()


def test_what_was_written_to_hold_up_the_queue_holds_up_nothing(signed_log: SignedLog, committed: str) -> None:
    """Hundreds of one id and one moment, one with those of a record that has its place, and one that no index takes."""
    signed_log.sequence_in([1])
    placed = Record.objects.get(subject="thing 0")
    forge = ("INSERT INTO audit_waiting (id, at, leaf, team, run, log, kind, subject, actor_kind, actor)"
             " SELECT %s, %s, convert_to('forged ' || number, 'UTF8'), text, text, 'l', 'k', 'forged', 'system', 'a'"
             " FROM generate_series(%s::int, %s) AS number,"
             " (SELECT coalesce(string_agg(md5(n::text), ''), '') FROM generate_series(1, %s) AS n)"
             " AS long(text)")  # fmt: skip
    with services().superuser(committed) as superuser:
        superuser.execute(forge, [uuid.uuid4(), placed.at, 1, 300, 0])
        superuser.execute(forge, [placed.pk, placed.at, 301, 301, 0])
        superuser.execute(forge, [uuid.uuid4(), placed.at, 302, 302, 500])
    signed_log.write(5)
    assert Sequencer(signed_log.signer, heart=lambda _: None)._work()
    assert Tree.objects.get().problem == ""
    tree = signed_log.sequence()
    assert not Waiting.objects.exists()
    forged = [bytes(one) for one in Record.objects.filter(subject="forged").values_list("leaf", flat=True)]
    assert sorted(forged) == sorted(f"forged {number}".encode() for number in range(1, 303))
    assert Leaf.objects.filter(tree=tree, record_id__in=Record.objects.filter(subject="thing 4").values("id")).exists()
    assert Record.objects.filter(kind=Kind.ALARM_TAMPERED).count() == 299 + 1
    assert faults_in_tile(tree, 0) == []


def unguarded(database: str, statement: str) -> None:
    with services().superuser(database) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(statement.encode())


def test_what_the_database_refuses_is_said_and_nothing_is_lost(signed_log: SignedLog, committed: str) -> None:
    signed_log.sequence_in([3])
    signed_log.write(5)
    at_work = Sequencer(signed_log.signer, heart=lambda _: None)
    unguarded(committed, "ALTER TABLE audit_record ADD CONSTRAINT refused CHECK (subject <> 'thing 4')")
    assert not at_work._work()
    says = "The database refuses what would go into the tree: new row for relation"
    assert Tree.objects.get().problem.startswith(says)
    assert Waiting.objects.filter(pk__in=Record.objects.filter(subject="thing 4").values("id")).exists()
    unguarded(committed, "ALTER TABLE audit_record DROP CONSTRAINT refused")
    assert at_work._begin()
    assert at_work._work()
    assert (Tree.objects.get().problem, Waiting.objects.exists()) == ("", False)


@pytest.mark.parametrize("damage", ["DELETE FROM audit_tile", "UPDATE audit_tile SET hashes = substr(hashes, 1, 32)"])
def test_damaged_tiles_are_said_and_stop_the_tree(signed_log: SignedLog, committed: str, damage: str) -> None:
    """Found by whoever comes to them first: who appends, who signs, and who compares with the signer."""
    signed_log.sequence_in([300])
    at_work = Sequencer(signed_log.signer, heart=lambda _: None)
    says = f"Tiles of {trees.log_name()}/1 are missing or too short: "

    def stopped(work: Callable[[], bool]) -> bool:
        whole = [(one.level, one.n, bytes(one.hashes)) for one in Tile.objects.all()]
        unguarded(committed, damage)
        done, problem = work(), Tree.objects.get().problem
        trees.store_tiles(Tree.objects.get(), {(level, n): hashes for level, n, hashes in whole})
        return not done and problem.startswith(says)

    assert stopped(at_work._begin)
    signed_log.write(5)
    assert stopped(at_work._work)
    assert integrate(Tree.objects.get())
    assert stopped(at_work._work)
    assert at_work._begin()
    assert at_work._work()
    assert Tree.objects.get().problem == ""


def test_looking_back_finds_a_tile_that_is_gone(signed_log: SignedLog, committed: str) -> None:
    tree = signed_log.sequence_in([300])
    unguarded(committed, "DELETE FROM audit_tile WHERE level = 0 AND n = 0")
    Sequencer(signed_log.signer, heart=lambda _: None)._look_back()
    told = json.loads(bytes(Record.objects.get(kind=Kind.ALARM_TAMPERED).leaf))["detail"]["what"]
    assert told == f"The tile of the records from 0 on of {tree.origin} is missing or has another length"


def test_a_signer_that_is_away_is_said_and_nothing_is_lost(
    signed_log: SignedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = signed_log.sequence_in([10])
    at_work = Sequencer(signed_log.signer, heart=lambda _: None)

    def away(_: str) -> str:
        raise SignerAway("The signer does not answer (Connection refused).")

    monkeypatch.setattr(signed_log.signer, "_ask", away)
    signed_log.write(5)
    assert at_work._work() is False
    assert Tree.objects.get().problem == "The signer does not answer (Connection refused)."
    monkeypatch.undo()
    assert at_work._begin()
    assert at_work._work()
    after = Tree.objects.get()
    assert (after.problem, after.size) == ("", tree.size + 5)
    newest = trees.newest_checkpoint(after)
    assert newest is not None
    assert newest.size == after.size


def test_a_tree_that_was_signed_and_not_stored_is_found_again(
    signed_log: SignedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the signer's answer and the row: the signer remembers, the database does not."""
    signed_log.sequence_in([10])
    signed_log.write(5)

    def crash(*_: object) -> None:
        raise psycopg.OperationalError("killed")

    monkeypatch.setattr(sequencer, "store_checkpoint", crash)
    with pytest.raises(psycopg.OperationalError):
        Sequencer(signed_log.signer, heart=lambda _: None)._round()
    monkeypatch.undo()
    size = Tree.objects.get().size
    compare(Tree.objects.get(), signed_log.signer)
    assert Checkpoint.objects.filter(size=size).exists()
    signed_log.write(5)
    assert signed_log.sequence().size == size + 5


def test_while_nothing_happens_the_log_says_so(signed_log: SignedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_log.sequence()
    monkeypatch.setattr(sequencer, "HEARTBEAT", -1.0)
    Sequencer(signed_log.signer, heart=lambda _: None)._round()
    monkeypatch.undo()
    tree = signed_log.sequence()
    told = Record.objects.get(kind=Kind.LOG_HEARTBEAT)
    assert (told.subject, told.actor) == (tree.origin, "sequencer")


def test_a_new_key_becomes_a_record_under_the_old_one(signed_log: SignedLog) -> None:
    from audit.note import ED25519
    from audit.signer import retire, rotate

    tree = signed_log.sequence_in([3])
    old = VKey.parse(LogKey.objects.get().vkey)
    new = VKey.parse(rotate(signed_log.signer.signer.store, tree.origin, ED25519))
    tree = signed_log.sequence_in([1, 1])
    (told,) = [one for one in Record.objects.filter(kind=Kind.KEY_ADDED) if str(new).encode() in bytes(one.leaf)]
    place = Leaf.objects.get(record_id=told.pk)
    signed = Checkpoint.objects.filter(size__gt=place.idx).order_by("size")[0]
    assert open_note(signed.note, [old])[0].size > place.idx
    retire(signed_log.signer.signer.store, tree.origin, old.id.hex())
    signed_log.sequence_in([1, 1])
    assert LogKey.objects.get(vkey=str(old)).until is not None
    assert Record.objects.filter(kind=Kind.KEY_RETIRED).count() == 1


def test_an_empty_tree_has_the_root_of_nothing(signed_log: SignedLog) -> None:
    assert bytes(sequencer.current().root) == EMPTY == root_of([])
    assert leaf_hash(b"") != EMPTY
