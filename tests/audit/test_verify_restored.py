"""A kept checkpoint of the tree before a restore: leaf 0 of the new one has to go on from it, signed by two people."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import sequencer, trees
from audit.exports.files import archive_of
from audit.models import Checkpoint, Export, LogKey, Tree
from audit.note import checkpoint_body
from audit.verify import Checkpoint as Signed
from audit.verify import Mismatch, Options, Source, Verification, VKey, check_restored, is_earlier, open_note
from tests.accounts.conftest import acting
from tests.audit.bundles import changed_base64
from tests.audit.bundles import told as texts
from tests.audit.exports import ask, contents, state, verified, write
from tests.audit.restoring import House, broken, house
from tests.audit.test_javascript import asking
from tests.audit.test_verify_in_javascript import NODE, comparable, differences, in_javascript, in_python, plain
from tests.services import services

__all__ = ["broken", "house", "state"]


@pytest.fixture
def after(broken: House) -> House:
    agree(broken)
    broken.write(7)
    broken.sequence()
    return broken


def agree(house: House) -> Tree:
    """Two admins sign, and the log goes on."""
    house.sign("mira")
    house.sign("max")
    return house.sequence()


def tree(number: int) -> Tree:
    return Tree.objects.get(number=number)


def end_of(number: int) -> str:
    """What an auditor kept who was there to the last."""
    return tree(number).remembered


def key_of(*numbers: int) -> list[VKey]:
    return [VKey.parse(one) for one in LogKey.objects.filter(tree__number__in=numbers).values_list("vkey", flat=True)]


def bundle(house: House, **asked: Any) -> Export:
    return write(ask(by=acting(house.people["theo"]), **asked))


def checked(export: Export, since: str, keys: list[VKey]) -> Verification:
    """By the program, of which the browser says the same."""
    verification = Verification(Source(archive_of(export)), Options(keys, since=since))
    verification.run()
    if NODE:
        options = {"keys": [str(key) for key in keys], "since": since}
        case = {"place": str(archive_of(export)), "archived": True, **options}
        with tempfile.TemporaryDirectory() as folder:
            (theirs,) = in_javascript([case], Path(folder))
        assert differences(comparable(theirs), comparable(in_python(archive_of(export), options))) == []
    return verification


def history(verification: Verification) -> tuple[str, str]:
    others = {name: one.state for name, one in verification.verdicts.items() if name != "history"}
    assert "failed" not in others.values()
    return verification.verdicts["history"].state, texts(verification, "history")


# By the program, over bundles


def test_end_of_the_old_tree_is_followed_into_the_new_one(after: House, state: Path) -> None:
    found = checked(bundle(after), end_of(1), key_of(1, 2))
    size = open_note(end_of(1), key_of(1))[0].size
    people = " and ".join(sorted(after.people[name].id for name in ("mira", "max")))
    assert history(found) == ("ok", (
        f"Since the checkpoint you kept the log goes on after a restore: {tree(1)} ended with {size} leaves,"
        f" {size - tree(1).size} signed leaves were lost, as {people} signed."
    ))  # fmt: skip
    assert size > tree(1).size


def test_checkpoint_from_before_the_end_leaves_open_what_is_not_shown(after: House) -> None:
    kept = Checkpoint.objects.filter(tree=tree(1)).earliest("size")
    verdict, text = history(checked(bundle(after), kept.note, key_of(1, 2)))
    assert verdict == "open"
    assert "goes on after a restore" in text
    assert (
        f"began with the {kept.size} of the checkpoint you kept. Check a bundle of {tree(1)} with it as well." in text
    )
    assert history(checked(bundle(after, tree=1), kept.note, key_of(1)))[0] == "ok"


def test_the_program_remembers_the_new_tree_from_then_on(after: House, state: Path) -> None:
    kept = state / "kept"
    kept.write_text(end_of(1))
    keys = [word for one in key_of(1, 2) for word in ("--key", str(one))]
    export = bundle(after)
    assert verified(export, state, *keys, "--state", str(kept))["history"] == "ok"
    assert kept.read_text() == contents(export)["checkpoint"].decode()
    assert verified(export, state, "--key", str(key_of(2)[0]), "--state", str(kept))["history"] == "ok"


def test_without_the_key_of_the_old_tree_it_is_not_followed(after: House) -> None:
    verdict, text = history(checked(bundle(after), end_of(1), key_of(2)))
    assert (verdict, f"it is of {tree(1)}, and not signed by a key that you gave for that (--key)" in text) == (
        "failed", True,
    )  # fmt: skip


def test_bundle_without_leaf_zero_says_to_begin_at_the_beginning(after: House) -> None:
    verdict, text = history(checked(bundle(after, kind="accounts:"), end_of(1), key_of(1, 2)))
    assert (verdict, "Export from the beginning, without a filter." in text) == ("failed", True)


def test_records_that_do_not_lead_to_the_root_tell_nothing(after: House) -> None:
    export = bundle(after)
    with services().superuser(after.database) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute(
            "UPDATE audit_record SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'thing', 'THING'), 'UTF8')"
            " WHERE subject = 'thing 3'"
        )
    changed = checked(bundle(after), end_of(1), key_of(1, 2))
    assert "nothing is known about it" in texts(changed, "history")
    assert history(checked(export, end_of(1), key_of(1, 2)))[0] == "ok"


def test_checkpoint_of_a_later_tree_is_of_another_log(after: House) -> None:
    kept = trees.newest_checkpoint(tree(2))
    assert kept is not None
    assert (
        f"it is of {tree(2)}, not of {tree(1)}" in history(checked(bundle(after, tree=1), kept.note, key_of(1, 2)))[1]
    )


def test_two_restores_are_followed_one_after_the_other(after: House) -> None:
    backup, first = after.backup(), end_of(1)
    after.write(3)
    after.sequence()
    with after.restored(backup):
        assert not after.goes_on()
        agree(after)
        keys = key_of(1, 2, 3)
        verdict, text = history(checked(bundle(after), first, keys))
        assert (verdict, f"Check a bundle of {tree(2)} with it first" in text) == ("failed", True)
        second = bundle(after, tree=2)
        assert history(checked(second, first, keys))[0] == "ok"
        assert history(checked(bundle(after), contents(second)["checkpoint"].decode(), keys))[0] == "open"
        assert history(checked(bundle(after), end_of(2), keys))[0] == "ok"
    services().drop(backup)


def test_tree_that_was_lost_as_a_whole_is_said_to_have_been(house: House) -> None:
    house.write(5)
    house.sequence()
    backup = house.backup()
    house.write(5)
    house.sequence()
    with house.restored(backup):
        assert not house.goes_on()
        agree(house)
        first, key = end_of(1), key_of(2)
    with house.restored(backup):
        assert not house.goes_on()
        third, lost = agree(house), end_of(1)
        export, size = bundle(house), open_note(lost, key)[0].size
        verdict, text = history(checked(export, first, key_of(1, 3)))
        assert (verdict, f"{third.log}/2 came in between, and was lost as a whole" in text) == ("failed", True)
        verdict, text = history(checked(export, lost, [*key, *key_of(3)]))
        assert verdict == "ok"
        assert f"{third.log}/2 ended with {size} leaves, {size} signed leaves were lost" in text
    services().drop(backup)


# Leaf 0 that does not fit


def test_leaf_zero_that_tells_something_else_is_found(after: House, tmp_path: Path) -> None:
    opened, keys = tree(2), key_of(1)
    questions: list[list[Any]] = []
    answers: list[str] = []
    leaf = json.loads(sequencer.leaf_zero(opened))
    end, _ = open_note(end_of(1), keys)

    def refusal(change: Callable[[dict[str, Any]], object] = lambda _: None, *, old: Signed = end,
                keys: list[VKey] = keys, origin: str = opened.origin) -> str:  # fmt: skip
        told = json.loads(json.dumps(leaf))
        change(told["detail"])
        body = checkpoint_body(*old[:3])
        questions.append(["checkRestored", {"json": told}, body, origin, [str(key) for key in keys]])
        try:
            answers.append(check_restored(json.dumps(told).encode(), old, origin, keys)[1])
        except Mismatch as fault:
            answers.append(f"Mismatch: {fault}")
            return str(fault)
        return ""

    def signatures(detail: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = detail["signatures"]
        return found

    stranger = VKey.parse(LogKey.objects.get(tree=opened).vkey)
    unsigned = end.body + "\n" + opened_line(opened)
    for said, found in {
        "": refusal(),
        "ended otherwise": refusal(old=end._replace(size=end.size + 1)),
        "The log does not tell the truth": refusal(old=end._replace(root=bytes(32))),
        "names another end": refusal(lambda detail: detail.update(size=end.size - 1)),
        "than the checkpoint that it holds": refusal(lambda detail: detail.update(root="00" * 32)),
        "is not signed by the key": refusal(keys=[stranger]),
        "by the key of": refusal(lambda detail: detail.update(note=unsigned)),
        "fewer than two people": refusal(lambda detail: signatures(detail).pop()),
        "have signed that a backup": refusal(lambda detail: detail.update(signatures=signatures(detail)[:1] * 2)),
        "another present size than what": refusal(lambda detail: detail.update(present_size=end.size - 1)),
        "another present root than": refusal(lambda detail: detail.update(present_root="00" * 32)),
        "another after than": refusal(origin=f"{opened.log}/3"),
        "signature of the passkey is wrong": refusal(lambda detail: spoil(signatures(detail)[1], "signature")),
        "something else than the payload": refusal(lambda detail: spoil(signatures(detail)[0], "payload")),
        "console of this log": refusal(origin="elsewhere.example/2"),
        "leaf 0 lacks something (KeyError": refusal(lambda detail: detail.pop("signatures")),
        "lacks something (TypeError": refusal(lambda detail: detail.update(signatures=[1])),
    }.items():
        assert (said in found, bool(said)) == (True, bool(found)), (said, found)
    if NODE:
        assert [plain(one if isinstance(one, str) else one[1]) for one in asking(tmp_path)(questions)] == list(
            map(plain, answers)
        )


def spoil(entry: dict[str, Any], name: str) -> None:
    entry[name] = changed_base64(entry[name])


def opened_line(opened: Tree) -> str:
    """A signature of the new tree's key, which is none of the old tree's."""
    newest = trees.newest_checkpoint(opened)
    assert newest is not None
    return newest.note.rpartition("\n\n")[2]


@pytest.mark.parametrize(
    ("origin", "later", "expected"),
    [
        ("log.example/1", "log.example/2", True), ("log.example/9", "log.example/10", True),
        ("log.example/2", "log.example/2", False), ("log.example/2", "log.example/1", False),
        ("log.example/1", "lag.example/2", False), ("log.example/01", "log.example/2", False),
        ("log.example/-1", "log.example/2", False), ("log.example/²", "log.example/3", False),
        ("log.example", "log.example/2", False), ("log.example/1", "log.example/x", False),
    ],
)  # fmt: skip
def test_trees_of_one_log_differ_in_their_number(origin: str, later: str, expected: bool) -> None:
    assert is_earlier(origin, later) == expected
