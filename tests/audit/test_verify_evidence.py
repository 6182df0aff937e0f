"""Whose log it is, what witnesses and earlier checkpoints say, and the files around the records."""

import json
from pathlib import Path

import pytest

from audit.note import ML_DSA_44, SigningKey
from audit.verify import Policy, VKey, main
from tests.audit.bundles import Bundle, Verify, bundle_of, changed_base64, failed, told, verifier
from tests.audit.test_verify_crypto import pure
from tests.audit.written import Witness, Written, a_log


@pytest.fixture(scope="module")
def log() -> Written:
    return a_log()


@pytest.fixture
def bundle(log: Written) -> Bundle:
    return bundle_of(log, previous=20)


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    return verifier(tmp_path)


def keys(log: Written) -> list[VKey]:
    return [VKey.parse(key.vkey) for key in log.keys]


def test_a_key_that_was_not_given_is_shown_to_be_compared(verify: Verify, log: Written, bundle: Bundle) -> None:
    done = verify(bundle)
    assert done.verdicts["identity"].state == "open"
    assert told(done, "identity").endswith(f"not pinned: compare it with the key you were given: {log.keys[0].vkey}")


def test_a_given_key_settles_whose_log_it_is(verify: Verify, log: Written, bundle: Bundle) -> None:
    done = verify(bundle, keys=keys(log))
    assert (done.verdicts["identity"].state, failed(done)) == ("ok", set())


@pytest.mark.parametrize(("name", "text"), [
    ("localhost:8000/1", "not signed by a key of localhost:8000/1"),
    ("localhost:8000/2", "only keys of localhost:8000/2"),
])  # fmt: skip
def test_another_key_than_the_given_one_fails(verify: Verify, bundle: Bundle, name: str, text: str) -> None:
    done = verify(bundle, keys=[VKey.parse(SigningKey.generate(name).vkey)])
    assert "identity" in failed(done)
    assert text in told(done, "identity")
    assert done.verdicts["integrity"].state == "ok"


def test_a_whole_forged_log_passes_only_until_its_key_is_compared(verify: Verify, log: Written) -> None:
    forged = bundle_of(a_log())
    assert failed(verify(forged)) == set()
    assert failed(verify(forged, keys=keys(log))) == {"identity"}


@pytest.mark.parametrize("line", [0, 1, 2, 4])
def test_a_checkpoint_with_any_line_changed_fails(verify: Verify, log: Written, bundle: Bundle, line: int) -> None:
    other = a_log()
    other.write("audit:page:read")
    lines, theirs = bundle.files["checkpoint"].decode().split("\n"), other.note().split("\n")
    theirs[0], theirs[4] = "localhost:8000/2", theirs[4].replace("localhost:8000/1", log.keys[0].name)
    lines[line] = theirs[line]
    bundle.files["checkpoint"] = "\n".join(lines).encode()
    bundle.seal()
    done = verify(bundle, keys=keys(log))
    assert "identity" in failed(done)
    if line < 4:
        assert {"integrity", "witnesses"} <= failed(done)


@pytest.mark.parametrize("note", [b"", b"rubbish", b"\xff", b"localhost:8000/1\n38\nAAAA\n\n- x AAAAAAAA\n"])
def test_without_a_checkpoint_nothing_is_known(verify: Verify, bundle: Bundle, note: bytes) -> None:
    bundle.files["checkpoint"] = note
    bundle.seal()
    assert failed(verify(bundle)) == {
        "integrity", "completeness", "identity", "history", "witnesses", "decisions", "disclosures"
    }  # fmt: skip


def test_a_second_key_after_a_rotation_and_one_of_ml_dsa_are_accepted(verify: Verify) -> None:
    log = a_log()
    log.keys += [SigningKey.generate("localhost:8000/1"), SigningKey.generate("localhost:8000/1", ML_DSA_44)]
    bundle = bundle_of(log)
    for key in keys(log):
        assert failed(verify(bundle, keys=[key])) == set()
    with pure():
        assert failed(verify(bundle, keys=keys(log))) == set()
        done = verify(bundle, keys=keys(log)[2:])
        assert "package cryptography is needed" in told(done, "identity")


def test_witnesses_of_a_policy_of_ones_own_are_counted(verify: Verify, log: Written, bundle: Bundle) -> None:
    done = verify(bundle, policy=Policy.parse(log.policy))
    assert [done.verdicts[aspect].state for aspect in ("identity", "witnesses")] == ["ok", "ok"]
    assert "w1 (witness.example/w1) saw this checkpoint at 2026-11-18 11:06:40 UTC." in told(done, "witnesses")


def test_a_quorum_that_is_not_reached_fails(verify: Verify, log: Written, bundle: Bundle) -> None:
    bundle.files["checkpoint"] = bundle.files["checkpoint"].rsplit(b"\xe2\x80\x94", 1)[0]
    bundle.seal()
    done = verify(bundle)
    assert failed(done) == {"witnesses"}
    assert "The quorum both is not reached: 1 of 2 witnesses have cosigned." in told(done, "witnesses")


def test_a_false_cosignature_fails_and_leaves_the_log_what_it_is(verify: Verify, log: Written, bundle: Bundle) -> None:
    lines = bundle.files["checkpoint"].decode().splitlines()
    lines[-1] = lines[-1].rpartition(" ")[0] + " " + changed_base64(lines[-1].rpartition(" ")[2])
    bundle.files["checkpoint"] = ("\n".join(lines) + "\n").encode()
    bundle.seal()
    done = verify(bundle, keys=keys(log))
    assert failed(done) == {"witnesses"}
    assert "The signature by witness.example/w2" in told(done, "witnesses")


def test_a_witness_that_the_bundle_invents_does_not_count_for_ones_own_policy(verify: Verify, log: Written) -> None:
    own = log.policy.replace(str(log.witnesses[0].vkey), str(Witness("witness.example/w1").vkey))
    assert failed(verify(bundle_of(log), policy=Policy.parse(own))) == {"witnesses"}


def test_a_log_without_witnesses_says_so(verify: Verify) -> None:
    log = a_log()
    log.witnesses = []
    done = verify(bundle_of(log))
    assert (failed(done), told(done, "witnesses")) == (set(), "The log asks for no witness.")


def test_a_bundle_without_a_policy_needs_a_key(verify: Verify, log: Written, bundle: Bundle) -> None:
    del bundle.files["policy"]
    bundle.seal()
    assert failed(verify(bundle)) == {"identity", "history"}
    done = verify(bundle, keys=keys(log))
    assert (failed(done), done.verdicts["witnesses"].state) == (set(), "open")


@pytest.mark.parametrize("size", [0, 1, 16, 20, 37, 38])
def test_an_earlier_checkpoint_is_continued(verify: Verify, log: Written, size: int) -> None:
    done = verify(bundle_of(log), since=log.note(size))
    assert failed(done) == set()
    assert f"Nothing was rewritten since the checkpoint you kept ({size:,} records)" in told(done, "history")


def test_an_earlier_checkpoint_before_the_range_needs_a_proof_in_the_bundle(verify: Verify, log: Written) -> None:
    for begin, size, fails in [(21, 20, True), (20, 20, False), (5, 20, False)]:
        done = verify(bundle_of(log, begin), since=log.note(size))
        assert failed(done) == ({"history"} if fails else set())
    assert failed(verify(bundle_of(log, 30, previous=20), since=log.note(20))) == set()
    done = verify(bundle_of(log, 30, previous=20), since=log.note(21))
    assert "Export again, and hand this checkpoint in." in told(done, "history")


@pytest.mark.parametrize("begin", [0, 30])
def test_a_log_that_was_rewritten_does_not_continue_what_was_kept(verify: Verify, log: Written, begin: int) -> None:
    rewritten = a_log()
    rewritten.keys, rewritten.witnesses = log.keys, log.witnesses
    done = verify(bundle_of(rewritten, begin, previous=20), since=log.note(20), keys=keys(log))
    assert failed(done) == {"history"}
    assert "rewritten" in told(done, "history")


def test_a_kept_checkpoint_of_another_log_or_key_is_refused(verify: Verify, log: Written, bundle: Bundle) -> None:
    assert "not signed by the key" in told(verify(bundle, since=a_log().note(20)), "history")
    other = log.note(20).replace("localhost:8000/1", "localhost:8000/2")
    assert "is of localhost:8000/2" in told(verify(bundle, since=other), "history")
    assert "not a signed note" in told(verify(bundle, since="rubbish"), "history")


def test_a_bundle_that_is_older_than_what_was_kept_is_refused(verify: Verify, log: Written, bundle: Bundle) -> None:
    done = verify(bundle, since=log.continued().note())
    assert "is newer than the one of the bundle" in told(done, "history")


@pytest.mark.parametrize("change", ["flip", "drop", "add", "other size", "other note"])
def test_a_consistency_proof_with_anything_changed_is_refused(
    verify: Verify, log: Written, bundle: Bundle, change: str
) -> None:
    proof = bundle.files["consistency.txt"].decode().splitlines()
    match change:
        case "flip":
            proof[1] = changed_base64(proof[1])
        case "drop":
            proof = proof[:-1]
        case "add":
            proof = [*proof, proof[0]]
        case "other size":
            bundle.files["previous-checkpoint"] = log.note(19).encode()
        case "other note":
            bundle.files["previous-checkpoint"] = a_log().note(20).encode()
    bundle.files["consistency.txt"] = "".join(f"{line}\n" for line in proof).encode()
    bundle.seal()
    assert failed(verify(bundle)) == {"history"}


def test_a_state_is_remembered_and_moves_on_with_the_log(log: Written, tmp_path: Path) -> None:
    later, state = log.continued(), tmp_path / "state"
    places = {"first": bundle_of(log), "forged": bundle_of(a_log()), "later": bundle_of(later)}
    for name, bundle, code, remembered in [
        ("first", places["first"], 0, log.note()),
        ("forged", places["forged"], 1, log.note()),
        ("later", places["later"], 0, later.note()),
        ("earlier", places["first"], 1, later.note()),
    ]:
        assert main([str(bundle.folder(tmp_path / name)), "--state", str(state)]) == code
        assert state.read_text() == remembered


@pytest.mark.parametrize("name", [
    "checkpoint", "policy", "README.txt", "range-proof.txt", "consistency.txt", "leaves.jsonl", "decisions.jsonl",
    "disclosures.jsonl", "previous-checkpoint",
])  # fmt: skip
@pytest.mark.parametrize("how", ["altered", "missing", "longer"])
def test_a_file_that_is_not_what_the_manifest_lists_is_named(
    verify: Verify, bundle: Bundle, name: str, how: str
) -> None:
    if how == "missing":
        del bundle.files[name]
    else:
        data = bundle.files[name]
        bundle.files[name] = data + b"\n" if how == "longer" else bytes([data[0] ^ 1]) + data[1:]
    done = verify(bundle)
    assert "integrity" in failed(done)
    assert name in told(done, "integrity")


def test_a_file_that_nobody_listed_is_named(verify: Verify, bundle: Bundle) -> None:
    bundle.files["extra.txt"] = b""
    assert told(verify(bundle), "integrity").startswith(
        "extra.txt is in the bundle, and the manifest does not list it."
    )


def test_what_desktops_leave_in_folders_does_not_matter(verify: Verify, bundle: Bundle) -> None:
    bundle.files[".DS_Store"] = b""
    assert failed(verify(bundle)) == set()


def test_a_manifest_that_lists_no_leaves_fails(verify: Verify, bundle: Bundle) -> None:
    manifest = json.loads(bundle.files["manifest.json"])
    del manifest["files"]["leaves.jsonl"]
    bundle.files["manifest.json"] = json.dumps(manifest).encode()
    assert "The manifest does not list leaves.jsonl." in told(verify(bundle), "integrity")


@pytest.mark.parametrize("changed", [
    {"origin": "localhost:8000/2"}, {"size": 39}, {"begin": 1}, {"end": 37}, {"end": -1}, {"begin": 39},
    {"records": 37},
])  # fmt: skip
def test_a_manifest_that_tells_of_another_range_fails(
    verify: Verify, bundle: Bundle, changed: dict[str, object]
) -> None:
    bundle.seal(**changed)
    assert failed(verify(bundle)) & {"integrity", "completeness"}


@pytest.mark.parametrize(("line", "text", "said"), [
    (0, "countersign-range@v2", "is not a range proof"), (1, "0 38 39", "about another range"),
    (1, "0 38", "another range"), (2, "rubbish", "is not a range proof"),
])  # fmt: skip
def test_a_range_proof_with_another_head_is_refused(
    verify: Verify, bundle: Bundle, line: int, text: str, said: str
) -> None:
    lines = bundle.files["range-proof.txt"].decode().split("\n")
    lines[line] = text
    bundle.files["range-proof.txt"] = "\n".join(lines).encode()
    bundle.seal()
    done = verify(bundle)
    assert {"integrity", "completeness"} <= failed(done)
    assert said in told(done, "integrity")
