"""Describing a system by hand: what would change is shown first, and only that is done."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from console.accounts.models import Team
from integrations.models import Amendment, Integration, Operation
from integrations.queries import genuine
from tests.pages.conftest import NOWHERE, Enter, everything_but_the_log

ADDRESS = "/integrations/connect/yaml/"
TEXT = """integration: notes
title: Notes <b>
credential: {type: bearer}
operations:
  get_note: {title: Read a note, effect: read, method: GET, path: /note}
  add_note:
    title: Add a note
    effect: write
    method: POST
    path: /notes
    body: json
    arguments: {text: {in: body, required: true, schema: {type: string}}}
"""
EXAMPLE = Path(__file__).resolve().parents[2] / "examples/integrations/stripe.yaml"


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


def text(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def show(mira: Client, written: str = TEXT, base_url: str = NOWHERE) -> Any:
    return mira.post(ADDRESS, {"text": written.replace("\n", "\r\n"), "base_url": base_url})


def do(mira: Client, written: str = TEXT, base_url: str = NOWHERE) -> Any:
    seen = show(mira, written, base_url).context["shown"].seen
    return mira.post(ADDRESS, {"text": written, "base_url": base_url, "seen": seen})


def test_what_would_change_is_shown_and_changes_nothing(mira: Client) -> None:
    before = everything_but_the_log()
    page = text(show(mira))
    assert "is not connected yet" in page
    assert 'New <span class="n">2</span>' in page
    assert "Notes &lt;b&gt;" in page
    assert everything_but_the_log() == before


def test_what_was_seen_is_done(mira: Client) -> None:
    assert do(mira).url == "/integrations/notes/"
    assert {one.slug: genuine(one) for one in Operation.objects.filter(integration__slug="notes")} == {
        "add_note": True, "get_note": True}  # fmt: skip
    changed = TEXT.replace("title: Add a note", "title: Add a note for good")
    page = text(show(mira, changed))
    assert "1 operation as before" in page
    assert "<ins>" in page
    assert "title: Add a note for good" in page
    do(mira, changed)
    amendment = Amendment.objects.get(operation__slug="add_note")
    assert (amendment.state, amendment.cause) == ("adopted", "description")


def test_the_example_is_shown_as_it_is(mira: Client) -> None:
    again = mira.post(ADDRESS, {"file": SimpleUploadedFile("stripe.yaml", EXAMPLE.read_bytes()), "base_url": NOWHERE})
    shown = again.context["shown"]
    assert (shown.is_new, shown.head, shown.added, shown.changed, shown.left) == (False, [], [], [], [])
    assert "integration: stripe" in text(again)


def test_what_changed_meanwhile_is_shown_again(mira: Client) -> None:
    seen = show(mira).context["shown"].seen
    do(mira, TEXT.replace("Read a note", "Read one note"))
    answer = mira.post(ADDRESS, {"text": TEXT, "base_url": NOWHERE, "seen": seen})
    assert (answer.status_code, "described otherwise meanwhile" in text(answer)) == (409, True)
    assert Operation.objects.get(slug="get_note").title == "Read one note"


def test_operations_are_not_left_behind_at_another_address(mira: Client) -> None:
    do(mira)
    one = TEXT[: TEXT.index("  add_note:")]
    answer = do(mira, one, "https://elsewhere.example")
    assert (answer.status_code, "add_note is not" in text(answer)) == (409, True)
    assert Integration.objects.get(slug="notes").base_url == NOWHERE
    assert do(mira, one).status_code == 302
    assert do(mira, TEXT, "https://elsewhere.example").status_code == 302
    assert all(genuine(one) for one in Operation.objects.filter(integration__slug="notes"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"text": ""}, "Choose the file, or paste"),
        ({"text": "integration: [1"}, "line 1"),
        ({"text": TEXT.replace("effect: write", "effect: guess")}, "operations.add_note.effect (line 8)"),
        ({"text": TEXT.replace("method: GET", "method: POST")}, "operations.get_note"),
        ({"base_url": "ftp://example.com"}, "The base URL must be"),
        ({"file": SimpleUploadedFile("x.yaml", b"\xff\xfe")}, "not UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_was_typed_stays(
    mira: Client, given: dict[str, Any], says: str
) -> None:
    answer = mira.post(ADDRESS, {"text": TEXT, "base_url": NOWHERE, **given})
    assert (answer.status_code, says in text(answer)) == (422, True)
    if "file" not in given and given.get("text"):
        assert given["text"].split()[0] in text(answer)
