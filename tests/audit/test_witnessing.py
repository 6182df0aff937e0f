"""The log's side, with the real witness at the other end; and with witnesses that lie."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from audit.note import SigningKey
from audit.verify import VKey, open_note
from audit.witness import COSIGNATURE, Signer
from audit.witness import Checkpoint as Seen
from audit.witnessing import Ahead, Refused, WitnessFailed, submit
from tests.audit.growing import Log
from tests.audit.peers import misbehaving, serving
from tests.audit.witnesses import NAME, Witness

SIGNER = Signer.of(NAME, COSIGNATURE, os.urandom(32))


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness", "--ml-dsa")


@pytest.fixture
def url(witness: Witness) -> Iterator[str]:
    with witness.start() as running:
        yield running.url


@pytest.fixture
def log(witness: Witness) -> Log:
    log = Log().grow(5)
    witness.watch(log.keys[0].vkey)
    return log


def send(url: str, vkey: str, log: Log, old: int, size: int | None = None) -> str:
    size = log.size if size is None else size
    return submit(url, vkey, log.note(size), old, lambda known: log.proof(known, size), seconds=10)


@pytest.mark.parametrize("key", [0, 1], ids=["ed25519", "ml-dsa-44"])
def test_the_line_of_the_key_that_is_trusted_is_answered(url: str, witness: Witness, log: Log, key: int) -> None:
    line = send(f"{url}/", witness.vkeys[key], log, 0)
    vkey = VKey.parse(witness.vkeys[key])
    assert line.count("\n") == 1
    assert open_note(log.note() + line, [vkey])[1].keys() == {NAME}


@pytest.mark.parametrize("thought", [0, 1, 3, 5, 9])
def test_whatever_is_thought_of_its_memory_it_is_asked_with_the_right_proof(
    url: str, witness: Witness, log: Log, thought: int
) -> None:
    send(url, witness.vkeys[0], log.grow(5), 0, 3)
    assert send(url, witness.vkeys[0], log, thought)
    assert witness.size(log.origin) == 10
    assert send(url, witness.vkeys[0], log, thought)


def test_a_witness_that_has_seen_more_than_we_have_is_an_alarm(url: str, witness: Witness, log: Log) -> None:
    send(url, witness.vkeys[0], log, 0)
    with pytest.raises(Ahead, match=r"^The witness remembers a tree of 5 leaves\.$") as failed:
        send(url, witness.vkeys[0], log, 3, 4)
    assert failed.value.size == 5


def test_a_fork_is_refused(url: str, witness: Witness, log: Log) -> None:
    send(url, witness.vkeys[0], log, 0)
    with pytest.raises(Refused, match=r"^The witness answered 422: Another tree of 5 leaves was cosigned\.$") as failed:
        send(url, witness.vkeys[0], log.fork(3).grow(2, "other"), 0)
    assert failed.value.status == 422


def test_a_witness_that_does_not_know_us_says_so(url: str, witness: Witness) -> None:
    with pytest.raises(Refused) as failed:
        send(url, witness.vkeys[0], Log("other.example/1").grow(1), 0)
    assert failed.value.status == 404


def test_a_signature_of_another_key_is_none(url: str, log: Log) -> None:
    with pytest.raises(WitnessFailed, match=r"^The witness has not signed with the key that is known of it\.$"):
        send(url, SIGNER.key.vkey, log, 0)


LIES: dict[str, Any] = {
    "nothing": lambda note: "",
    "a page": lambda note: "<html>\n",
    "a signature of another tree": lambda note: SIGNER.cosign(9, Seen.parse(Log().grow(7).note())),
    "no end of line": lambda note: SIGNER.cosign(9, Seen.parse(note))[:-1],
    "no moment": lambda note: SIGNER.cosign(0, Seen.parse(note)),
    "a second note": lambda note: SIGNER.cosign(9, Seen.parse(note)) + "\n" + note,
    "a line that is no signature": lambda note: SIGNER.cosign(9, Seen.parse(note)) + "and more\n",
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_no_cosignature_of_this_is_not_believed(lie: str) -> None:
    log = Log().grow(5)
    note = log.note()
    with serving(lambda request, body: (200, {}, LIES[lie](note).encode())) as server, pytest.raises(WitnessFailed):
        submit(server.url, SIGNER.key.vkey, note, 0, lambda old: [], seconds=10)


def test_lines_of_other_keys_are_left_out() -> None:
    log = Log().grow(5)
    note = log.note()
    other = SigningKey.generate("other.example/w").sign(log.body())
    ours = SIGNER.cosign(9, Seen.parse(note))
    with serving(lambda request, body: (200, {}, (other + ours).encode())) as server:
        assert submit(server.url, SIGNER.key.vkey, note, 0, lambda old: [], seconds=10) == ours


SIZE = {"Content-Type": "text/x.tlog.size"}


@pytest.mark.parametrize(
    ("headers", "body"),
    [({}, b"3\n"), (SIZE, b"three\n"), (SIZE, b"-3\n"), (SIZE, b"03\n"), (SIZE, b"3\n\n"), (SIZE, b"")],
)
def test_a_conflict_without_a_size_is_told(headers: Mapping[str, str], body: bytes) -> None:
    log = Log().grow(5)
    with (
        serving(lambda request, sent: (409, headers, body)) as server,
        pytest.raises(WitnessFailed, match=r"^The witness answered 409 without the size that it remembers\.$"),
    ):
        send(server.url, SIGNER.key.vkey, log, 0)


def test_a_witness_that_never_makes_up_its_mind_is_left() -> None:
    log, asked = Log().grow(5), list[bytes]()

    def respond(request: Any, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        asked.append(body.split(b"\n")[0])
        return 409, SIZE, b"%d\n" % (len(asked) % 5)

    with serving(respond) as server, pytest.raises(WitnessFailed, match="another size"):
        send(server.url, SIGNER.key.vkey, log, 0)
    assert asked == [b"old 0", b"old 1", b"old 2", b"old 3"]


@pytest.mark.parametrize("how", ["gone", "silent", "dripping", "garbage"])
def test_a_witness_that_misbehaves_fails_in_time(how: str) -> None:
    log = Log().grow(5)
    with misbehaving(how, b"HTTP/1.1 200 OK\r\nX-Slow: ") as port, pytest.raises(WitnessFailed) as failed:
        submit(f"http://127.0.0.1:{port}", SIGNER.key.vkey, log.note(), 0, lambda old: [], seconds=0.5)
    assert ("within 0.5 seconds" in str(failed.value)) == (how in {"silent", "dripping"})


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    log = Log().grow(5)
    with (
        serving(lambda request, body: (200, {}, b"x" * 3_000_000)) as server,
        pytest.raises(WitnessFailed, match="longer than"),
    ):
        send(server.url, SIGNER.key.vkey, log, 0)


def test_an_error_of_the_witness_is_told_by_its_number() -> None:
    with (
        serving(lambda request, body: (500, {}, b"oops")) as server,
        pytest.raises(WitnessFailed, match=r"^The witness answered 500\.$") as failed,
    ):
        send(server.url, SIGNER.key.vkey, Log().grow(1), 0)
    assert not isinstance(failed.value, Refused)
