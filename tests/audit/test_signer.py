"""The signer's memory: what it signs once binds everything that it signs later."""

import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import merkle, note
from audit.signer import Refused, Signer, Store, Tree, retire, rotate
from audit.signing import SignerAway, SignerClient, SignerRefused
from audit.verify import Frontier, VKey, cover, leaf_hash, open_note
from console.core.canonical import profile
from console.home.processes import ROOT
from tests.accounts.authenticator import SoftAuthenticator
from tests.audit.written import agreement

LOG = "log.example:8000"
ORIGIN = f"{LOG}/1"


def leaves(count: int, word: str = "leaf") -> list[bytes]:
    return [leaf_hash(f"{word} {number}".encode()) for number in range(count)]


def root_of(hashes: list[bytes]) -> bytes:
    tree = Frontier()
    tree.append(hashes)
    return tree.root


def read(hashes: list[bytes]) -> merkle.Read:
    return lambda node: root_of(hashes[node[1] << node[0] : (node[1] + 1) << node[0]])


def asked(old: int, hashes: list[bytes], *, origin: str = ORIGIN, proof: list[bytes] | None = None) -> str:
    """A request to sign the tree over these leaves, with the right proof unless another is given."""
    if proof is None:
        proof = merkle.consistency_proof(old, len(hashes), read(hashes)) if old <= len(hashes) else []
    lines = [f"old {old}", *(b64encode(one).decode() for one in proof)]
    return "sign\n" + "\n".join(lines) + "\n\n" + note.checkpoint_body(origin, len(hashes), root_of(hashes))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "signer")


@pytest.fixture
def signer(store: Store) -> Signer:
    return Signer(store, LOG)


def vkeys(signer: Signer, origin: str = ORIGIN) -> list[VKey]:
    return [VKey.parse(line) for line in signer.answer(f"keys {origin}\n").split()]


def test_a_tree_that_continues_the_last_one_is_signed(signer: Signer) -> None:
    first = signer.answer(asked(0, leaves(3)))
    second = signer.answer(asked(3, leaves(8)))
    for text, size in ((first, 3), (second, 8)):
        checkpoint, names = open_note(text, vkeys(signer))
        assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, size, root_of(leaves(size)))
        assert names == {ORIGIN: None}
    assert signer.answer(f"tree {ORIGIN}\n") == second


@pytest.mark.parametrize(
    ("old", "hashes", "says"),
    [
        (8, [*leaves(3), *leaves(9, "other")], "does not continue"),
        (8, leaves(8, "other"), "does not continue"),
        (8, leaves(7), "does not continue"),
        (7, leaves(9), "has 8 leaves, not 7"),
        (0, leaves(9), "has 8 leaves, not 0"),
    ],
)  # fmt: skip
def test_another_history_is_not_signed(signer: Signer, old: int, hashes: list[bytes], says: str) -> None:
    last = signer.answer(asked(0, leaves(8)))
    with pytest.raises(Refused, match=says):
        signer.answer(asked(old, hashes, proof=None if old <= len(hashes) else []))
    assert signer.answer(f"tree {ORIGIN}\n") == last


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 59))
def test_no_leaf_under_a_signed_tree_can_change(tmp_path_factory: pytest.TempPathFactory, old: int, more: int,
                                                altered: int) -> None:  # fmt: skip
    signer = Signer(Store(tmp_path_factory.mktemp("signer")), LOG)
    signer.answer(asked(0, leaves(old)))
    forged = leaves(old + more)
    forged[altered % old] = leaf_hash(b"forged")
    with pytest.raises(Refused):
        signer.answer(asked(old, forged))
    signer.answer(asked(old, leaves(old + more)))


def test_the_same_tree_again_gets_the_same_note(signer: Signer) -> None:
    """The answer may have been lost between signer and sequencer."""
    signed = signer.answer(asked(0, leaves(3)))
    assert signer.answer(asked(0, leaves(3))) == signed


def test_it_remembers_after_a_restart(signer: Signer, tmp_path: Path) -> None:
    signer.answer(asked(0, leaves(5)))
    again = Signer(Store(tmp_path / "signer"), LOG)
    with pytest.raises(Refused, match="has 5 leaves, not 0"):
        again.answer(asked(0, leaves(6, "other")))
    assert vkeys(again) == vkeys(signer)


@pytest.mark.parametrize("origin", ["other.example/1", f"{LOG}/0", f"{LOG}/x", LOG, f"{LOG}/01", f"{LOG}/²"])
def test_it_signs_for_its_own_log_only(signer: Signer, origin: str) -> None:
    with pytest.raises(Refused, match="signs for"):
        signer.answer(asked(0, leaves(1), origin=origin))


@pytest.mark.parametrize(
    "request_",
    ["", "sign\n", "sign\nold 0\n", "sign\nold x\n\na\n1\nAAAA\n", "sign\nold 0\nnot base64\n\na\n1\nAAAA\n", "dance\n",
     f"sign\nold 0\n\n{ORIGIN}\n01\n{b64encode(bytes(32)).decode()}\n",
     f"sign\nold 0\n\n{ORIGIN}\n1\n{b64encode(bytes(32)).decode()}\nmore\n",
     f"sign\nold 0\n\n{ORIGIN}\n1\n{b64encode(bytes(31)).decode()}\n"],
)  # fmt: skip
def test_rubbish_is_refused_and_changes_nothing(signer: Signer, store: Store, request_: str) -> None:
    with pytest.raises((ValueError, Refused)):
        signer.answer(request_)
    assert store.trees() == {}


def restored(before: str, tree: Tree, *people: str) -> bytes:
    """Leaf 0 of the next tree, signed by these, or by two."""
    named = {"before": before, "size": tree.size, "root": tree.root.hex(), "present": before,
             "present_size": tree.size, "present_root": tree.root.hex()}  # fmt: skip
    keys = {name: SoftAuthenticator() for name in people or ("usr_mira", "usr_max")}
    signatures = agreement({"after": f"{LOG}/2", **named}, keys, f"https://{LOG}", LOG.partition(":")[0])
    return profile({"action": "audit:log:restored", "detail": {**named, "signatures": signatures}})


def test_after_a_restore_it_goes_on_from_what_it_knows(signer: Signer, store: Store) -> None:
    signer.answer(asked(0, leaves(8)))
    leaf = restored(ORIGIN, store.trees()[ORIGIN])
    opening = f"sign\nopens {b64encode(leaf).decode()}\n" + asked(0, [leaf_hash(leaf)], origin=f"{LOG}/2")[5:]
    signed = signer.answer(opening)
    assert open_note(signed, vkeys(signer, f"{LOG}/2"))[0].size == 1
    with pytest.raises(Refused, match="closed by a restore"):
        signer.answer(asked(8, leaves(9)))


@pytest.mark.parametrize("case", ["older tree", "other root", "no leaf", "two leaves", "skips one", "other act",
                                  "one person", "other end", "nobody"])  # fmt: skip
def test_a_restore_that_does_not_name_the_last_tree_is_refused(signer: Signer, store: Store, case: str) -> None:
    signer.answer(asked(0, leaves(8)))
    last = store.trees()[ORIGIN]
    leaf = restored(ORIGIN, last)
    if case == "older tree":
        leaf = restored(ORIGIN, Tree(7, root_of(leaves(7)), ""))
    if case == "other root":
        leaf = restored(ORIGIN, last._replace(root=bytes(32)))
    if case == "one person":
        leaf = restored(ORIGIN, last, "usr_mira")
    if case == "other end":  # than what was signed
        leaf = leaf.replace(b'"present_size":8', b'"present_size":7')
    if case == "nobody":
        leaf = profile({**json.loads(leaf), "detail": {**json.loads(leaf)["detail"], "signatures": []}})
    if case == "other act":
        leaf = leaf.replace(b"audit:log:restored", b"audit:log:opened")
    origin = f"{LOG}/{3 if case == 'skips one' else 2}"
    hashes = [leaf_hash(leaf)] * (2 if case == "two leaves" else 1)
    opening = "" if case == "no leaf" else f"opens {b64encode(leaf).decode()}\n"
    with pytest.raises((Refused, ValueError)):
        signer.answer(f"sign\n{opening}" + asked(0, hashes, origin=origin)[5:])
    assert set(store.trees()) == {ORIGIN}


def test_while_keys_rotate_both_sign(signer: Signer, store: Store) -> None:
    signer.answer(asked(0, leaves(1)))
    (old,) = vkeys(signer)
    new = VKey.parse(rotate(store, ORIGIN, note.ED25519))
    both = signer.answer(asked(1, leaves(2)))
    assert open_note(both, [old])[0] == open_note(both, [new])[0]
    retire(store, ORIGIN, old.id.hex())
    after = signer.answer(asked(2, leaves(3)))
    assert [name for name, _, _ in open_notes_lines(after)] == [ORIGIN]
    assert open_note(after, [new])[0].size == 3


def open_notes_lines(text: str) -> list[tuple[str, bytes, bytes]]:
    from audit.verify import parse_note

    return parse_note(text).lines


def test_the_last_key_cannot_retire(signer: Signer, store: Store) -> None:
    signer.answer(asked(0, leaves(1)))
    rotate(store, ORIGIN, note.ML_DSA_44)
    (old, _) = vkeys(signer)
    with pytest.raises(Refused, match="add its successor"):
        retire(store, ORIGIN, old.id.hex())


def test_a_second_line_by_ml_dsa_44_verifies(signer: Signer, store: Store) -> None:
    signer.answer(asked(0, leaves(1)))
    late = VKey.parse(rotate(store, ORIGIN, note.ML_DSA_44))
    signed = signer.answer(asked(1, leaves(2)))
    checkpoint, names = open_note(signed, [late])
    assert checkpoint.size == 2
    assert names[ORIGIN]


def test_a_full_disk_signs_nothing(signer: Signer, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    last = signer.answer(asked(0, leaves(1)))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        signer.answer(asked(1, leaves(2)))
    monkeypatch.undo()
    assert signer.answer(f"tree {ORIGIN}\n") == last
    signer.answer(asked(1, leaves(2)))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[SignerClient, subprocess.Popen[str]]]:
    place = tmp_path / "s.sock"
    process = start(tmp_path)
    yield SignerClient(place), process
    process.kill()
    process.wait()


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    given_ = ["--log", LOG, "--state", str(directory / "state"), "--socket", str(directory / "s.sock"), *arguments]
    process = subprocess.Popen([sys.executable, "-m", "audit.signer", "serve", *given_], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE)  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == f"signing for {LOG}\n"
    process.stdout.close()
    return process


def test_the_program_signs_refuses_and_survives_a_kill(
    running: tuple[SignerClient, subprocess.Popen[str]], tmp_path: Path
) -> None:
    client, process = running
    hashes = leaves(9)
    signed = client.sign(ORIGIN, 8, root_of(hashes[:8]), old=0, proof=[])
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(SignerAway):
        client.tree(ORIGIN)
    again = start(tmp_path)
    try:
        assert client.tree(ORIGIN) == signed
        with pytest.raises(SignerRefused, match="has 8 leaves"):
            client.sign(ORIGIN, 9, root_of(hashes), old=0, proof=[])
        proof = merkle.consistency_proof(8, 9, read(hashes))
        assert client.sign(ORIGIN, 9, root_of(hashes), old=8, proof=proof) == client.tree(ORIGIN)
        with pytest.raises(SignerAway, match="could not answer"):
            client._ask("dance\n")
    finally:
        again.kill()
        again.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give another user")
def test_as_root_its_files_belong_to_a_user_of_its_own(tmp_path: Path) -> None:
    process = start(tmp_path, "--user", "64123")
    try:
        client = SignerClient(tmp_path / "s.sock")
        client.sign(ORIGIN, 1, root_of(leaves(1)), old=0, proof=[])
        rotate(Store(tmp_path / "state"), ORIGIN, note.ED25519)
        client.sign(ORIGIN, 2, root_of(leaves(2)), old=1, proof=merkle.consistency_proof(1, 2, read(leaves(2))))
        owners = {file.name: file.stat().st_uid for file in (tmp_path / "state").iterdir()}
        assert owners == dict.fromkeys(["keys", "lock", "trees"], 64123)
        assert {file.stat().st_mode & 0o777 for file in (tmp_path / "state").iterdir()} == {0o600}
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert "Uid:\t64123\t64123\t64123\t64123" in status
    finally:
        process.kill()
        process.wait()


def test_the_cover_of_a_tree_is_its_root() -> None:
    hashes = leaves(11)
    assert merkle.tree_root(11, read(hashes)) == root_of(hashes)
    assert list(cover(0, 11)) == [(3, 0), (1, 4), (0, 10)]
