"""A bundle passes as a directory and as a ZIP; whatever is done to its records is found, and named where it can be."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.verify import Options, Source, Unreadable, Verification, main
from tests.audit.bundles import Bundle, Verify, bundle_of, failed, told, verifier
from tests.audit.written import LOG, Written, a_log

COMPLETE = "Complete: all 38 records from 0 to 37."


@pytest.fixture(scope="module")
def log() -> Written:
    return a_log()


@pytest.fixture
def bundle(log: Written) -> Bundle:
    return bundle_of(log)


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    return verifier(tmp_path)


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_a_good_bundle_passes(verify: Verify, alg: str, archived: bool) -> None:
    log = a_log(alg)
    done = verify(bundle_of(log), archived=archived)
    assert failed(done) == set()
    assert told(done, "completeness") == COMPLETE
    assert told(done, "decisions") == "Decisions: 2 by passkey, 1 by password."
    assert told(done, "disclosures").startswith("7 personal values disclosed, as they were recorded; 2 redacted, 2 of")
    assert done.first_bad is None


def test_a_compressed_zip_and_several_processes_do_as_well(log: Written, bundle: Bundle, tmp_path: Path) -> None:
    path = bundle.archive(tmp_path / "bundle.zip", zipfile.ZIP_DEFLATED)
    done = Verification(Source(path), Options(jobs=2))
    done.run()
    assert failed(done) == set()
    assert told(done, "completeness") == COMPLETE


@pytest.mark.parametrize(("begin", "end"), [(0, 1), (0, 38), (5, 30), (16, 32), (31, 32), (37, 38), (38, 38), (0, 0)])
def test_any_range_is_proven(verify: Verify, log: Written, begin: int, end: int) -> None:
    done = verify(bundle_of(log, begin, end))
    assert failed(done) == set()
    assert done.records == end - begin


def test_records_beyond_the_range_are_counted(verify: Verify, log: Written) -> None:
    said = told(verify(bundle_of(log, 5, 30)), "completeness")
    assert said == "Complete: all 25 records from 5 to 29.\nThe log held 38 records; 8 newer ones were not asked for."


def edited(leaf: bytes) -> bytes:
    assert b'"object":"page' in leaf
    return leaf.replace(b'"object":"page', b'"object":"cage')


def edit(bundle: Bundle) -> None:
    bundle.leaves = [edited(leaf) if at == 20 else leaf for at, leaf in enumerate(bundle.leaves)]


def drop(bundle: Bundle) -> None:
    bundle.leaves = [leaf for at, leaf in enumerate(bundle.leaves) if at != 20]


def repeat(bundle: Bundle) -> None:
    bundle.leaves = [*bundle.leaves[:21], *bundle.leaves[20:]]


def renumber(bundle: Bundle) -> None:
    """A record put in, made of another, with an id of its own."""
    added = bundle.leaves[20].replace(
        json.loads(bundle.leaves[20])["id"].encode(), b"00000000-0000-7000-8000-000000000000"
    )
    bundle.leaves = [*bundle.leaves[:30], added, *bundle.leaves[31:]]


def swap(bundle: Bundle) -> None:
    leaves = bundle.leaves
    leaves[20], leaves[21] = leaves[21], leaves[20]
    bundle.leaves = leaves


def drop_tail(bundle: Bundle) -> None:
    bundle.leaves = bundle.leaves[:-3]


def drop_all(bundle: Bundle) -> None:
    bundle.leaves = []


def break_json(bundle: Bundle) -> None:
    bundle.leaves = [leaf[:-1] if at == 20 else leaf for at, leaf in enumerate(bundle.leaves)]


def borrow(bundle: Bundle) -> None:
    other = LOG.encode(), b"elsewhere:80"
    bundle.leaves = [leaf.replace(*other) if at == 20 else leaf for at, leaf in enumerate(bundle.leaves)]


Tamper = Callable[[Bundle], None]
TAMPERED: dict[Tamper, tuple[str, int | None]] = {
    edit: ("Some record between 0 and 37 was altered", None),
    drop: ("The range holds 37 leaves instead of 38.", None),
    repeat: ("repeats the id of an earlier one", 21),
    renumber: ("repeats the number of an earlier one", 30),
    swap: ("Some record between 0 and 37 was altered", None),
    drop_tail: ("The range holds 35 leaves instead of 38.", None),
    drop_all: ("The range holds 0 leaves instead of 38.", None),
    break_json: ("is not JSON", 20),
    borrow: ("belongs to the log 'elsewhere:80'", 20),
}  # fmt: skip


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("tamper", TAMPERED)
def test_records_that_were_tampered_with_fail_even_when_the_manifest_was_made_to_fit(
    verify: Verify, bundle: Bundle, tamper: Tamper, archived: bool
) -> None:
    tamper(bundle)
    bundle.seal()
    done = verify(bundle, archived=archived)
    text, first = TAMPERED[tamper]
    assert {"integrity", "completeness"} <= failed(done) <= {"integrity", "completeness", "disclosures", "decisions"}
    assert text in told(done, "integrity")
    assert first is None or (done.first_bad is not None and done.first_bad[0] == first)


@pytest.mark.parametrize("tamper", TAMPERED)
def test_chunks_of_the_manifest_narrow_down_what_a_careless_hand_altered(
    verify: Verify, bundle: Bundle, tamper: Tamper
) -> None:
    tamper(bundle)
    done = verify(bundle)
    assert "leaves.jsonl is not the file that the manifest lists." in told(done, "integrity")
    if tamper in {edit, swap}:
        assert "Some record between 16 and 31 was altered" in told(done, "integrity")


def test_a_record_that_the_log_itself_wrote_wrongly_is_named(verify: Verify) -> None:
    log = a_log()
    log.leaves[20] = b"no record"
    done = verify(bundle_of(log))
    assert failed(done) == {"integrity"}
    assert told(done, "integrity") == "Record 20 is not JSON."
    assert told(done, "completeness") == COMPLETE


def padded(leaf: bytes, length: int, letter: str) -> bytes:
    """As long as this in bytes."""
    room = length - len(leaf.replace(b"page 20", b""))
    return leaf.replace(b"page 20", (letter * (room // len(letter.encode()))).encode().ljust(room, b"-"))


@pytest.mark.parametrize("letter", ["a", "Ü", "✓"])
def test_a_record_is_at_most_as_long_as_a_record_may_be(verify: Verify, letter: str) -> None:
    for length, fails in [(65_535, set()), (65_536, {"integrity"})]:
        log = a_log()
        place = next(at for at, leaf in enumerate(log.leaves) if b"page 20" in leaf)
        log.leaves[place] = padded(log.leaves[place], length, letter)
        assert len(log.leaves[place]) == length
        done = verify(bundle_of(log))
        assert failed(done) == fails
        assert ("is longer than 65,535 bytes" in told(done, "integrity")) == bool(fails)


def test_lint_finds_records_that_are_not_canonical(verify: Verify) -> None:
    log = a_log()
    assert failed(verify(bundle_of(log), lint=True)) == set()
    log.leaves[20] = json.dumps(json.loads(log.leaves[20])).encode()
    assert failed(verify(bundle_of(log))) == set()
    done = verify(bundle_of(log), lint=True)
    assert "is not written in canonical JSON" in told(done, "integrity")
    assert done.first_bad == (20, log.id_of(20))


def test_the_command_ends_with_what_it_found(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bundle.folder(tmp_path / "good"))]) == 0
    assert "Nothing is wrong. What is marked OPEN is left to you." in capsys.readouterr().out
    break_json(bundle)
    assert main([str(bundle.folder(tmp_path / "bad"))]) == 1
    out = capsys.readouterr().out
    assert "FAILED  integrity" in out
    assert "First bad record: 20" in out
    assert main(["--json", str(tmp_path / "bad")]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["first_bad"]["index"], said["verdicts"]["identity"]["state"]) == (False, 20, "open")
    assert main([str(tmp_path / "nothing")]) == 2
    assert "Could not be read." in capsys.readouterr().out


def test_what_is_no_bundle_cannot_be_read(bundle: Bundle, tmp_path: Path) -> None:
    whole = bundle.archive(tmp_path / "whole.zip").read_bytes()
    places = {"cut": whole[: len(whole) // 2], "rubbish": b"rubbish" * 100, "empty": b""}
    for name, data in places.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(Unreadable):
            Verification(Source(tmp_path / name), Options())
    for manifest in (None, b"", b"{}", b"[]", b'{"format":"countersign-bundle/2"}', b"\xff"):
        files = {name: data for name, data in bundle.files.items() if name != "manifest.json"}
        bundle.files = files if manifest is None else files | {"manifest.json": manifest}
        place = tmp_path / f"manifest {manifest!r}".replace("/", "")
        with pytest.raises(Unreadable):
            Verification(Source(bundle.folder(place)), Options())
