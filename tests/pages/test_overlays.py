"""A document imported together with an overlay: what it adds, what it changes later, and what it may never do."""

import hashlib
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from audit.models import Record
from console.accounts.models import Team
from console.core.errors import Invalid
from examples.demo.people import acting
from integrations.amend import Wanted, decide_amendments, review_operation
from integrations.models import Amendment, Integration, Operation
from integrations.queries import amendments_of, genuine
from tests.pages.conftest import Enter
from tests.pages.test_connect_page import ADDRESS, GIVEN, hand_in, text
from tests.pages.test_importing import DOCUMENT, changed, imported

EVIDENCE = "https://docs.example.com/keys, read 2026-11"
OVERLAY = f"""
overlay: parcels
title: Parcels
operations:
  addParcel:
    categories: [financial]
    idempotency: {{mode: native_key, header: X-Once, evidence: "{EVIDENCE}"}}
    success: {{when: ok}}
rules:
  - {{methods: [GET], paths: ["/**"], success: {{when: ok}}}}
"""
OTHER = OVERLAY.replace("X-Once", "X-Key")
LOST = OVERLAY + "  - {methods: [PATCH], paths: [/boxes], effect: write}\n"
KEYED = {"mode": "native_key", "header": "X-Once", "evidence": EVIDENCE}


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


def add() -> Operation:
    return Operation.objects.get(slug="add_parcel")


def post(client: Client, overlay: bytes, document: dict[str, Any] = DOCUMENT) -> Any:
    file = SimpleUploadedFile("overlay.yaml", overlay)
    return hand_in(client, {**GIVEN, "document": json.dumps(document), "overlay": file})


def test_its_facts_become_part_of_the_description_and_trust_does_not(office: Team) -> None:
    outcome = imported(DOCUMENT, overlay=OVERLAY)
    assert (outcome.overlaid, outcome.report.unapplied) == (2, [])
    row = add()
    assert (row.effect, row.categories, row.idempotency, row.trust) == (
        "write",
        ["financial"],
        "native_key",
        "imported",
    )
    assert (row.description["idempotency"], row.description["success"]) == (KEYED, {"when": "ok"})
    assert genuine(row)
    told = json.loads(bytes(Record.objects.get(kind="integrations:integration:imported").leaf))["detail"]
    assert (told["overlay"], told["unapplied"]) == (hashlib.sha256(OVERLAY.encode()).hexdigest(), 0)


def test_without_one_the_record_says_so(office: Team) -> None:
    imported(DOCUMENT)
    told = json.loads(bytes(Record.objects.get(kind="integrations:integration:imported").leaf))["detail"]
    assert told["overlay"] == ""


def test_the_same_document_and_overlay_change_nothing(office: Team) -> None:
    imported(DOCUMENT, overlay=OVERLAY)
    before = list(Operation.objects.values())
    again = imported(DOCUMENT, overlay=OVERLAY)
    assert (again.added, again.changed, again.gone) == ([], [], [])
    assert list(Operation.objects.values()) == before


@pytest.mark.parametrize(
    ("first", "then", "differs"),
    [
        (OVERLAY, OTHER, ["add_parcel"]),
        ("", OVERLAY, ["add_parcel", "list_parcels"]),
        (OVERLAY, "", ["add_parcel", "list_parcels"]),
        (OVERLAY, OVERLAY + "# and a comment\n", []),
        (OVERLAY, LOST, []),
    ],
)
def test_another_overlay_waits_for_a_person_like_another_document(
    office: Team, first: str, then: str, differs: list[str]
) -> None:
    imported(DOCUMENT, overlay=first)
    before = list(Operation.objects.values())
    assert sorted(imported(DOCUMENT, overlay=then).changed) == differs
    assert list(Operation.objects.values()) == before
    assert sorted(one.operation.slug for one in Amendment.objects.filter(state="quarantined")) == differs


def test_what_changes_is_shown_and_rules_once_it_is_adopted(office: Team) -> None:
    integration = imported(DOCUMENT, overlay=OVERLAY).integration
    imported(DOCUMENT, overlay=OTHER)
    (change,) = amendments_of(integration).waiting
    lines = [(line.sign, line.text) for line in change.lines]
    assert ("-", "  header: X-Once") in lines
    assert ("+", "  header: X-Key") in lines
    waits = Amendment.objects.get(state="quarantined")
    shown = [Wanted(waits.id, bytes(waits.digest).hex())]
    assert decide_amendments(integration, shown, adopt=True, actor=acting("mira")) == ["add_parcel"]
    assert (add().description["idempotency"]["header"], add().trust) == ("X-Key", "imported")
    assert imported(DOCUMENT, overlay=OTHER).changed == []


def test_what_a_person_has_reviewed_no_overlay_touches(office: Team) -> None:
    imported(DOCUMENT, overlay=OVERLAY)
    said = {"effect": "write", "categories": ["legal"], "idempotency": {"mode": "none", "evidence": "tried it"}}
    row = review_operation(add(), said, seen=bytes(add().digest).hex(), actor=acting("mira"))
    assert imported(DOCUMENT, overlay=OTHER).changed == []
    assert imported(DOCUMENT).changed == ["list_parcels"]
    newer = changed("/parcels", **{**DOCUMENT["paths"]["/parcels"], "post": {"operationId": "addParcel"}})
    imported(newer, overlay=OTHER)
    after = Amendment.objects.get(operation=row, state="quarantined").after
    assert {name: after[name] for name in said} == said
    assert "success" not in after


def test_what_is_no_overlay_stores_nothing(office: Team) -> None:
    with pytest.raises(Invalid, match="evidence"):
        imported(DOCUMENT, overlay=OVERLAY.replace(EVIDENCE, "a friend"))
    assert not Integration.objects.filter(slug="parcels").exists()


# On the pages


def test_the_form_takes_one_and_the_page_tells_what_it_did(mira: Client) -> None:
    assert '<label for="overlay">Overlay</label>' in text(mira.get(ADDRESS))
    page = text(post(mira, OVERLAY.encode()))
    assert "2 operations added" in page
    assert "The overlay says more of 2." in page
    assert "Not everything in the overlay was applied." not in page
    assert add().description["idempotency"] == KEYED


def test_what_was_not_applied_stands_at_the_top(mira: Client) -> None:
    page = text(post(mira, LOST.encode()))
    assert "2 operations added" in page
    assert '<p class="notice stop" role="alert"><b>Not everything in the overlay was applied.</b>' in page
    assert 'Said by the overlay and not applied <span class="n">1</span>' in page
    assert "nothing of the document matches <bdi>/boxes</bdi>" in page or "matches /boxes" in page
    assert page.index("not applied") < page.index("Left out")


@pytest.mark.parametrize(
    ("overlay", "says"),
    [(b"\xff\xfe", "The overlay is not UTF-8."), (b"overlay: x", "&#x27;title&#x27; is a required")],
)
def test_an_overlay_that_cannot_be_read_is_said(mira: Client, overlay: bytes, says: str) -> None:
    answer = post(mira, overlay)
    assert answer.status_code == 422
    assert says in text(answer)
    assert 'value="Parcels &lt;b&gt;"' in text(answer)
    assert not Integration.objects.filter(slug="parcels").exists()


def test_a_review_begins_with_what_the_overlay_says(mira: Client) -> None:
    post(mira, OVERLAY.encode())
    page = text(mira.get(f"/integrations/operation/{add().id}/"))
    assert f'name="evidence" value="{EVIDENCE}"' in page
    assert 'name="header" value="X-Once"' in page
    assert 'name="mode" value="native_key" checked' in page
    assert "success: when: ok" in page
