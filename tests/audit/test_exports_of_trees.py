"""Exports after a restore: of the tree that it closed, and of the one in which the log goes on."""

from pathlib import Path

import pytest
from django.test import Client

from audit import trees
from audit.models import Checkpoint, Export, LogKey, Tree
from audit.verify import leaf_hash
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.errors import Conflict, Invalid
from tests.accounts.conftest import acting
from tests.audit.conftest import hashes_of
from tests.audit.exports import ask, contents, manifest, records, state, told, verified, write
from tests.audit.restoring import House, broken, house
from tests.services import services

__all__ = ["broken", "house", "state"]

FORM = "/audit/exports/new/"


@pytest.fixture
def after(broken: House) -> House:
    """The log has gone on in its second tree."""
    broken.sign("mira")
    broken.sign("max")
    broken.write(7)
    broken.sequence()
    return broken


@pytest.fixture
def theo(after: House) -> Actor:
    return acting(after.people["theo"])


@pytest.fixture
def browser(after: House) -> Client:
    client = Client(headers={"host": "localhost"})
    client.force_login(after.people["theo"])
    return client


def closed() -> Tree:
    return Tree.objects.get(number=1)


def note_of(tree: Tree) -> str:
    found = trees.newest_checkpoint(tree)
    assert found is not None
    return found.note


def key_of(tree: Tree) -> str:
    return LogKey.objects.get(tree=tree).vkey


# The tree is chosen


@pytest.mark.parametrize("form", ["bundle", "jsonl", "csv", "ocsf", "parquet"])
def test_what_was_signed_of_the_closed_tree_is_exported_in_each_form(theo: Actor, form: str) -> None:
    export = write(ask(form, by=theo, tree=1))
    signed = Checkpoint.objects.filter(tree=closed()).latest("size").size
    assert (export.tree, export.begin, export.end, export.records) == (closed(), 0, signed, signed)
    assert manifest(export)["origin"] == closed().origin
    assert closed().origin.encode() in contents(export)["README.txt"]


def test_bundle_of_the_closed_tree_is_proven_by_the_old_key(theo: Actor, state: Path) -> None:
    export = write(ask(by=theo, tree=1))
    verdicts = verified(export, state, "--key", key_of(closed()))
    assert (verdicts["integrity"], verdicts["completeness"], verdicts["identity"]) == ("ok", "ok", "ok")
    leaves = contents(export)["leaves.jsonl"].splitlines()
    assert list(map(leaf_hash, leaves)) == hashes_of(closed())
    assert verified(export, state, "--key", key_of(Tree.objects.get(number=2)))["identity"] == "failed"


def test_without_a_choice_it_is_the_tree_in_which_the_log_goes_on(theo: Actor, state: Path) -> None:
    asked = ask(by=theo)
    assert asked.tree is None
    export = write(asked)
    assert export.tree == trees.open_tree() == Tree.objects.get(number=2)
    assert "failed" not in verified(export, state, "--key", key_of(Tree.objects.get(number=2))).values()


def test_record_of_the_request_tells_the_tree_that_was_chosen(theo: Actor) -> None:
    ask("jsonl", by=theo, tree=1)
    ask("jsonl", by=theo)
    assert told(Kind.EXPORT_REQUESTED) == [
        {"form": "jsonl", "filter": {}, "tree": 1}, {"form": "jsonl", "filter": {}},
    ]  # fmt: skip


def test_tree_that_there_is_not_is_refused(theo: Actor) -> None:
    for number in (0, 3, -1):
        with pytest.raises(Invalid, match=f"This log has no tree {number}"):
            ask(by=theo, tree=number)


def test_closed_tree_without_a_signature_is_refused(after: House, theo: Actor) -> None:
    with services().superuser(after.database) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DELETE FROM audit_checkpoint WHERE tree_id = %s", [closed().pk])
    with pytest.raises(Conflict, match="was signed before it was closed"):
        ask(by=theo, tree=1)


# The checkpoint that was kept


def test_kept_checkpoint_is_checked_against_the_tree_that_is_chosen(theo: Actor, state: Path) -> None:
    kept = Checkpoint.objects.filter(tree=closed()).earliest("size").note
    export = write(ask(by=theo, tree=1, previous=kept))
    assert contents(export)["previous-checkpoint"].decode() == kept
    (state / "kept").write_text(kept)
    verdicts = verified(export, state, "--key", key_of(closed()), "--since", str(state / "kept"))
    assert "failed" not in verdicts.values()
    assert verdicts["history"] == "ok"


@pytest.mark.parametrize(("chosen", "of"), [(None, 1), (2, 1), (1, 2)])
def test_kept_checkpoint_of_another_tree_says_which_to_choose(theo: Actor, chosen: int | None, of: int) -> None:
    kept = Tree.objects.get(number=of)
    with pytest.raises(Invalid, match=f"is of {kept}. Choose the tree {kept} to hand it in"):
        ask(by=theo, tree=chosen, previous=note_of(kept))
    assert not Export.objects.exists()


def test_kept_checkpoint_keeps_the_export_to_the_tree_that_it_was_checked_against(theo: Actor) -> None:
    opened = Tree.objects.get(number=2)
    assert ask(by=theo, previous=note_of(opened)).tree == opened


def test_kept_checkpoint_of_what_the_restore_lost_is_no_alarm(theo: Actor) -> None:
    kept = closed().remembered
    with pytest.raises(Conflict, match="A restore lost the end of") as refused:
        ask(by=theo, tree=1, previous=kept)
    assert refused.value.code == "lost"
    assert records(Kind.ALARM_TAMPERED) == []


def test_kept_checkpoint_of_more_than_the_restore_told_of_is_an_alarm(after: House, theo: Actor) -> None:
    kept, told_less = closed().remembered, note_of(closed())
    with services().superuser(after.database) as superuser:
        superuser.execute("UPDATE audit_tree SET remembered = %s WHERE number = 1", [told_less])
    with pytest.raises(Conflict, match="was handed in, and the log has"):
        ask(by=theo, tree=1, previous=kept)
    assert [one.subject for one in records(Kind.ALARM_TAMPERED)] == [closed().origin]


# The page, and programs


def test_form_offers_the_trees_the_open_one_first(browser: Client) -> None:
    page = browser.get(FORM).content.decode()
    first, second = trees.all_trees()
    assert page.index(f'<option value="">{first}, the log goes on in it') < page.index(
        f'<option value="1">{second}, ended by a restore on '
    )
    assert '<option value="1" selected>' in browser.get(FORM, {"tree": "1"}).content.decode()


def test_form_of_a_log_that_was_never_restored_offers_no_tree(house: House) -> None:
    house.sequence()
    client = Client(headers={"host": "localhost"})
    client.force_login(house.people["theo"])
    assert 'name="tree"' not in client.get(FORM).content.decode()


def test_tree_goes_through_the_form_to_the_page_and_to_programs(browser: Client) -> None:
    answer = browser.post(FORM, {"form": "jsonl", "tree": "1"})
    export = Export.objects.get()
    assert export.tree == closed()
    page = browser.get(answer["Location"]).content.decode()
    assert f'<dt>Tree</dt><dd class="mono"><bdi>{closed()}</bdi></dd>' in page
    assert f"{FORM}?tree=1" in page
    told = browser.get(f"/api/v1/exports/{export.pk}").json()
    assert (told["tree"], told["origin"], told["state"]) == (1, closed().origin, "requested")
    assert browser.get("/api/v1/exports").json()["items"] == [told]


def test_form_without_a_choice_leaves_the_tree_open(browser: Client) -> None:
    browser.post(FORM, {"form": "jsonl", "tree": ""})
    export = Export.objects.get()
    assert export.tree is None
    told = browser.get(f"/api/v1/exports/{export.pk}").json()
    assert (told["tree"], told["origin"]) == (None, "")


@pytest.mark.parametrize(("given", "said"), [("x", "Choose one of these."), ("9", "This log has no tree 9.")])
def test_tree_that_cannot_be_chosen_is_said(browser: Client, given: str, said: str) -> None:
    answer = browser.post(FORM, {"form": "jsonl", "tree": given})
    assert (answer.status_code, said in answer.content.decode()) == (422, True)
    assert not Export.objects.exists()
