"""A dossier holds one action whole: of a settled one only, for whoever may read it, with a record of the making."""

import hashlib
import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from approvals.dossier import make_dossier
from approvals.models import Review
from audit import sequencer, trees
from audit.models import Record
from audit.verify import Checkpoint, Policy, check_decision, check_inclusion, leaf_hash, open_note
from audit.vocabulary import Kind
from console.accounts.models import User
from console.core.errors import Conflict, Forbidden, NotFound
from examples.demo.people import acting
from tests.audit.conftest import SignedLog, SignerInProcess, agreed_by_two, begin_next_tree
from tests.services import services
from tests.spine.conftest import World, held, proxy, running_standin, standin, world
from tests.spine.test_signing_for import name_sam

__all__ = ["held", "proxy", "running_standin", "standin", "world"]


@pytest.fixture
def signed(held: World, tmp_path: Path) -> SignedLog:
    return SignedLog(SignerInProcess(tmp_path / "signer"))


@pytest.fixture
def settled(held: World, signed: SignedLog) -> Review:
    """Approved with a passkey, and done."""
    review = held.sign(held.review(large=True), reason="Charged <twice>")
    held.settle()
    signed.sequence()
    return Review.objects.get(pk=review.pk)


class Data(HTMLParser):
    """What stands in the block of data, as a browser reads it."""

    inside, text = False, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "script" and ("id", "data") in attrs

    def handle_data(self, data: str) -> None:
        self.text += data if self.inside else ""


def data(page: bytes) -> dict[str, Any]:
    parser = Data()
    parser.feed(page.decode())
    found: dict[str, Any] = json.loads(parser.text)
    return found


def checkpoints(told: dict[str, Any]) -> list[Checkpoint]:
    """Of the trees, each opened with its own keys."""
    return [open_note(tree["checkpoint"], Policy.parse(tree["policy"]).logs)[0] for tree in told["trees"]]


def test_it_holds_what_was_signed_and_sent_with_every_proof(settled: Review) -> None:
    told = data(make_dossier(acting("theo"), settled.id).page)
    [checkpoint] = checkpoints(told)
    leaves = {}
    for one in told["records"]:
        proof = [b64decode(line) for line in one["proof"]]
        check_inclusion(one["index"], checkpoint.size, leaf_hash(one["leaf"].encode()), proof, checkpoint.root)
        leaves[one["index"]] = json.loads(one["leaf"])
    (entry,) = told["decisions"]
    assert check_decision(entry, leaves[entry["index"]], checkpoint) == "passkey"
    assert sorted(leaf["action"] for leaf in leaves.values() if not leaf["action"].startswith("audit:")) == [
        "accounts:passkey:enrolled", "approvals:action:executing", "approvals:action:held",
        "approvals:action:permitted", "approvals:action:proposed", "approvals:action:succeeded",
        "approvals:decision:made", "approvals:review:approved", "approvals:review:open", "integrations:call:sending",
        "integrations:call:succeeded",
    ]  # fmt: skip
    assert (told["request"]["method"], told["request"]["path"]) == ("POST", "/v1/refunds")
    assert {one["path"]: one["value"] for one in told["disclosures"] if one["index"] == entry["index"]} == {
        "name": "Ana Ferreira", "reason": "Charged <twice>"
    }  # fmt: skip


def test_the_making_is_on_record_with_the_digest_of_the_file(settled: Review) -> None:
    made = make_dossier(acting("mira"), settled.id)
    leaf = json.loads(bytes(Record.objects.get(kind=Kind.DOSSIER_MADE).leaf))
    assert (leaf["object"], leaf["actor"]["id"]) == (settled.action_id, acting("mira").id)
    assert leaf["detail"]["digest"] == hashlib.sha256(made.page).hexdigest()
    assert leaf["detail"]["records"] == len(data(made.page)["records"])


def test_it_is_a_file_to_keep_and_no_page_of_the_site(settled: Review) -> None:
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="theo"))
    assert f"/reviews/{settled.id}/dossier" in client.get(f"/reviews/{settled.id}/").content.decode()
    answer = client.get(f"/reviews/{settled.id}/dossier")
    assert answer["Content-Disposition"] == f'attachment; filename="dossier-{settled.action_id}.html"'
    assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_whoever_may_not_read_the_review_gets_none(settled: Review) -> None:
    assert make_dossier(acting("ana"), settled.id).action == settled.action
    with pytest.raises(NotFound):
        make_dossier(acting("sam"), settled.id)
    with pytest.raises(Forbidden):
        make_dossier(acting("jonas"), settled.id)


def test_it_waits_for_the_end_of_the_action_and_for_the_tree(held: World, signed: SignedLog) -> None:
    review = held.review(large=True)
    with pytest.raises(Conflict, match="when the action is settled"):
        make_dossier(acting("theo"), review.id)
    held.sign(review)
    held.settle()
    with pytest.raises(Conflict, match="wait for the tree"):
        make_dossier(acting("theo"), review.id)
    signed.sequence()
    assert make_dossier(acting("theo"), review.id).page


# After a restore


def check(told: dict[str, Any]) -> list[list[str]]:
    """Each record and each signature, in the tree that it is said to stand in; the kinds of the records, by tree."""
    signed = checkpoints(told)
    found: list[list[str]] = [[] for _ in signed]
    for one in told["records"]:
        tree, proof = signed[one["tree"]], [b64decode(line) for line in one["proof"]]
        check_inclusion(one["index"], tree.size, leaf_hash(one["leaf"].encode()), proof, tree.root)
        leaf = json.loads(one["leaf"])
        found[one["tree"]].append(leaf["action"])
        for entry in told["decisions"]:
            if (entry["tree"], entry["index"]) == (one["tree"], one["index"]):
                enrolled = entry["enrolled"]["tree"]
                assert enrolled <= entry["tree"]
                later = entry if enrolled == entry["tree"] else {**entry, "index": signed[enrolled].size}
                assert check_decision(later, leaf, signed[enrolled]) == "passkey"
    return found


@pytest.mark.parametrize("decided", ["before", "after"])
def test_records_on_both_sides_of_a_restore_are_proven_each_in_its_tree(
    held: World, signed: SignedLog, decided: str
) -> None:
    review = held.review(large=True)
    held.authenticator("ana")
    if decided == "before":
        held.sign(review)
    begin_next_tree(signed)
    if decided == "after":
        held.sign(review)
    held.settle()
    signed.sequence()
    told = data(make_dossier(acting("theo"), review.id).page)
    before, after = check(told)
    assert [one.origin for one in checkpoints(told)] == [f"{trees.log_name()}/1", f"{trees.log_name()}/2"]
    assert {"approvals:action:proposed", "accounts:passkey:enrolled"} <= set(before) - set(after)
    assert {"integrations:call:succeeded", "approvals:action:succeeded"} <= set(after) - set(before)
    assert "approvals:decision:made" in (before if decided == "before" else after)
    (name,) = (one for one in told["disclosures"] if one["path"] == "name" and one["value"] == "Ana Ferreira")
    assert name["tree"] == told["decisions"][0]["tree"] == ("before", "after").index(decided)


def test_action_that_ended_before_a_restore_needs_the_old_tree_alone(settled: Review, signed: SignedLog) -> None:
    begin_next_tree(signed)
    for _ in range(2):  # the second time that it was made before is on record in the new tree
        told = data(make_dossier(acting("theo"), settled.id).page)
        (kinds,) = check(told)
        assert "approvals:action:succeeded" in kinds
        assert [one.origin for one in checkpoints(told)] == [f"{trees.log_name()}/1"]
        signed.sequence()


def test_record_that_a_restore_put_into_both_trees_is_proven_where_it_is_signed(
    held: World, signed: SignedLog, committed: str
) -> None:
    review = held.review(large=True)
    first = signed.sequence()
    held.sign(review)
    held.settle()
    tree = signed.sequence()
    newest = trees.newest_checkpoint(tree)
    assert newest is not None
    with services().superuser(committed) as superuser:  # the backup was made before this was signed
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DELETE FROM audit_checkpoint WHERE size > %s", [first.size])
    sequencer.reopen(tree, newest.note, agreed_by_two(tree, newest.note))
    signed.sequence()
    before, after = check(data(make_dossier(acting("theo"), review.id).page))
    assert "approvals:action:proposed" in before
    assert {"approvals:decision:made", "approvals:action:succeeded"} <= set(after) - set(before)


def test_passkey_of_another_team_from_before_a_restore_is_proven_in_the_old_tree(
    world: World, committed: str, tmp_path: Path
) -> None:
    log = SignedLog(SignerInProcess(tmp_path / "signer"))
    world.authenticator("ana")
    with services().superuser(committed) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("UPDATE audit_waiting SET team = 'team_other' WHERE kind = 'accounts:passkey:enrolled'")
    begin_next_tree(log)
    world.begin()
    world.settle()
    review = world.sign(world.review(large=True))
    world.settle()
    log.sequence()
    told = data(make_dossier(acting("theo"), review.id).page)
    before, after = check(told)
    assert (before, told["decisions"][0]["enrolled"]["tree"]) == ([], 0)
    assert {"approvals:action:proposed", "approvals:decision:made"} <= set(after)


def test_what_waits_for_the_new_tree_is_waited_for(held: World, signed: SignedLog) -> None:
    review = held.review(large=True)
    held.sign(review)
    begin_next_tree(signed)
    held.settle()
    with pytest.raises(Conflict, match="wait for the tree"):
        make_dossier(acting("theo"), review.id)


def test_a_description_that_changed_since_is_no_obstacle(settled: Review) -> None:
    operation = settled.action.operation
    altered = "jsonb_set(description::jsonb, '{path}', '\"/v2/refunds\"')"
    with connection.cursor() as cursor:
        change = f"UPDATE integrations_operation SET digest = sha256('x'), description = {altered} WHERE id = %s"
        cursor.execute(change, [operation.pk])
    told = data(make_dossier(acting("theo"), settled.id).page)
    assert (told["document"], told["request"]) == (None, None)
    assert told["rendering"]["sentence"] == settled.action.sentence


def test_no_text_in_it_can_be_markup(settled: Review) -> None:
    action = settled.action
    evil = "</script><script>alert(1)</script><!--\u2028&"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE approvals_action SET says = %s WHERE id = %s", [evil, action.pk])
    page = make_dossier(acting("theo"), settled.id).page.decode()
    assert data(page.encode())["says"] == evil
    assert evil not in page
    assert len(re.findall("<script", page)) == len(re.findall("</script>", page)) == 2


def test_of_a_signature_in_anothers_place_it_names_both(held: World, signed: SignedLog) -> None:
    given = name_sam()
    review = held.sign(held.review(large=True), "sam")
    held.settle()
    signed.sequence()
    told = data(make_dossier(acting("theo"), review.id).page)
    [decision] = told["decisions"]
    payload = json.loads(b64decode(decision["payload"]))
    people = {name: User.objects.get(username=name).pk for name in ("ana", "sam")}
    assert (payload["reviewer"], payload["on_behalf_of"]) == (people["sam"], people["ana"])
    of_it = {one["path"]: one["value"] for one in told["disclosures"] if one["index"] == decision["index"]}
    assert of_it == {"name": "Sam Castellanos", "in_place_of": "Ana Ferreira"}
    leaves = [json.loads(one["leaf"]) for one in told["records"]]
    assert [one["object"] for one in leaves if one["action"] == Kind.DELEGATION_GIVEN] == [given.pk]
    assert check(told)
