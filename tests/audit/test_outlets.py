"""What leaves the house, and what is told when it cannot."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured

from audit import anchors, fsck, outlets, publishing, sequencer, standing
from audit.models import Checkpoint, Cosignature, LogKey, Outlet, Receipt, Record, Tree, Waiting
from audit.outlets import Anchoring, OutletFailed, Way, covered, step, uncovered_since
from audit.signing import SignerClient
from audit.verify import VKey, open_note
from audit.vocabulary import Kind
from tests.audit.bundles import changed_base64
from tests.audit.conftest import Adversary, SignedLog
from tests.audit.witnesses import Running
from tests.audit.witnesses import Witness as Program
from tests.services import services


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path / "witness")


@pytest.fixture
def witness(program: Program, signed_log: SignedLog) -> Iterator[Running]:
    signed_log.sequence_in([300])
    program.watch(LogKey.objects.get().vkey)
    with program.start() as running:
        yield running


def way_to(program: Program, running: Running) -> outlets.Witness:
    return outlets.Witness(vkey=program.vkeys[0], url=running.url)


def test_a_witness_signs_each_tree_that_continues_the_last(
    signed_log: SignedLog, program: Program, witness: Running
) -> None:
    way = way_to(program, witness)
    assert step(way)
    signed_log.sequence_in([400])
    assert step(way)
    assert step(way)  # nothing new
    tree = Tree.objects.get()
    vkeys = [VKey.parse(LogKey.objects.get().vkey), VKey.parse(program.vkeys[0])]
    for row in Cosignature.objects.all():
        note = Checkpoint.objects.get(size=row.size).note
        checkpoint, names = open_note(note + row.line, vkeys)
        assert (checkpoint.size, set(names)) == (row.size, {tree.origin, way.name})
    assert Cosignature.objects.count() == 2
    outlet = Outlet.objects.get()
    assert (outlet.name, outlet.kind, outlet.reached, outlet.error) == (way.name, "witness", tree.size, "")
    assert covered(tree) == tree.size
    assert uncovered_since(tree) is None


def test_each_cosignature_is_checked_with_the_keys_that_were_given(
    signed_log: SignedLog, program: Program, witness: Running, adversary: Adversary, settings: LazySettings
) -> None:
    way = way_to(program, witness)
    assert step(way)
    signed_log.sequence()
    line, size = Cosignature.objects.get().line, Cosignature.objects.get().size
    under = f"The cosignature of {way.name} under {size} leaves of {Tree.objects.get()}:"

    def found(**forged: object) -> list[str]:
        columns, values = ", ".join(f"{column} = %s" for column in forged), list(forged.values())
        adversary.sql.execute(f"UPDATE audit_cosignature SET {columns}".encode(), values)
        report = fsck.check()
        assert (report.cosignatures, report.unchecked) == (1, 0)
        return report.findings

    settings.PUBLISHING = f"witnesses: [{{key: {way.vkey}, url: {way.url}}}]"
    assert found(line=line) == []
    assert found(line="x\n") == [f"{under} 'x' is not a signature of a note."]
    name, encoded = line.split()[1:]
    assert found(line=f"— {name} {changed_base64(encoded)}\n")[0].startswith(f"{under} The signature by {way.name}")
    assert found(line=line * 2) == [f"{under} its line is not one line of this witness."]
    assert found(line=line, at="2020-01-01Z") == [f"{under} its row tells another moment than was signed."]
    larger = Checkpoint.objects.order_by("-size")[0].size
    assert found(size=larger)[0].startswith(f"The cosignature of {way.name} under {larger} leaves")
    settings.PUBLISHING = ""
    report = fsck.check()
    assert (report.findings, report.unchecked) == ([], 1)
    assert "               1 of them not checked: by keys that the publishing file does not name" in fsck.lines(report)


def test_the_database_forgets_how_far_the_witness_came(
    signed_log: SignedLog, program: Program, witness: Running
) -> None:
    assert step(way_to(program, witness))
    Outlet.objects.update(reached=7)
    signed_log.sequence_in([5])
    assert step(way_to(program, witness))
    assert Outlet.objects.get().reached == Tree.objects.get().size


def test_a_rewritten_log_is_not_cosigned(
    signed_log: SignedLog, program: Program, witness: Running, adversary: Adversary
) -> None:
    """Whoever also had the signer's key would still meet the witness."""
    assert step(way_to(program, witness))
    adversary.edit_leaf(3)
    adversary.derive()
    adversary.sql.execute("DELETE FROM audit_checkpoint")
    store = signed_log.signer.signer.store
    store.write("trees", "{}")  # the thief of the key also makes it forget
    signed_log.write(10)
    while sequencer.integrate(Tree.objects.get()):
        pass
    sequencer.sign(Tree.objects.get(), signed_log.signer)
    assert not step(way_to(program, witness))
    assert "422" in Outlet.objects.get().error
    assert Record.objects.filter(kind=Kind.OUTLET_FAILED).count() == 1


@dataclass
class Doubtful:
    """A way that fails as long as it is told to."""

    faults: list[str] = field(default_factory=list)
    name: str = "doubtful"
    kind: str = "file"
    every: float = 0.0

    def advance(self, tree: Tree, reached: int) -> int:
        if self.faults:
            raise OutletFailed(self.faults.pop())
        return tree.size


def test_failing_and_recovering_are_told_once_each(signed_log: SignedLog) -> None:
    signed_log.sequence()
    way = Doubtful(["second fault", "first fault"])
    assert [step(way), step(way)] == [False, False]
    outlet = Outlet.objects.get()
    assert outlet.failing_since
    assert outlet.error == "second fault"
    assert [step(way), step(way)] == [True, True]
    assert Outlet.objects.filter(failing_since=None, error="", reached=Tree.objects.get().size).exists()
    told = Record.objects.filter(subject="doubtful").order_by("at").values_list("kind", flat=True)
    assert list(told) == [Kind.OUTLET_FAILED, Kind.OUTLET_RECOVERED]


def test_one_that_hangs_holds_up_no_other(signed_log: SignedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_log.sequence()
    release, done = threading.Event(), threading.Event()

    def advance(self: Doubtful, tree: Tree, reached: int) -> int:
        if self.name == "hangs":
            release.wait(20)
        else:
            done.set()
        return tree.size

    monkeypatch.setattr(Doubtful, "advance", advance)
    stop = threading.Event()
    ways: list[Way] = [Doubtful(name="hangs"), Doubtful(name="works", every=60.0)]
    threads = outlets.start(ways, stop)
    assert done.wait(20)
    stop.set()
    release.set()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def test_an_anchor_leaves_a_receipt_and_a_record(signed_log: SignedLog, tmp_path: Path) -> None:
    tree = signed_log.sequence_in([20])
    way = Anchoring("notary", anchors.build({"kind": "file", "path": str(tmp_path / "anchored")}))
    assert step(way)
    receipt = Receipt.objects.get()
    told = Record.objects.get(kind=Kind.CHECKPOINT_ANCHORED)
    assert (receipt.size, receipt.anchor, receipt.kind) == (tree.size, "notary", "file")
    assert bytes(receipt.data)
    assert f'"size":{tree.size}'.encode() in bytes(told.leaf)
    assert Checkpoint.objects.get(size=tree.size).note in (tmp_path / "anchored").read_text()
    assert covered(tree) == tree.size


FILE = """
witnesses:
  - key: {vkey}
    url: https://witness.example
anchors:
  - name: notary
    kind: file
    path: {path}
    every: 60
"""


def test_the_publishing_file_names_the_ways(program: Program, tmp_path: Path) -> None:
    ways = publishing.read(FILE.format(vkey=program.vkeys[0], path=tmp_path / "anchored"))
    assert [(way.name, way.kind, way.every) for way in ways] == [
        (VKey.parse(program.vkeys[0]).name, "witness", 10.0), ("notary", "file", 60.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("witnesses: [{key: rubbish, url: https://w}]", "witnesses, rubbish: .* is not a verifier key"),
        ("witnesses: [{url: https://w}]", "witnesses, an entry: 'key' is missing"),
        ("anchors: [{kind: file, path: /x}]", "anchors, an entry: 'name' is missing"),
        ("anchors: [{name: a, kind: telepathy}]", "anchors, a: "),
        ("anchors: [text]", "anchors: each entry is a set of keys and values"),
        ("others: []", "holds anchors, streams, witnesses, and nothing else"),
        ("- a", "holds anchors, streams, witnesses, and nothing else"),
        ("a: [", "is not YAML"),
        ("anchors: [{name: a, kind: file, path: /x}, {name: a, kind: file, path: /y}]", "Two entries .* named a"),
    ],
)
def test_a_wrong_publishing_file_says_where(text: str, says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        publishing.read(text)


def pass_an_hour(database: str) -> None:
    """For all that is written by now."""
    with services().superuser(database) as superuser:
        superuser.execute("""
            SET session_replication_role = replica;
            UPDATE audit_waiting SET at = at - interval '1 hour';
            UPDATE audit_leaf SET at = at - interval '1 hour';
            UPDATE audit_checkpoint SET at = at - interval '1 hour';
            UPDATE audit_tree SET opened_at = opened_at - interval '1 hour';
        """)


@pytest.fixture
def waits(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    monkeypatch.setattr(standing, "REMEMBERED", 0.0)
    settings.MAX_UNANCHORED = 600.0
    return standing.why_risky_actions_wait


@pytest.fixture
def notary(tmp_path: Path) -> Way:
    return Anchoring("notary", anchors.build({"kind": "file", "path": str(tmp_path / "anchored")}))


def test_risky_actions_wait_while_nobody_outside_knows(
    signed_log: SignedLog, committed: str, waits: Callable[[], str], notary: Way, settings: LazySettings
) -> None:
    assert waits() == "The log has no tree yet."
    signed_log.sequence()
    assert waits() == ""
    pass_an_hour(committed)
    assert "no witness and no anchor has taken the log; after 600 risky actions wait" in waits()
    step(notary)
    assert waits() == ""
    signed_log.write()
    signed_log.sequence()
    assert waits() == ""
    pass_an_hour(committed)
    assert "risky actions wait" in waits()
    settings.MAX_UNANCHORED = 0.0
    assert waits() == ""


def test_risky_actions_wait_while_records_have_no_place_in_a_signed_tree(
    signed_log: SignedLog, committed: str, waits: Callable[[], str], notary: Way
) -> None:
    """A sequencer that is killed says nothing."""
    tree = signed_log.sequence()
    step(notary)
    signed_log.write(5)
    assert waits() == ""
    pass_an_hour(committed)
    assert "risky actions wait" in waits()
    while sequencer.integrate(tree):
        pass
    assert not Waiting.objects.exists()
    assert "risky actions wait" in waits()
    signed_log.sequence()
    step(notary)
    assert waits() == ""


def test_risky_actions_wait_at_once_while_nothing_can_be_signed(
    signed_log: SignedLog, waits: Callable[[], str], notary: Way, tmp_path: Path
) -> None:
    signed_log.sequence()
    step(notary)
    assert waits() == ""
    alone = sequencer.Sequencer(SignerClient(tmp_path / "nobody"), heart=lambda _: None)
    assert not alone._work()
    assert waits().startswith("Nothing is signed: The signer does not answer")
    assert sequencer.Sequencer(signed_log.signer, heart=lambda _: None)._work()
    assert waits() == ""
