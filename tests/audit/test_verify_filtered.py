"""Bundles that do not hold every record of their range: the others are there as hashes, and each is held to its own."""

import json
from pathlib import Path

import pytest

from tests.audit.bundles import Bundle, Verify, bundle_of, failed, told, verifier
from tests.audit.cases import pruned
from tests.audit.test_verify_bundle import Tamper, drop, drop_tail, edit, edited, renumber, swap
from tests.audit.written import Written, a_log


@pytest.fixture(scope="module")
def log() -> Written:
    return a_log()


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    return verifier(tmp_path)


def test_a_filtered_bundle_says_what_is_proven_and_what_is_asserted(verify: Verify, log: Written) -> None:
    done = verify(bundle_of(log, 5, 30, chosen=[6, 7, 14, 20], filtered_by={"kind": "audit:page:read"}))
    assert failed(done) == set()
    said = told(done, "completeness")
    assert "Range complete, filter asserted: 4 of the 25 records" in said
    assert '{"kind":"audit:page:read"}' in said


def test_records_that_are_missing_are_explained_by_retention_or_by_nothing(verify: Verify, log: Written) -> None:
    """Nobody needs to be told of a month in order to delete a record: the verifier asks where it lay."""
    states = {name: verify(bundle) for name, bundle, _ in pruned(log)}
    told_of = {"told", "told of more", "told of two months", "told of what overlaps", "the range begins among them"}
    left = {"what would tell comes later", "not told, of a closed tree"}
    assert {name for name, done in states.items() if not failed(done)} == {*told_of, *left, "filtered"}
    assert {name for name, done in states.items() if done.verdicts["completeness"].state == "open"} == told_of | left
    for name in told_of:
        assert "retention dropped them, as records of this bundle tell" in told(states[name], "completeness")
    named = {name: done.first_bad for name, done in states.items() if done.first_bad}
    assert (named["one before"], named["one behind"]) == ((9, ""), (20, ""))
    assert (named["not told"], named["one between two months"]) == ((10, ""), (20, ""))


@pytest.mark.parametrize("tamper", [edit, swap, renumber, drop_tail, drop])
def test_a_list_of_hashes_names_the_record(verify: Verify, log: Written, tamper: Tamper) -> None:
    bundle = bundle_of(log, hashes=True)
    tamper(bundle)
    bundle.seal()
    done = verify(bundle)
    assert failed(done) >= ({"completeness"} if tamper is drop_tail else {"integrity", "completeness"})
    if tamper is not drop_tail:
        index = 30 if tamper is renumber else 20
        assert done.first_bad == (index, json.loads(bundle.leaves[index])["id"])
        assert f"Record {index} " in told(done, "integrity")


CHOSEN = [6, 7, 14, 20, 29]


@pytest.fixture
def filtered(log: Written) -> Bundle:
    return bundle_of(log, 5, 30, chosen=CHOSEN, filtered_by={"team": "team_one"})


def test_a_record_of_a_filtered_bundle_is_held_against_its_hash(verify: Verify, filtered: Bundle) -> None:
    filtered.leaves = [
        edited(leaf) if index == 20 else leaf for index, leaf in zip(CHOSEN, filtered.leaves, strict=True)
    ]
    filtered.seal()
    done = verify(filtered)
    assert {"integrity", "completeness"} <= failed(done)
    assert done.first_bad == (20, json.loads(filtered.leaves[3])["id"])
    assert "was altered: the log has another hash at this place" in told(done, "integrity")


@pytest.mark.parametrize("index", [0, 1, 24])
def test_no_hash_of_a_filtered_bundle_can_be_changed(verify: Verify, filtered: Bundle, index: int) -> None:
    hashes = bytearray(filtered.files["hashes.bin"])
    hashes[index * 32] ^= 1
    filtered.files["hashes.bin"] = bytes(hashes)
    filtered.seal()
    done = verify(filtered)
    assert {"integrity", "completeness"} <= failed(done)
    assert "do not lead to the root of the checkpoint" in told(done, "integrity")


@pytest.mark.parametrize(("listed", "text"), [
    ("6\n7\n14\n20\n", "holds more records than indexes.txt names"),
    ("6\n7\n14\n20\n28\n29\n", "names more records than leaves.jsonl holds"),
    ("6\n14\n7\n20\n29\n", "growing indexes"), ("6\n6\n14\n20\n29\n", "growing indexes"),
    ("4\n7\n14\n20\n29\n", "growing indexes"), ("6\n7\n14\n20\n30\n", "growing indexes"),
    ("6\n7\n14\n20\nx\n", "growing indexes"), ("6\n7\n14\n20\n29", "cut off"), ("6\n7\n14\n21\n29\n", "was altered"),
])  # fmt: skip
def test_a_list_of_indexes_that_does_not_fit_is_refused(
    verify: Verify, filtered: Bundle, listed: str, text: str
) -> None:
    filtered.files["indexes.txt"] = listed.encode()
    filtered.seal()
    done = verify(filtered)
    assert "integrity" in failed(done)
    assert text in told(done, "integrity")


def test_a_list_of_hashes_that_is_too_short_too_long_or_away_is_refused(verify: Verify, filtered: Bundle) -> None:
    hashes = filtered.files["hashes.bin"]
    for other, text in [
        (hashes[:-32], "ends before"),
        (hashes + bytes(32), "goes on"),
        (None, "hashes.bin is missing"),
    ]:
        if other is None:
            del filtered.files["hashes.bin"]
        else:
            filtered.files["hashes.bin"] = other
        filtered.seal()
        assert text in told(verify(filtered), "integrity")
