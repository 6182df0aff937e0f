"""The runbook of a restore, rehearsed: an older copy of the database is put back, and two people let the log go on."""

import hashlib
import json
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from audit import fsck, sequencer, trees
from audit.anchors import build
from audit.models import Checkpoint, Leaf, LogKey, Outlet, Record, Tree
from audit.outlets import Anchoring, Way, Witness, covered, step
from audit.proof import prove
from audit.signing import SignerRefused
from audit.verify import VKey, check_assertion, check_inclusion, leaf_hash, open_note
from audit.vocabulary import Kind
from console.core.errors import Conflict, Forbidden
from console.home import restore
from console.home.embedded import role_password
from console.home.provision import SEQUENCER
from console.home.restore import NEEDED, wanted
from tests.audit.restoring import House, broken, house
from tests.audit.witnesses import Witness as Program
from tests.services import services

__all__ = ["broken", "house"]


def leaf_zero(tree: Tree) -> dict[str, Any]:
    leaf: dict[str, Any] = json.loads(sequencer.leaf_zero(tree))
    return leaf


def test_the_runbook(house: House) -> None:
    # Day by day: records, and a backup at night.
    house.write(20)
    before = house.sequence()
    backup = house.backup()
    house.write(30)
    lost = house.sequence()
    kept = trees.newest_checkpoint(lost)  # what an auditor keeps
    assert kept is not None
    keys = [VKey.parse(one) for one in LogKey.objects.values_list("vkey", flat=True)]

    # The disk is lost, and the backup is put back. The sequencer refuses, however often it is started.
    with house.restored(backup):
        house.write(5)
        assert (house.goes_on(), house.goes_on()) == (False, False)
        tree = Tree.objects.get()
        assert (tree.size, tree.closed_at) == (before.size, None)
        assert tree.problem.startswith(f"The signer has signed {lost.size} leaves of {tree.origin}, and this database")
        assert tree.remembered == kept.note
        statement = wanted()
        assert statement is not None
        assert (statement.before, statement.size, statement.root) == (lost.origin, lost.size, bytes(lost.root).hex())
        assert (statement.present, statement.present_size) == (tree.origin, before.size)
        assert (statement.lost, statement.after) == (lost.size - before.size, f"{trees.log_name()}/2")
        assert [one.endswith("no restore was agreed to") for one in fsck.check().findings] == [True]

        # Who is no admin cannot sign. One signature is not enough, and neither are two of one person.
        with pytest.raises(Forbidden):
            house.sign("theo")
        house.sign("mira")
        assert not house.goes_on()
        with pytest.raises(Conflict, match="Another admin has to sign as well"):
            house.sign("mira")
        assert not house.goes_on()

        # A second admin signs, and the log goes on in the next tree.
        house.sign("max", "Yes, I put it back")
        opened = house.sequence()
        assert (opened.origin, opened.problem) == (f"{trees.log_name()}/2", "")
        closed = Tree.objects.get(number=1)
        assert closed.closed_at is not None
        assert (closed.size, bytes(closed.root), closed.problem) == (before.size, bytes(before.root), "")
        assert Checkpoint.objects.filter(tree=opened, size=1).exists()
        told = leaf_zero(opened)
        assert (told["action"], told["object"]) == (Kind.LOG_RESTORED, opened.origin)
        assert {name: value for name, value in told["detail"].items() if name != "signatures"} == {
            "before": lost.origin, "size": lost.size, "root": bytes(lost.root).hex(), "note": kept.note,
            "present": closed.origin, "present_size": closed.size, "present_root": bytes(closed.root).hex(),
        }  # fmt: skip
        check_signatures(told["detail"], house)

        # Records flow. What waited is in the new tree, and what was in the old one stays there.
        house.write(7)
        after = house.sequence()
        assert Leaf.objects.filter(tree=after).count() == after.size > 1 + 5 + 2 + 7
        assert Leaf.objects.filter(tree=closed).count() == closed.size
        newest = trees.newest_checkpoint(after)
        assert newest is not None
        proof = trees.inclusion_proof(after, 0, after.size)
        check_inclusion(0, after.size, leaf_hash(sequencer.leaf_zero(after)), proof, bytes(newest.root))
        report = fsck.check()
        assert report.findings == []
        assert report.restores == [
            f"{closed} ended with {closed.size} leaves, and {after} goes on;"
            f" {lost.size - before.size} signed leaves were lost"
        ]

        # The checkpoint that the auditor kept is what leaf 0 names; nobody can go on from elsewhere.
        signed, _ = open_note(kept.note, keys)
        assert (signed.size, signed.root.hex()) == (told["detail"]["size"], told["detail"]["root"])
        with pytest.raises(SignerRefused, match="was closed by a restore"):
            house.signer.sign(closed.origin, lost.size + 1, bytes(32), old=lost.size, proof=[])

        # Another disk, another night: a third tree.
        second = house.backup()
        house.write(9)
        house.sequence()
        with house.restored(second):
            assert not house.goes_on()
            house.sign("max")
            house.sign("mira")
            third = house.sequence()
            assert third.number == 3
            house.write(3)
            house.sequence()
            report = fsck.check()
            assert (report.findings, len(report.restores)) == ([], 2)
    services().drop(backup)
    services().drop(second)


def check_signatures(detail: dict[str, Any], house: House) -> None:
    """As an outsider can, from leaf 0 alone."""
    signatures = detail["signatures"]
    assert len(signatures) == NEEDED
    people = set()
    for one in signatures:
        payload = b64decode(one["payload"])
        challenge = hashlib.sha256(b"countersign/restore/v1\0" + payload).digest()
        check_assertion(one, challenge, trees.log_name())
        said = json.loads(payload)
        assert said["type"] == "countersign.restore"
        for name in ("before", "size", "root", "present", "present_size", "present_root"):
            assert said[name] == detail[name]
        people.add(said["reviewer"])
    assert people == {house.people["mira"].id, house.people["max"].id}


def test_each_signature_is_a_record_and_carries_no_name(broken: House) -> None:
    row = broken.sign("mira")
    told = Record.objects.get(kind=Kind.RESTORE_SIGNED)
    leaf = json.loads(bytes(told.leaf))
    assert (leaf["object"], leaf["actor"]["id"]) == (row.id, broken.people["mira"].id)
    assert leaf["detail"]["payload_digest"] == restore.challenge_for(bytes(row.payload)).hex()
    assert (leaf["detail"]["passkey"], leaf["detail"]["before"]) == (row.passkey_id, f"{trees.log_name()}/1")
    assert [*leaf["c"]] == ["name"]
    assert prove(told).commitments[0].value == "Mira"


def test_a_copy_older_than_the_last_restore_opens_the_tree_after_all(house: House) -> None:
    """The database knows nothing of the trees that followed; the numbers go on nevertheless."""
    house.write(5)
    first = house.sequence()
    backup = house.backup()
    house.write(5)
    house.sequence()
    with house.restored(backup):
        assert not house.goes_on()
        house.sign("mira")
        house.sign("max")
        assert house.sequence().number == 2
        size = house.sequence().size
    with house.restored(backup):
        assert not house.goes_on()
        statement = wanted()
        assert statement is not None
        assert (statement.before, statement.size) == (f"{trees.log_name()}/2", size)
        assert (statement.present, statement.present_size, statement.lost) == (first.origin, first.size, None)
        house.sign("mira")
        house.sign("max")
        third = house.sequence()
        assert third.number == 3
        report = fsck.check()
        assert report.findings == []
        assert report.restores == [
            f"{first} ended with {first.size} leaves, and {third} goes on;"
            f" {trees.log_name()}/2 was lost as a whole, with {size} leaves"
        ]
    services().drop(backup)


def test_the_database_from_before_the_restore_cannot_be_taken_up_again(house: House) -> None:
    """It holds all that was signed of its tree; the log has gone on elsewhere."""
    house.write(5)
    house.sequence()
    backup = house.backup()
    house.write(5)
    house.sequence()
    with house.restored(backup):
        assert not house.goes_on()
        house.sign("mira")
        house.sign("max")
        house.sequence()
    house.write(3)
    assert not house.goes_on()
    assert "this database knows only" in Tree.objects.get().problem
    services().drop(backup)


def test_a_sequencer_that_dies_between_opening_and_signing_goes_on(broken: House) -> None:
    broken.sign("mira")
    broken.sign("max")
    assert broken.goes_on()
    opened = sequencer.current()
    assert (opened.number, trees.newest_checkpoint(opened)) == (2, None)
    broken.write(3)
    assert broken.sequence().number == 2
    assert fsck.check().findings == []


def test_records_that_no_checkpoint_of_the_backup_holds_are_placed_again(house: House) -> None:
    """They were integrated and not yet signed when the backup was made."""
    house.write(5)
    house.sequence()
    house.write(4)
    tree = sequencer.current()
    assert sequencer.integrate(tree) == 4
    backup = house.backup()
    house.write(5)
    house.sequence()
    with house.restored(backup):
        assert not house.goes_on()
        house.sign("mira")
        house.sign("max")
        house.sequence()
        for leaf in Leaf.objects.filter(tree__number=1, idx__gte=tree.size):
            place = trees.place_of(leaf.record_id)
            assert place is not None
            assert place.tree.number == 2
        assert Leaf.objects.filter(tree__number=1, idx__gte=tree.size).count() == 4
        assert fsck.check().findings == []
    services().drop(backup)


def test_the_sequencers_own_role_is_enough(broken: House) -> None:
    broken.sign("mira")
    broken.sign("max")
    known = connections["default"].settings_dict
    before = {name: known[name] for name in ("USER", "PASSWORD")}
    connection.close()
    known |= {"USER": SEQUENCER, "PASSWORD": role_password(services().postgres.passwords, SEQUENCER)}
    try:
        assert broken.sequence().number == 2
    finally:
        connection.close()
        known |= before


# What fsck makes of it


def test_a_tree_that_sql_closed_is_found(house: House) -> None:
    house.write(5)
    tree = house.sequence()
    with services().superuser(house.database) as superuser:
        superuser.execute("UPDATE audit_tree SET closed_at = now()")
    assert fsck.check().findings == [f"{tree} was closed: no record tells of a restore"]


def test_an_end_that_leaf_zero_does_not_name_is_found(broken: House) -> None:
    """After the restore somebody takes three more leaves off the tree that it closed."""
    broken.sign("mira")
    broken.sign("max")
    broken.sequence()
    closed = Tree.objects.get(number=1)
    with services().superuser(broken.database) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("UPDATE audit_tree SET size = size - 3 WHERE number = 1")
    assert f"{closed} was closed: leaf 0 of {trees.log_name()}/2 names another end of it" in fsck.check().findings


# What is outside


def settled(house: House) -> Tree:
    """Two people have signed, and the next tree is open."""
    assert not house.goes_on()
    house.sign("mira")
    house.sign("max")
    return house.sequence()


def test_who_has_seen_what_was_lost_goes_on_with_the_new_tree(house: House, tmp_path: Path) -> None:
    """The backup is from between two visits of theirs: what it has signed, they have seen, and more."""
    program, remote = Program(tmp_path / "witness"), tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    kept = {"kind": "file", "path": str(tmp_path / "kept")}
    pushed = {"kind": "git", "remote": str(remote), "state": str(tmp_path / "clone")}
    with program.start() as running:
        ways: list[Way] = [
            Witness(program.vkeys[0], running.url), Anchoring("kept", build(kept)), Anchoring("pushed", build(pushed)),
        ]  # fmt: skip
        house.write(5)
        house.sequence()
        program.watch(LogKey.objects.get().vkey)
        assert [step(way) for way in ways] == [True] * 3
        house.write(5)
        house.sequence()
        backup = house.backup()
        house.write(30)
        house.sequence()
        assert [step(way) for way in ways] == [True] * 3
        with house.restored(backup):
            assert not house.goes_on()
            assert [step(way) for way in ways] == [False] * 3  # nobody has signed: this is a fault
            tree = settled(house)
            program.watch(LogKey.objects.get(tree=tree).vkey)
            assert [step(way) for way in ways] == [True] * 3
            outlets = Outlet.objects.values_list("tree", "reached", "error")
            assert [*outlets] == [(tree.pk, tree.size, "")] * 3
            assert covered(tree) == tree.size
    services().drop(backup)


def test_who_has_seen_what_two_restores_lost_goes_on_with_the_newest_tree(house: House, tmp_path: Path) -> None:
    way = Anchoring("kept", build({"kind": "file", "path": str(tmp_path / "kept")}))
    house.write(5)
    house.sequence()
    first = house.backup()
    house.write(5)
    house.sequence()
    assert step(way)
    with house.restored(first):
        settled(house)
        second = house.backup()
        house.write(5)
        house.sequence()
        assert step(way)
        with house.restored(second):
            tree = settled(house)
            assert tree.number == 3
            assert step(way)
            assert Outlet.objects.get().tree_id == tree.pk
            assert covered(tree) == tree.size
    services().drop(first)
    services().drop(second)
