"""What holds for streams of every kind, with receivers behind them: nothing is left out, whatever fails."""

import json
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from audit import sequencer, trees
from audit.models import Leaf, LogKey, Outlet, Record, Tree
from audit.outlets import step
from audit.record import record
from audit.retention import drop_month
from audit.streams import Stream, build
from audit.verify import Frontier, leaf_hash
from audit.vocabulary import Kind
from console.core.actor import system
from console.home.processes import ROOT
from tests.audit.conftest import Adversary, SignedLog, begin_next_tree
from tests.audit.past import MIGRATION, Past, as_migrator, month, months_ago
from tests.audit.peers import certificate, misbehaving, serving
from tests.audit.receivers import TOKEN, Collector, Got, Rsyslog, Telemetry
from tests.stack import wait_until

HTTP = b"HTTP/1.1 200 OK\r\nX-Slow: "


@dataclass
class Receiver:
    config: dict[str, Any]
    got: Callable[[], list[Got]]
    elsewhere: Callable[[int], dict[str, Any]]

    def stream(self, **changes: Any) -> Stream:
        return build({**self.config, **changes})

    def after(self, count: int) -> list[Got]:
        """Once so many different leaves are there: syslog tells nobody when it has written them."""
        wait_until(lambda: len(set(self.got())) >= count, f"{count} leaves arrive", seconds=30)
        return self.got()


def at(port: int) -> dict[str, Any]:
    return {"url": f"http://127.0.0.1:{port}"}


def a_collector(directory: Path) -> Iterator[Receiver]:
    token = directory / "token"
    token.write_text(f"{TOKEN}\n")
    collector = Collector()
    with serving(collector.respond) as server:
        config = {"name": "siem", "kind": "hec", "url": server.url, "token_file": str(token)}
        yield Receiver(config, lambda: list(collector.got), at)


def a_telemetry(directory: Path) -> Iterator[Receiver]:
    telemetry = Telemetry()
    with serving(telemetry.respond) as server:
        yield Receiver({"name": "siem", "kind": "otlp", "url": server.url}, lambda: list(telemetry.got), at)
    assert telemetry.problems == []


def an_rsyslog(directory: Path) -> Iterator[Receiver]:
    rsyslog = Rsyslog(directory / "rsyslog", *certificate(directory))
    rsyslog.start()
    try:
        config = {"name": "siem", "kind": "syslog", "host": "localhost", "port": rsyslog.port,
                  "ca_file": str(rsyslog.cert)}  # fmt: skip
        yield Receiver(config, rsyslog.got, lambda port: {"host": "127.0.0.1", "port": port})
    finally:
        rsyslog.kill()


RECEIVERS = {"hec": a_collector, "otlp": a_telemetry, "syslog": an_rsyslog}


@pytest.fixture(params=RECEIVERS)
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    yield from RECEIVERS[request.param](tmp_path)


def caught_up(stream: Stream) -> int:
    """All that is signed was sent."""
    while True:
        assert step(stream), Outlet.objects.get().error
        if not stream.behind:
            return Outlet.objects.get().reached


def indexes(got: list[Got]) -> list[int]:
    return [one.index for one in got]


def test_every_leaf_arrives_once_in_order_with_its_exact_bytes(signed_log: SignedLog, receiver: Receiver) -> None:
    tree = signed_log.sequence_in([30, 40])
    assert caught_up(receiver.stream(batch_leaves=7)) == tree.size
    rows = {row.pk: bytes(row.leaf).decode() for row in Record.objects.all()}
    assert receiver.after(tree.size) == [
        Got(leaf.idx, tree.origin, bytes(leaf.leaf_hash).hex(), tree.size, rows[leaf.record_id])
        for leaf in Leaf.objects.order_by("idx")
    ]
    outlet = Outlet.objects.get()
    assert (outlet.name, outlet.kind, outlet.error) == ("siem", receiver.config["kind"], "")


def test_who_receives_can_derive_the_root_that_was_signed(signed_log: SignedLog, receiver: Receiver) -> None:
    """From nothing but what arrived, and a checkpoint."""
    tree = signed_log.sequence_in([300])
    caught_up(receiver.stream())
    held = {one.index: one for one in receiver.after(tree.size)}
    frontier = Frontier()
    frontier.append([sha256(b"\0" + held[index].text.encode()).digest() for index in range(len(held))])
    checkpoint = trees.newest_checkpoint(tree)
    assert checkpoint is not None
    assert checkpoint.note.splitlines()[:2] == [tree.origin, str(len(held))]
    assert b64decode(checkpoint.note.splitlines()[2]) == frontier.root
    assert {one.hash for one in held.values()} == {leaf_hash(one.text.encode()).hex() for one in held.values()}


def test_the_program_in_the_documents_finds_what_is_wrong(
    signed_log: SignedLog, receiver: Receiver, tmp_path: Path
) -> None:
    tree = signed_log.sequence_in([20])
    caught_up(receiver.stream())
    found = re.findall(r"(?s)```python\n(.*?)```", (ROOT / "docs" / "streams.md").read_text())
    (tmp_path / "program.py").write_text(*found)
    shutil.copy(ROOT / "audit" / "verify.py", tmp_path)
    newest = trees.newest_checkpoint(tree)
    assert newest is not None
    (tmp_path / "checkpoint").write_text(newest.note)
    events = [{"leaf_index": one.index, "leaf_hash": one.hash, "_raw": one.text} for one in receiver.after(tree.size)]

    def says(events: list[dict[str, Any]]) -> str:
        command = [sys.executable, "program.py", "checkpoint", LogKey.objects.get().vkey]
        given = "".join(f"{json.dumps(event)}\n" for event in events)
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=tmp_path)
        return (done.stdout + done.stderr).strip()

    whole = f"All {tree.size} leaves of {tree.origin} are here, as they were signed by {tree.origin}."
    assert says(events) == says([*events, *reversed(events)]) == whole
    assert says(events[:7] + events[8:]) == "Leaf 7 is missing."
    altered = events[7] | {"_raw": str(events[7]["_raw"]).replace("thing", "THING")}
    assert says([*events, altered]) == "Leaf 7 is not what its hash was made of."
    rewritten = altered | {"leaf_hash": leaf_hash(str(altered["_raw"]).encode()).hex()}
    assert says([*events, rewritten]) == "These leaves do not lead to the root that was signed."


def test_what_is_not_signed_yet_is_not_sent(signed_log: SignedLog, receiver: Receiver) -> None:
    signed = signed_log.sequence_in([5]).size
    signed_log.write(5)
    while sequencer.integrate(Tree.objects.get()):
        pass
    stream = receiver.stream()
    assert (caught_up(stream), caught_up(stream)) == (signed, signed)
    tree = signed_log.sequence()
    assert tree.size > signed
    assert caught_up(stream) == tree.size
    got = receiver.after(tree.size)
    assert sorted(set(indexes(got))) == list(range(tree.size))
    assert {one.size for one in got} <= {signed, tree.size}


def test_texts_of_all_languages_and_the_largest_leaf_arrive(signed_log: SignedLog, receiver: Receiver) -> None:
    words = '"quoted" \\ ] [ | ü ✓ 漢字 \t\n\r'
    record(Kind.PAGE_READ, subject=words, actor=system("tests"), team="", detail={"words": words})
    record(Kind.PAGE_READ, subject="large", actor=system("tests"), team="", detail={"words": "ü\\" * 15_000})
    tree = signed_log.sequence()
    caught_up(receiver.stream(batch_bytes=1000))
    got = receiver.after(tree.size)
    assert [one.hash for one in got] == [leaf_hash(one.text.encode()).hex() for one in got]
    assert max(len(one.text.encode()) for one in got) > 60_000


@pytest.mark.parametrize("how", ["gone", "silent", "dripping", "garbage"])
def test_a_receiver_that_misbehaves_fails_in_time_and_is_given_all_of_it_later(
    signed_log: SignedLog, receiver: Receiver, how: str
) -> None:
    signed_log.sequence_in([5])
    with misbehaving(how, HTTP) as port:
        assert not step(receiver.stream(timeout=1, **receiver.elsewhere(port)))
    outlet = Outlet.objects.get()
    assert outlet.reached == 0
    assert outlet.error
    assert ("within 1 seconds" in outlet.error) == (
        how == "silent" or (how == "dripping" and receiver.config["kind"] != "syslog")
    )
    size = signed_log.sequence().size
    caught_up(receiver.stream())
    assert indexes(receiver.after(size)) == list(range(size))


def test_what_the_publisher_did_not_get_to_write_down_is_sent_again(
    signed_log: SignedLog, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed between the receiver's answer and the commit of the cursor."""
    signed_log.sequence_in([20])
    assert step(receiver.stream(batch_leaves=10))
    reached = Outlet.objects.get().reached
    signed_log.sequence_in([20])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    killed_one = receiver.stream(batch_leaves=10)
    with monkeypatch.context() as patched:
        patched.setattr("audit.outlets._reached", killed)
        with pytest.raises(KeyboardInterrupt):
            step(killed_one)
    assert Outlet.objects.get().reached == reached
    size = signed_log.sequence_in([20]).size
    caught_up(receiver.stream(batch_leaves=10))
    got = receiver.after(size)
    assert len(got) > size
    assert sorted({(one.origin, one.index) for one in got}) == [(Tree.objects.get().origin, i) for i in range(size)]


def test_a_month_that_was_dropped_before_is_told_and_holds_up_nothing(
    signed_log: SignedLog, receiver: Receiver, committed: str, tmp_path: Path, settings: Any
) -> None:
    settings.STATE_DIR = tmp_path
    old = months_ago(14)
    signed_log.sequence()
    Past(committed, signed_log).write(30, old)
    signed_log.sequence_in([5])
    with as_migrator():
        drop_month(month(old), actor=MIGRATION)
        tree = signed_log.sequence()
    assert caught_up(receiver.stream()) == tree.size
    got = receiver.after(tree.size)
    assert indexes(got) == list(range(tree.size))
    gone = [one for one in got if one.gone]
    assert {one.gone for one in gone} == {"dropped"}
    assert len(gone) == 30
    hashes = [bytes(digest).hex() for digest in Leaf.objects.order_by("idx").values_list("leaf_hash", flat=True)]
    assert [one.hash for one in got] == hashes
    assert gone[0].text == (
        f'{{"gone":"dropped","hash":"{gone[0].hash}","index":{gone[0].index},"origin":"{tree.origin}"}}'
    )


def test_a_record_that_somebody_removed_is_told_as_missing(adversary: Adversary, receiver: Receiver) -> None:
    adversary.sql.execute("DELETE FROM audit_record WHERE id = (SELECT record_id FROM audit_leaf WHERE idx = 7)")
    size = caught_up(receiver.stream())
    assert {one.index: one.gone for one in receiver.after(size) if one.gone} == {7: "missing"}


def test_a_record_that_somebody_altered_no_longer_has_its_hash(adversary: Adversary, receiver: Receiver) -> None:
    adversary.edit_leaf(7)
    size = caught_up(receiver.stream())
    got = receiver.after(size)
    assert [one.index for one in got if leaf_hash(one.text.encode()).hex() != one.hash] == [7]


def test_a_place_that_somebody_removed_is_an_alarm(adversary: Adversary, receiver: Receiver) -> None:
    adversary.sql.execute("DELETE FROM audit_leaf WHERE idx = 7")
    assert not step(receiver.stream(batch_leaves=500))
    assert "Places are missing in the log between leaf 0 and leaf 500." in Outlet.objects.get().error
    assert receiver.got() == []


def test_a_stream_that_begins_now_has_no_gap_from_there(signed_log: SignedLog, receiver: Receiver) -> None:
    begin = signed_log.sequence_in([20]).size
    stream = receiver.stream(begin="now")
    assert caught_up(stream) == begin
    assert receiver.got() == []
    size = signed_log.sequence_in([20]).size
    assert caught_up(stream) == size
    assert indexes(receiver.after(size - begin)) == list(range(begin, size))


def test_the_tree_after_a_restore_is_sent_from_its_first_leaf(signed_log: SignedLog, receiver: Receiver) -> None:
    """Its origin is another one, and so is the key of each event."""
    first = signed_log.sequence_in([5])
    stream = receiver.stream(begin="now")
    caught_up(stream)
    size = signed_log.sequence_in([5]).size
    begin_next_tree(signed_log)
    second = signed_log.sequence_in([3])
    caught_up(stream)
    caught_up(stream)
    got = receiver.after(size - first.size + second.size)
    assert [(one.origin, one.index) for one in got] == [
        *((first.origin, index) for index in range(first.size, size)),
        *((second.origin, index) for index in range(second.size)),
    ]
