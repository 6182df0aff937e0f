"""The witness, as a program, over HTTP: c2sp.org/tlog-witness, word by word."""

import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from audit import witness as program
from audit.note import ML_DSA_44, SigningKey, checkpoint_body, sign_note
from audit.verify import COSIGNATURE, EMPTY, VKey, open_note
from tests.audit.growing import Log
from tests.audit.witnesses import NAME, Witness, accepted, post, remembered, request, submit

NUMBERS = count(1)


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Witness:
    return Witness(tmp_path_factory.mktemp("witness"))


@pytest.fixture(scope="module")
def url(witness: Witness) -> Iterator[str]:
    """One process for all tests here; each has a log of its own."""
    with witness.start() as running:
        yield running.url


@pytest.fixture
def log(witness: Witness) -> Log:
    log = Log(f"log.example/{next(NUMBERS)}").grow(5)
    witness.watch(log.keys[0].vkey)
    return log


# What it signs


def test_a_checkpoint_is_cosigned_by_the_key_that_init_told(witness: Witness, url: str, log: Log) -> None:
    before = int(time.time())
    line = accepted(url, log, 0, 5)
    (vkey,) = map(VKey.parse, witness.vkeys)
    checkpoint, signers = open_note(log.note(5) + line, [vkey])
    assert (vkey.name, vkey.kind, line.count("\n")) == (NAME, COSIGNATURE, 1)
    assert (checkpoint.origin, checkpoint.size) == (log.origin, 5)
    moment = signers[NAME]
    assert moment is not None
    assert before <= moment <= time.time()


def test_a_log_that_is_new_to_it_may_begin_at_any_size_and_then_has_to_continue(url: str, log: Log) -> None:
    accepted(url, log.grow(95), 0, 77)
    accepted(url, log, 77, 99)
    accepted(url, log, 99, 99)
    accepted(url, log, 99, 100)
    assert submit(url, 0, [], log.note()).status_code == 409


def test_an_empty_tree_is_cosigned_and_continued(url: str, log: Log) -> None:
    accepted(url, log, 0, 0)
    accepted(url, log, 0, 0)
    accepted(url, log, 0, 4)


def test_a_cosignature_by_ml_dsa_44_comes_beside_the_other(tmp_path: Path, log: Log) -> None:
    witness = Witness(tmp_path / "both", "--ml-dsa")
    witness.watch(log.keys[0].vkey)
    with witness.start() as running:
        lines = accepted(running.url, log, 0, 5)
    vkeys = [VKey.parse(vkey) for vkey in witness.vkeys]
    assert [vkey.kind for vkey in vkeys] == [COSIGNATURE, ML_DSA_44]
    for vkey, line in zip(vkeys, lines.splitlines(keepends=True), strict=True):
        assert open_note(log.note() + line, [vkey])[1].keys() == {NAME}


def test_extension_lines_are_signed_too(witness: Witness, url: str, log: Log) -> None:
    body = log.body() + "an extension\n"
    answer = submit(url, 0, [], sign_note(body, log.keys))
    assert open_note(f"{body}\n{answer.text}", map(VKey.parse, witness.vkeys))[0].body == body


# What it tells


def test_the_last_checkpoint_is_told_with_the_signatures_of_log_and_witness(
    witness: Witness, url: str, log: Log
) -> None:
    assert remembered(url, log).status_code == 404
    stranger = SigningKey.generate("stranger.example/x")
    line = submit(url, 0, [], sign_note(log.body(), [stranger, *log.keys])).text
    assert remembered(url, log).text == log.note() + line
    again = accepted(url, log.grow(3), 5, 8)
    assert remembered(url, log).text == log.note() + again
    keys = map(VKey.parse, [*witness.vkeys, log.keys[0].vkey])
    assert open_note(remembered(url, log).text, keys)[1].keys() == {NAME, log.origin}


def test_a_log_that_it_does_not_watch_is_not_told(url: str) -> None:
    assert remembered(url, Log("other.example/1")).status_code == 404
    assert httpx.get(f"{url}/", trust_env=False).status_code == 404
    assert httpx.get(f"{url}/{'z' * 64}/checkpoint", trust_env=False).status_code == 404


# What it refuses


def test_another_old_size_is_answered_with_its_own(url: str, log: Log) -> None:
    accepted(url, log.grow(5), 0, 7)
    for old in (0, 6, 8):
        answer = submit(url, old, log.proof(old), log.note())
        assert (answer.status_code, answer.text) == (409, "7\n")
        assert answer.headers["content-type"] == "text/x.tlog.size"


def test_a_rollback_is_answered_with_the_size_it_remembers(url: str, log: Log) -> None:
    accepted(url, log, 0, 5)
    answer = submit(url, 3, [], log.note(3))
    assert (answer.status_code, answer.text) == (409, "5\n")
    assert submit(url, 5, [], log.note(3)).status_code == 400
    assert "\n5\n" in remembered(url, log).text


def test_a_fork_is_refused_and_kept_as_proof_against_the_log(witness: Witness, url: str, log: Log) -> None:
    accepted(url, log, 0, 5)
    fork = log.fork(4).grow(1, "other")
    assert submit(url, 5, [], fork.note()).status_code == 422
    assert submit(url, 5, fork.grow(4).proof(5), fork.note()).status_code == 422
    accepted(url, log.grow(3), 5, 8)
    assert submit(url, 8, [], log.fork(7).grow(1, "other").note()).status_code == 422
    assert program.Memory(witness.state).row(log.origin).fork == fork.note(5)


@pytest.mark.parametrize("old", range(1, 9))
def test_every_proof_that_is_not_exactly_right_is_refused(old: int, url: str, log: Log) -> None:
    proof = log.grow(4).proof(old)
    wrong = [proof[:-1], [*proof, bytes(32)], proof[::-1] if len(proof) > 1 else [], [bytes(32), *proof[1:]], []]
    accepted(url, log, 0, old)
    assert [submit(url, old, one, log.note()).status_code for one in wrong] == [422] * len(wrong)
    accepted(url, log, old, 9)


def test_a_proof_where_none_belongs_is_refused(url: str, log: Log) -> None:
    assert submit(url, 0, [bytes(32)], log.note()).status_code == 422
    accepted(url, log, 0, 5)
    assert submit(url, 5, [bytes(32)], log.note()).status_code == 422


def test_an_empty_tree_with_another_root_is_refused(url: str, log: Log) -> None:
    note = sign_note(checkpoint_body(log.origin, 0, bytes(32)), log.keys)
    assert submit(url, 0, [], note).status_code == 422
    assert checkpoint_body(log.origin, 0, EMPTY) == log.body(0)


def test_a_log_that_it_does_not_watch_is_refused(url: str) -> None:
    assert submit(url, 0, [], Log("other.example/1").grow(1).note()).status_code == 404


def test_a_note_that_no_trusted_key_has_signed_is_refused(url: str, log: Log) -> None:
    same_name = SigningKey.generate(log.origin)
    stranger = SigningKey.generate("stranger.example/x")
    assert submit(url, 0, [], sign_note(log.body(), [same_name, stranger])).status_code == 403


def test_a_wrong_signature_of_a_trusted_key_is_refused_also_beside_a_right_one(
    witness: Witness, url: str, log: Log
) -> None:
    second = SigningKey.generate(log.origin)
    witness.watch(second.vkey)
    wrong = second.sign(log.body(4))
    assert submit(url, 0, [], log.note() + wrong).status_code == 403
    assert submit(url, 0, [], f"{log.body()}\n{wrong}").status_code == 403
    short = f"— {second.name} {b64encode(second.id + b'short').decode()}\n"
    assert submit(url, 0, [], log.note() + short).status_code == 403
    assert submit(url, 0, [], log.note() + second.sign(log.body())).status_code == 200


BAD: dict[str, Callable[[Log], bytes]] = {
    "nothing": lambda log: b"",
    "no old size": lambda log: request(0, [], log.note())[6:],
    "an old size that is no number": lambda log: b"old x\n\n" + log.note().encode(),
    "an old size below zero": lambda log: b"old -1\n\n" + log.note().encode(),
    "an old size with leading zeroes": lambda log: b"old 00\n\n" + log.note().encode(),
    "an old size with a plus": lambda log: b"old +0\n\n" + log.note().encode(),
    "an old size in other digits": lambda log: "old ٣\n\n".encode() + log.note().encode(),
    "an old size of 2^63": lambda log: request(2**63, [], log.note()),
    "an old size that is too large": lambda log: request(6, [], log.note()),
    "two spaces": lambda log: b"old  0\n\n" + log.note().encode(),
    "carriage returns": lambda log: request(0, [], log.note()).replace(b"\n", b"\r\n"),
    "no empty line": lambda log: b"old 0\n" + log.note().encode(),
    "64 lines of proof": lambda log: request(0, [bytes(32)] * 64, log.note()),
    "a proof of short hashes": lambda log: request(0, [bytes(31)], log.note()),
    "a proof that is no base64": lambda log: b"old 0\n!!\n\n" + log.note().encode(),
    "a proof with bits behind its end": lambda log: b"old 0\n" + b"A" * 42 + b"B=\n\n" + log.note().encode(),
    "no signature": lambda log: request(0, [], log.body() + "\n"),
    "no end of line": lambda log: request(0, [], log.note())[:-1],
    "a signature without a name": lambda log: request(0, [], log.body() + "\n— AAAAAAA=\n"),
    "a signature that is too short": lambda log: request(0, [], log.note() + "— a AAAA\n"),
    "another dash": lambda log: request(0, [], log.note().replace("—", "-")),
    "a name with a plus": lambda log: request(0, [], log.note() + "— a+b AAAAAAA=\n"),
    "a size with leading zeroes": lambda log: request(0, [], log.note().replace("\n5\n", "\n05\n")),
    "a size of 2^63": lambda log: request(0, [], log.note().replace("\n5\n", f"\n{2**63}\n")),
    "a size without end": lambda log: request(0, [], log.note().replace("\n5\n", f"\n{'9' * 9000}\n")),
    "a short root": lambda log: request(0, [], log.note().replace(log.body().split("\n")[2], "AAAA")),
    "an empty extension line": lambda log: request(0, [], sign_note(log.body() + "\nx\n", log.keys)),
    "a control character": lambda log: request(0, [], sign_note(log.body() + "a\tb\n", log.keys)),
    "not UTF-8": lambda log: request(0, [], log.note()) + b"\xff\n",
    "101 signatures": lambda log: request(0, [], log.note() + "— a AAAAAAA=\n" * 100),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_request_is_refused_with_a_reason(what: str, url: str, log: Log) -> None:
    answer = post(url, BAD[what](log))
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert answer.text.strip()
    accepted(url, log, 0, 5)


def test_a_size_next_to_the_largest_is_a_size(url: str, log: Log) -> None:
    note = sign_note(checkpoint_body(log.origin, 2**63 - 1, bytes(32)), log.keys)
    assert submit(url, 0, [], note).status_code == 200
    assert submit(url, 0, [], note).text == f"{2**63 - 1}\n"
    assert submit(url, 2**63 - 1, [], note).status_code == 200


# Logs of others


def test_a_note_with_many_signatures_of_others_is_cosigned(url: str, log: Log) -> None:
    others = [SigningKey.generate(f"other.example/{i}", ML_DSA_44 if i < 3 else 1) for i in range(31)]
    assert submit(url, 0, [], sign_note(log.body(), [*others, *log.keys])).status_code == 200


def test_each_key_of_an_origin_is_enough_during_a_rotation(witness: Witness, url: str, log: Log) -> None:
    old, new = log.keys[0], SigningKey.generate(log.origin)
    assert submit(url, 0, [], sign_note(log.body(1), [new])).status_code == 403
    witness.watch(new.vkey)
    assert submit(url, 0, [], sign_note(log.body(1), [new])).status_code == 200
    assert submit(url, 1, log.proof(1, 2), sign_note(log.body(2), [old])).status_code == 200
    assert submit(url, 2, log.proof(2, 3), sign_note(log.body(3), [old, new])).status_code == 200
    witness.forget(old.vkey)
    assert submit(url, 3, log.proof(3, 4), sign_note(log.body(4), [old])).status_code == 403
    assert submit(url, 3, log.proof(3, 4), sign_note(log.body(4), [old, new])).status_code == 200


def test_a_log_without_keys_is_remembered(witness: Witness, url: str, log: Log) -> None:
    accepted(url, log, 0, 5)
    witness.forget(log.keys[0].vkey)
    assert submit(url, 5, [], log.note()).status_code == 403
    witness.watch(log.keys[0].vkey)
    assert submit(url, 0, [], log.note()).status_code == 409


def test_a_log_whose_key_has_another_name_is_watched_by_its_origin(witness: Witness, url: str) -> None:
    log = Log("a tree of others", [SigningKey.generate("sum.example")]).grow(3)
    witness.watch(log.keys[0].vkey, origin=log.origin)
    accepted(url, log, 0, 3)


def test_a_log_that_signs_with_ml_dsa_44_is_watched(witness: Witness, url: str) -> None:
    log = Log("pq.example/1", [SigningKey.generate("pq.example/1", ML_DSA_44)]).grow(3)
    witness.watch(log.keys[0].vkey)
    accepted(url, log, 0, 3)
    wrong = log.grow(1).note().replace("\n4\n", "\n5\n")
    assert submit(url, 3, log.proof(3), wrong).status_code == 403
