"""Connecting a system by its document: what the admin says is kept, and what could not be read is told."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from console.accounts.models import Team
from integrations.credential_types import TYPES
from integrations.handing_in import read_import
from integrations.models import Import, Integration
from tests.pages.conftest import NOWHERE, Enter
from tests.pages.test_importing import DOCUMENT

ADDRESS = "/integrations/connect/openapi/"
GIVEN = {"title": "Parcels <b>", "slug": "parcels", "base_url": NOWHERE, "credential_type": "bearer"}


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


def text(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def hand_in(client: Client, given: dict[str, Any]) -> Any:
    """What was handed in, as its page tells of it once a worker has read it; or why it was not taken."""
    answer: Any = client.post(ADDRESS, given)
    if answer.status_code != 302:
        return answer
    read_import(Import.objects.latest("asked_at").pk)
    return client.get(answer.url)


def file(data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("document.json", data)


def test_a_file_becomes_an_integration_and_the_report_says_what_was_left_out(mira: Client) -> None:
    answer = hand_in(mira, {**GIVEN, "file": file(json.dumps(DOCUMENT).encode())})
    page = text(answer)
    assert answer.status_code == 200
    assert "<bdi>Parcels &lt;b&gt;</bdi>: 2 operations added" in page
    assert "Of 3 in the document" in page
    assert "GET /parcels/{id" in page
    assert "the braces of its path do not match" in page
    integration = Integration.objects.get(slug="parcels")
    assert (integration.title, integration.base_url, integration.credential_type) == (
        "Parcels <b>", NOWHERE, "bearer",
    )  # fmt: skip
    assert "List" in text(mira.get("/integrations/parcels/"))


def test_pasted_text_counts_where_there_is_no_file(mira: Client) -> None:
    assert hand_in(mira, {**GIVEN, "document": json.dumps(DOCUMENT)}).status_code == 200
    again = text(hand_in(mira, {**GIVEN, "document": json.dumps(DOCUMENT | {"components": {}})}))
    assert "0 operations added" in again
    assert "Nothing in it is new." in again
    assert 'Described otherwise than before <span class="n">1</span>' in again


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "Choose the document, or paste it."),
        ({"document": json.dumps(DOCUMENT), "base_url": "ftp://x"}, "The base URL must be"),
        ({"document": json.dumps(DOCUMENT), "slug": "No Slug"}, "short name"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_is_kept(mira: Client, given: dict[str, str], says: str) -> None:
    answer = hand_in(mira, {**GIVEN, **given})
    page = text(answer)
    assert answer.status_code == 422
    assert says in page
    assert 'value="Parcels &lt;b&gt;"' in page
    assert not Integration.objects.filter(slug="parcels").exists()


@pytest.mark.parametrize(
    ("document", "says"), [("{", "This is not JSON"), ('{"swagger": "2.0"}', "This is Swagger 2.0")]
)
def test_a_document_that_cannot_be_read_is_told_on_its_page(mira: Client, document: str, says: str) -> None:
    page = text(hand_in(mira, {**GIVEN, "document": document}))
    assert "Nothing was imported." in page
    assert says in page
    assert not Integration.objects.filter(slug="parcels").exists()


def test_fields_that_are_missing_are_named(mira: Client) -> None:
    answer = hand_in(mira, {"document": json.dumps(DOCUMENT)})
    assert answer.status_code == 422
    assert text(answer).count("This field is required.") == 4


SIGNED = {"credential_type": "sigv4", "sigv4-region": "eu-west-1", "sigv4-service": "parcels", "header-header": "X-K"}


def test_what_the_chosen_way_to_sign_in_has_to_know_is_kept_and_told(mira: Client) -> None:
    given = {**GIVEN, **SIGNED, "document": json.dumps(DOCUMENT)}
    assert hand_in(mira, given).status_code == 200
    integration = Integration.objects.get(slug="parcels")
    assert integration.credential == {"type": "sigv4", "region": "eu-west-1", "service": "parcels"}
    page = text(mira.get("/integrations/parcels/"))
    assert "AWS Signature Version 4, region eu-west-1, service parcels" in page
    other = hand_in(mira, {**given, "sigv4-region": "us-east-1"})
    assert (other.status_code, "region eu-west-1" in text(other)) == (409, True)


def test_a_way_to_sign_in_that_lacks_something_says_so_and_keeps_what_was_typed(mira: Client) -> None:
    answer = hand_in(mira, {**GIVEN, **SIGNED, "sigv4-region": "", "document": json.dumps(DOCUMENT)})
    page = text(answer)
    assert (answer.status_code, "credential.region: is missing" in page) == (422, True)
    assert 'name="credential_type" value="sigv4" checked' in page
    assert 'name="sigv4-service" value="parcels"' in page
    assert page.count(" checked required>") == 1


def test_every_way_to_sign_in_is_offered_with_what_it_has_to_know(mira: Client) -> None:
    page = text(mira.get(ADDRESS))
    for kind in TYPES.values():
        assert f'name="credential_type" value="{kind.name}"' in page
        for part in kind.settings:
            assert f'<label for="{kind.name}-{part.name}">{part.title}' in page


def test_another_address_is_a_conflict(mira: Client) -> None:
    hand_in(mira, {**GIVEN, "document": json.dumps(DOCUMENT)})
    answer = hand_in(mira, {**GIVEN, "document": json.dumps(DOCUMENT), "base_url": "https://elsewhere.example"})
    assert answer.status_code == 409
    assert "An import does not change that." in text(answer)


@pytest.mark.parametrize(("who", "offered"), [("mira", True), ("theo", False)])
def test_only_admins_are_offered_it(office: Team, enter: Enter, who: str, offered: bool) -> None:
    assert (ADDRESS in text(enter(who).get("/integrations/"))) == offered
