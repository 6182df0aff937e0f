"""The witness as a process: it is asked by many, killed, out of disk, and keeps what it signed."""

import random
import re
import resource
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import witness as program
from audit.note import SigningKey
from audit.verify import Mismatch, check_consistency
from tests.audit.growing import Log, origin_hash
from tests.audit.witnesses import NAME, Running, Witness, accepted, post, remembered, request, run, submit

KEY = SigningKey.generate("log.example/1")
OTHER = SigningKey.generate("other.example/key")


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness")


@pytest.fixture
def log(witness: Witness) -> Log:
    log = Log().grow(5)
    witness.watch(log.keys[0].vkey)
    return log


@pytest.fixture
def url(witness: Witness) -> Iterator[str]:
    with witness.start() as running:
        yield running.url


# It is a server


def test_connections_are_kept(url: str, log: Log) -> None:
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 20) as connection:
        for old, size in ((0, 3), (3, 4)):
            body = request(old, log.proof(old, size), log.note(size))
            head = f"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_asks_before_it_sends_is_answered(url: str, log: Log) -> None:
    body = request(0, [], log.note())
    head = f"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_is_too_long_or_of_no_known_length_is_refused(url: str, log: Log) -> None:
    assert post(url, b"x" * (program.LARGEST_BODY + 1)).status_code == 400
    pieces = httpx.post(f"{url}/add-checkpoint", content=iter([request(0, [], log.note())]), trust_env=False)
    assert pieces.status_code == 400
    accepted(url, log, 0, 5)


def test_a_request_that_breaks_off_changes_nothing(witness: Witness, url: str, log: Log) -> None:
    body = request(0, [], log.note())
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 20) as connection:
        connection.sendall(f"POST /add-checkpoint HTTP/1.1\r\nContent-Length: {len(body) + 1}\r\n\r\n".encode() + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536) == b""
    assert witness.size(log.origin) == 0


def test_other_ways_to_ask_are_refused(url: str) -> None:
    assert httpx.put(f"{url}/add-checkpoint", content=b"x", trust_env=False).status_code == 501
    assert httpx.get(f"{url}/add-checkpoint", trust_env=False).status_code == 404
    assert httpx.post(f"{url}/elsewhere", content=b"x", trust_env=False).status_code == 404


def test_a_crowd_of_silent_connections_ends_and_leaves_the_witness_working(url: str, log: Log) -> None:
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection(address, 20)) for _ in range(program.MOST_CONNECTIONS)]
        crowd[0].sendall(b"POST /add-checkpoint HTTP/1.1\r\n")
        with socket.create_connection(address, 20) as late:
            assert late.recv(1) == b""
    for _ in range(100):
        with suppress(httpx.TransportError):
            accepted(url, log, 0, 5)
            return
    pytest.fail("the places of those who left were not given to others")


def test_reading_ends_when_the_time_for_it_is_over() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        patient = program.Patient(ours)
        theirs.sendall(b"some")
        patient.until = time.monotonic() + 60
        assert patient.read(4) == b"some"
        patient.until = time.monotonic() - 1
        with pytest.raises(TimeoutError):
            patient.read(4)


# It remembers


def test_of_two_forks_that_come_at_once_exactly_one_wins(witness: Witness, url: str, log: Log) -> None:
    accepted(url, log, 0, 5)
    for round_ in range(8):
        base = log.size
        tines = [log.fork(base).grow(1 + i % 2, f"{round_} {i}") for i in range(6)]
        barrier = threading.Barrier(len(tines))

        def send(tine: Log, base: int = base, barrier: threading.Barrier = barrier) -> int:
            barrier.wait(60)
            return submit(url, base, tine.proof(base), tine.note()).status_code

        with ThreadPoolExecutor(len(tines)) as pool:
            codes = list(pool.map(send, tines))
        assert sorted(codes) == [200, *[409] * 5]
        log = tines[codes.index(200)]
        assert remembered(url, log).text.startswith(log.note())


def test_it_knows_everything_that_it_signed_however_often_it_is_killed(witness: Witness, log: Log) -> None:
    """A log asks without pause; the witness is killed between any two instructions, and begins again."""
    log.grow(3000)
    chance, signed, done = random.Random(7), [0], threading.Event()
    running = Running(witness.state)
    port = running.port

    def ask() -> None:
        known = 0
        while not done.is_set():
            size = min(known + 1, log.size)
            with suppress(httpx.TransportError):
                answer = submit(f"http://127.0.0.1:{port}", known, log.proof(known, size), log.note(size))
                if answer.status_code == 200:
                    signed.append(size)
                    known = size
                else:
                    assert (answer.status_code, answer.headers["content-type"]) == (409, "text/x.tlog.size")
                    known = int(answer.text)

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for _ in range(12):
                want = max(signed) + chance.randrange(1, 12)
                while max(signed) < want and not any(one.done() for one in asking):
                    done.wait(chance.random() / 100)
                running.kill()
                assert witness.size(log.origin) >= max(signed)
                running = Running(witness.state, port=port)
        finally:
            done.set()
            running.end()
        for one in asking:
            one.result(60)
    assert witness.size(log.origin) >= max(signed) > 12


def test_a_lost_answer_is_made_good_by_asking_again(witness: Witness, log: Log) -> None:
    with witness.start() as running:
        accepted(running.url, log, 0, 5)
        running.kill()
    with witness.start() as running:
        assert submit(running.url, 0, [], log.note()).text == "5\n"
        accepted(running.url, log, 5, 5)


def test_with_a_full_disk_nothing_is_signed(witness: Witness, log: Log) -> None:
    with witness.start() as running:
        accepted(running.url, log, 0, 3)
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        answer = submit(running.url, 3, log.proof(3), log.note())
        assert (answer.status_code, "—" in answer.text) == (500, False)
        assert "\n3\n" in remembered(running.url, log).text
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        accepted(running.url, log, 3, 5)


def test_with_a_locked_memory_nothing_is_signed(witness: Witness, url: str, log: Log) -> None:
    with closing(sqlite3.connect(witness.state / "witness.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answer = submit(url, 0, [], log.note())
        assert (answer.status_code, "—" in answer.text) == (500, False)
        other.execute("ROLLBACK")
    accepted(url, log, 0, 5)


def test_a_witness_without_its_memory_signs_nothing_and_makes_none(witness: Witness, url: str, log: Log) -> None:
    memory = witness.state / "witness.sqlite3"
    memory.unlink()
    assert submit(url, 0, [], log.note()).status_code == 500
    assert not memory.exists()
    with pytest.raises(RuntimeError, match="show: "):
        run("show", "--state", witness.state)


def test_a_memory_that_was_lost_is_not_made_anew_under_the_same_key(witness: Witness, log: Log) -> None:
    with witness.start() as running:
        accepted(running.url, log, 0, 5)
    memory = witness.state / "witness.sqlite3"
    memory.unlink()
    with pytest.raises(RuntimeError, match="File exists"):
        run("init", "--name", NAME, "--state", witness.state)
    assert not memory.exists()
    with pytest.raises(RuntimeError, match="serve: "):
        run("serve", "--state", witness.state, "--listen", "127.0.0.1:0", "--log", log.keys[0].vkey)


def test_a_clock_that_went_back_signs_nothing(witness: Witness, url: str, log: Log) -> None:
    accepted(url, log, 0, 3)
    with program.Memory(witness.state).writing() as database:
        database.execute("UPDATE log SET at = at + 3600")
    assert submit(url, 3, log.proof(3), log.note()).status_code == 500
    assert witness.size(log.origin) == 3


def test_the_key_is_for_its_owner_alone_and_is_never_made_anew(witness: Witness) -> None:
    modes = {file.name: file.stat().st_mode & 0o777 for file in witness.state.iterdir()}
    assert modes == {"key": 0o600, "witness.sqlite3": 0o600}
    with pytest.raises(RuntimeError, match="File exists"):
        run("init", "--name", NAME, "--state", witness.state)
    assert run("show", "--state", witness.state).split() == witness.vkeys


def test_it_ends_when_it_is_told_to(witness: Witness) -> None:
    with witness.start() as running:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == 0


def test_it_imports_nothing_of_the_project() -> None:
    """What it runs with is isolated already; this also sees an import inside a function."""
    source = Path(program.__file__).read_text()
    assert not [word for word in ("import audit", "from audit", "import console", "django") if word in source]


# Its commands


def test_what_it_watches_is_added_and_shown_by_commands(witness: Witness, log: Log) -> None:
    with witness.start() as running:
        assert "at      never\n" in run("show", "--state", witness.state)
        accepted(running.url, log, 0, 5)
        submit(running.url, 5, [], log.fork(4).grow(1, "other").note())
    run("add-log", "--state", witness.state, OTHER.vkey, "--origin", log.origin)
    shown = run("show", "--state", witness.state)
    moment = re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", shown)
    assert moment
    assert shown.splitlines() == [
        *witness.vkeys, "", f"origin  {log.origin}", f"path    /{origin_hash(log.origin)}/checkpoint", "size    5",
        f"root    {log.body().splitlines()[2]}", f"at      {moment[0]}", f"key     {log.keys[0].vkey}",
        f"key     {OTHER.vkey}", "FORK    The log has signed another tree of the size of one that was cosigned:",
        *log.fork(4).grow(1, "other").note().splitlines(), "",
    ]  # fmt: skip
    run("remove-key", "--state", witness.state, OTHER.vkey, "--origin", log.origin)
    assert OTHER.vkey not in run("show", "--state", witness.state)


def test_keys_that_are_damaged_are_not_accepted(witness: Witness) -> None:
    example = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"  # of c2sp.org/signed-note
    run("add-log", "--state", witness.state, example)
    damages = {"530d": "530e", "NYcrnKv3U2k": "NYcrnKv3U2", "Aeky": "Aiky", "example": "an example", "+A": "+"}
    for right, wrong in damages.items():
        with pytest.raises(ValueError, match=r"\w"):
            program.Key.parse(example.replace(right, wrong))
    with pytest.raises(RuntimeError, match=r"^add-log: This verifier key is damaged: its id does not fit\.\n$"):
        run("add-log", "--state", witness.state, example.replace("530d", "530e"))


def test_logs_are_also_named_when_it_starts(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "other")
    with witness.start("--log", OTHER.vkey) as running:
        accepted(running.url, Log(OTHER.name, [OTHER]).grow(2), 0, 2)


# Two who never met agree


@given(st.data())
def test_its_reading_of_proofs_is_that_of_the_verifier(data: st.DataObject) -> None:
    """One follows RFC 6962 downwards, the other RFC 9162 upwards."""
    new = data.draw(st.integers(1, 70), "new")
    old = data.draw(st.integers(1, new), "old")
    log = Log(keys=[KEY]).grow(new)
    proof = log.proof(old)
    change = data.draw(st.sampled_from(["none", "drop", "add", "swap", "flip", "other old", "other new"]))
    at = data.draw(st.integers(0, max(len(proof) - 1, 0)))
    if change == "drop":
        del proof[at : at + 1]
    elif change == "add":
        proof.insert(at, data.draw(st.sampled_from([bytes(32), *log.leaves])))
    elif change == "swap":
        proof[at : at + 2] = proof[at : at + 2][::-1]
    elif change == "flip" and proof:
        proof[at] = bytes([proof[at][0] ^ 1]) + proof[at][1:]
    claimed = data.draw(st.integers(1, new)) if change == "other old" else old
    reached = data.draw(st.integers(claimed, 80)) if change == "other new" else max(new, claimed)
    before, after = (program.unbase64(log.body(size).split("\n")[2]) for size in (old, new))
    assert by_witness(claimed, reached, before, after, proof) == by_verifier(claimed, reached, before, after, proof)


def by_witness(old: int, new: int, before: bytes, after: bytes, proof: list[bytes]) -> bool:
    try:
        return program.both_roots(old, new, proof, before) == (before, after)
    except ValueError:
        return False


def by_verifier(old: int, new: int, before: bytes, after: bytes, proof: list[bytes]) -> bool:
    try:
        check_consistency(old, new, before, after, proof)
    except Mismatch:
        return False
    return True
