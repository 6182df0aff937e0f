"""The overlays among the examples: each can be read, and nothing in it is left over on the document it is for."""

from pathlib import Path

import pytest

from integrations.description import Description, check_said
from integrations.importing import described_in
from integrations.openapi.operations import Imported, import_document
from integrations.openapi.reading import read
from integrations.overlay import lay_over, read_overlay

FILES = {file.stem: file for file in (Path(__file__).parents[2] / "examples/overlays").glob("*.yaml")}
DOCUMENTS = {
    "aws-client-token": "amazonaws.com/ec2.json", "github": "github.com/api.github.com.json",
    "gitlab": "gitlab.com.json", "jira": "atlassian.com/jira.json", "slack": "slack.com.json",
    "stripe": "stripe.com.json",
}  # fmt: skip
UNCHECKED = {"pagerduty"}  # the directory has no document of it
WITHOUT = {"standard-webhooks"}  # says nothing of operations


def laid(name: str, directory: Path) -> tuple[Imported, dict[str, Description]]:
    imported = import_document(read((directory / DOCUMENTS[name]).read_bytes()))
    facts = lay_over(read_overlay(FILES[name].read_text()), imported)
    assert imported.report.unapplied == []
    assert facts
    return imported, {imported.keys[one.slug]: one for one in described_in(imported, facts)}


def test_each_has_its_document_or_says_that_none_is_checked() -> None:
    assert FILES.keys() == DOCUMENTS.keys() | UNCHECKED | WITHOUT
    for name in UNCHECKED:
        assert "no test does" in FILES[name].read_text()


@pytest.mark.parametrize("name", FILES)
def test_each_can_be_read_and_has_evidence_for_what_it_says_of_repeats(name: str) -> None:
    overlay = read_overlay(FILES[name].read_text())
    told = [*overlay.operations.values(), *(rule.facts for rule in overlay.rules)]
    repeats = [facts["idempotency"] for facts in told if "idempotency" in facts]
    assert all("2026-" in one["evidence"] and one["mode"] != "unknown" for one in repeats)


@pytest.mark.long
@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_is_left_over_and_a_review_may_adopt_all_of_it(name: str, directory: Path) -> None:
    _, described = laid(name, directory)
    effects = {one.slug: one.effect for one in described.values()}
    for one in described.values():
        check_said(one, effects)


@pytest.mark.long
def test_what_they_say_arrives_where_it_is_meant(directory: Path) -> None:
    _, payments = laid("stripe", directory)
    posts = [one for key, one in payments.items() if key.startswith("POST ")]
    assert len(posts) > 100
    assert {one.document["idempotency"]["header"] for one in posts} == {"Idempotency-Key"}
    _, chat = laid("slack", directory)
    assert {one.document["success"]["when"] for one in chat.values()} == {"ok"}
    assert chat["POST /chat.postMessage"].mode == "none"
    _, machines = laid("aws-client-token", directory)
    assert machines["GET /#Action=TerminateInstances"].effect == "destructive"
    assert machines["GET /#Action=RunInstances"].effect == "write"
    assert machines["GET /#Action=DescribeInstances"].effect == "read"
