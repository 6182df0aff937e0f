"""What the console hands out to prove a record is enough for whoever knows the public formats, and nothing else."""

import json
from base64 import b64decode
from typing import Any

import pytest
from django.test import Client

from audit import proofs, trees
from audit.merkle import HASH, reader, tile_of, tree_root
from audit.models import Checkpoint, Leaf, LogKey, Record, Tree
from audit.note import ED25519
from audit.record import record
from audit.signer import retire, rotate
from audit.verify import Mismatch, VKey, check_consistency, check_inclusion, cover, leaf_hash, open_note
from audit.vocabulary import Kind
from console.accounts.models import Team, User
from console.core.actor import system
from tests.audit.conftest import SignedLog
from tests.factories import PersonFactory, TeamFactory


@pytest.fixture
def auditor(signed_log: SignedLog) -> Client:
    team = TeamFactory()
    client = Client(headers={"host": "localhost"})
    client.force_login(PersonFactory(team=team, roles=("auditor",)))
    return client


def a_record() -> Record:
    identity = record(Kind.PAGE_READ, subject="thing", actor=system("tests", Team.objects.get().pk))
    return Record.objects.get(pk=identity)


def read_proof(text: str) -> tuple[int, list[bytes], str]:
    head, _, note = text.partition("\n\n")
    header, index, *lines = head.split("\n")
    assert header == "c2sp.org/tlog-proof@v1"
    return int(index.removeprefix("index ")), list(map(b64decode, lines)), note


def holds(text: str, leaf: bytes, keys: list[str]) -> int:
    """The size of the tree that the proof is about."""
    index, proof, note = read_proof(text)
    checkpoint, _ = open_note(note, list(map(VKey.parse, keys)))
    check_inclusion(index, checkpoint.size, leaf_hash(leaf), proof, checkpoint.root)
    return checkpoint.size


def test_a_record_is_proven_as_soon_as_it_is_signed(auditor: Client, signed_log: SignedLog) -> None:
    one = a_record()
    assert auditor.get(f"/audit/{one.pk}/proof/").json() == {"waiting": True}
    assert auditor.get(f"/audit/{one.pk}/proof/?form=file").status_code == 404
    signed_log.sequence_in([3, 300])
    told = auditor.get(f"/audit/{one.pk}/proof/").json()
    assert holds(told["proof"], bytes(one.leaf), told["keys"]) == Checkpoint.objects.order_by("-size")[0].size
    assert (told["witnesses"], told["introductions"]) == ([], [])
    file = auditor.get(f"/audit/{one.pk}/proof/?form=file")
    assert file.content.decode() == told["proof"]
    assert file["Content-Disposition"] == f'attachment; filename="{one.pk}.tlog-proof"'


def test_a_proof_is_read_together_with_its_page(auditor: Client, signed_log: SignedLog) -> None:
    one = a_record()
    for address in (f"/audit/{one.pk}/", f"/audit/{one.pk}/proof/", f"/audit/{one.pk}/proof/"):
        assert auditor.get(address).status_code == 200
    assert Record.objects.filter(kind=Kind.PAGE_READ, subject=str(one.pk)).count() == 1


def test_growth_is_proven_between_any_two_trees(auditor: Client, signed_log: SignedLog) -> None:
    signed_log.sequence_in([5, 90, 200])
    key = VKey.parse(LogKey.objects.get().vkey)
    notes = [open_note(one.note, [key])[0] for one in Checkpoint.objects.order_by("size")]
    for old in notes:
        for new in (one for one in notes if one.size >= old.size):
            given: dict[str, str | int] = {"from": old.size, "to": new.size, "origin": new.origin}
            for address in ("/audit/tree/consistency/", "/api/v1/log/consistency"):
                proof = auditor.get(address, given).json()["proof"]
                check_consistency(old.size, new.size, old.root, new.root, list(map(b64decode, proof)))


def test_growth_that_there_was_not_is_refused(auditor: Client, signed_log: SignedLog) -> None:
    signed_log.sequence_in([5])
    statuses = {
        "from=5&to=2": 422, "from=1&to=100000": 422, "from=-1&to=2": 422, "from=x&to=2": 422,
        "from=1&to=2&origin=elsewhere/1": 404, "": 200, "from=0": 200,
    }  # fmt: skip
    for address in ("/audit/tree/consistency/", "/api/v1/log/consistency"):
        assert {query: auditor.get(f"{address}?{query}").status_code for query in statuses} == statuses


def test_programs_get_the_proof_with_the_record(auditor: Client, signed_log: SignedLog) -> None:
    one = a_record()
    told = auditor.get(f"/api/v1/records/{one.pk}").json()
    assert [told[name] for name in ("waiting_for_tree", "index", "tree_size", "proof")] == [True, None, None, None]
    signed_log.sequence()
    told = auditor.get(f"/api/v1/records/{one.pk}").json()
    assert told["waiting_for_tree"] is False
    assert holds(told["proof"], told["leaf"].encode(), proofs.log_keys(Tree.objects.get())) == told["tree_size"]
    assert told["index"] == Leaf.objects.get(record_id=one.pk).idx


def test_the_tree_can_be_built_from_its_tiles(auditor: Client, signed_log: SignedLog) -> None:
    tree = signed_log.sequence_in([700])
    note = auditor.get("/api/v1/log/checkpoint")
    assert note["Content-Type"] == "text/plain; charset=utf-8"
    checkpoint, _ = open_note(note.content.decode(), list(map(VKey.parse, proofs.log_keys(tree))))
    paths = {(0, 0): "0/000", (0, 1): "0/001", (0, 2): f"0/002.p/{checkpoint.size % 256}", (1, 0): "1/000.p/2"}
    tiles = {tile: auditor.get(f"/api/v1/log/tile/{path}").content for tile, path in paths.items()}
    assert {tile_of(node)[0] for node in cover(0, checkpoint.size)} <= tiles.keys()
    assert tree_root(checkpoint.size, reader(tiles)) == checkpoint.root


def test_tiles_have_their_own_names_only(auditor: Client, signed_log: SignedLog) -> None:
    signed_log.sequence_in([300])
    counts = {
        "0/000": 256, "0/000.p/1": 1, "0/000.p/256": 256, "0/000.p/257": None, "0/000.p/0": None, "0/001": None,
        "0/x000/000": 256, "1/000": None, "64/000": None, "0/0": None, "entries/000": None, "0/000.p/1/x": None,
    }  # fmt: skip
    answers = {path: auditor.get(f"/api/v1/log/tile/{path}") for path in counts}
    assert {path: answer.status_code for path, answer in answers.items()} == {
        path: 404 if count is None else 200 for path, count in counts.items()
    }
    assert {path: len(answers[path].content) for path, count in counts.items() if count} == {
        path: count * HASH for path, count in counts.items() if count
    }


def test_nothing_is_signed_and_so_nothing_is_told(auditor: Client) -> None:
    for address in ("log/checkpoint", "log/tile/0/000.p/1", "log/consistency"):
        answer: Any = auditor.get(f"/api/v1/{address}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_reading_the_log_by_program_is_recorded_once(auditor: Client, signed_log: SignedLog) -> None:
    signed_log.sequence_in([300])
    for path in ("checkpoint", "tile/0/000", "tile/0/000.p/1", "consistency"):
        auditor.get(f"/api/v1/log/{path}")
    person = User.objects.get()
    reads = Record.objects.filter(actor=person.pk, kind=Kind.PAGE_READ)
    assert [json.loads(bytes(one.leaf))["detail"]["page"] for one in reads] == ["api.log"]


def test_who_knows_one_key_comes_to_know_the_next(auditor: Client, signed_log: SignedLog) -> None:
    tree, one = signed_log.sequence(), a_record()
    (first,) = proofs.log_keys(tree)
    store = signed_log.signer.signer.store
    second = rotate(store, tree.origin, ED25519)
    signed_log.sequence_in([3, 4])
    retire(store, tree.origin, VKey.parse(first).id.hex())
    signed_log.sequence_in([5])
    told = auditor.get(f"/audit/{one.pk}/proof/").json()
    assert told["keys"] == [first, second]
    (note,) = told["introductions"]
    assert [open_note(note, [VKey.parse(key)])[0].origin for key in (first, second)] == [tree.origin] * 2
    with pytest.raises(Mismatch):
        holds(told["proof"], bytes(one.leaf), [first])
    assert holds(told["proof"], bytes(one.leaf), [second]) == trees.open_tree().size  # type: ignore[union-attr]
