"""Connecting an MCP server, and its tools as the pages show them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from console.accounts.models import Team
from examples.demo.people import acting
from integrations.describe import store_credential
from integrations.models import Integration, Listing, Operation
from integrations.tasks import compare_listing, hear_listing
from tests.mcp.speaking import SEND, Speaking, speaking
from tests.pages.conftest import Enter

ADDRESS = "/integrations/connect/mcp/"
TOOLS = "/integrations/messages/tools/"
GIVEN = {"title": "Messages", "slug": "messages", "credential_type": "none"}


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


@pytest.fixture
def server(mira: Client) -> Iterator[Speaking]:
    with speaking() as one:
        assert mira.post(ADDRESS, {**GIVEN, "address": one.address}).url == TOOLS  # type: ignore[attr-defined]
        yield one


def text(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def hear() -> None:
    hear_listing(Listing.objects.get(state="asked").pk)


def compare() -> None:
    compare_listing(Listing.objects.get(state="listed").pk)


def test_a_server_is_asked_for_its_tools_and_they_are_added(mira: Client, server: Speaking) -> None:
    assert "Nobody has asked yet" in text(mira.get(TOOLS))
    assert "It has no operations yet" in text(mira.get("/integrations/messages/"))
    assert mira.post(f"{TOOLS}look/").url == TOOLS  # type: ignore[attr-defined]
    assert "The door is asking the server" in text(mira.get(TOOLS))
    hear()
    assert "The server has answered" in text(mira.get(TOOLS))
    compare()
    page = text(mira.get(TOOLS))
    assert "Sends a message." in page
    assert "only looks" in page
    assert "Add 1 tool<" in page
    seen = Listing.objects.get().pk
    assert mira.post(f"{TOOLS}add/", {"seen": seen}).url == "/integrations/messages/"  # type: ignore[attr-defined]
    operation = Operation.objects.get(slug="send_message")
    assert operation.effect == "destructive"
    assert "Of itself, unproven: only looks" in text(mira.get(f"/integrations/operation/{operation.id}/"))
    assert "Add 1" not in text(mira.get(TOOLS))


def test_what_changed_since_is_told_and_can_be_looked_at(mira: Client, server: Speaking) -> None:
    mira.post(f"{TOOLS}look/")
    hear()
    compare()
    mira.post(f"{TOOLS}add/", {"seen": Listing.objects.get().pk})
    server.tools = [{**SEND, "description": "Sends it to <b>everybody</b>"}, {**SEND, "name": "other"}]
    mira.post(f"{TOOLS}look/")
    hear()
    compare()
    page = text(mira.get(TOOLS))
    assert "1 tool changed" in page
    assert "Sends it to &lt;b&gt;everybody&lt;/b&gt;" in page
    assert "Add 1 tool<" in page
    assert "Sends it to &lt;b&gt;everybody" in text(mira.get("/integrations/messages/changes/"))
    server.tools = []
    mira.post(f"{TOOLS}look/")
    hear()
    compare()
    assert "Not listed any more" in text(mira.get(TOOLS))


def test_a_server_that_cannot_be_asked_says_why(mira: Client, server: Speaking) -> None:
    server.answer = (503, b"later")
    mira.post(f"{TOOLS}look/")
    again = mira.post(f"{TOOLS}look/")
    assert (again.status_code, "being asked already" in text(again)) == (409, True)
    hear()
    page = text(mira.get(TOOLS))
    assert "The server could not be asked." in page
    assert "Look again" in page


def test_the_piece_fetches_itself_while_the_server_is_asked(mira: Client, server: Speaking) -> None:
    mira.post(f"{TOOLS}look/")
    piece = {"HX-Request": "true", "HX-Target": "tools"}
    said = text(mira.get(TOOLS, headers=piece))
    assert said.startswith('<div id="tools"')
    assert 'hx-trigger="every 1s"' in said
    hear()
    compare()
    assert "hx-trigger" not in text(mira.get(TOOLS, headers=piece))


def test_a_server_that_wants_a_credential_is_asked_with_one(mira: Client, server: Speaking) -> None:
    given = {**GIVEN, "slug": "sealed", "credential_type": "bearer", "address": server.address}
    assert mira.post(ADDRESS, given).url == "/integrations/sealed/credential/"  # type: ignore[attr-defined]
    page = "/integrations/sealed/tools/"
    assert "Seal a credential first" in text(mira.get(page))
    assert mira.post(f"{page}look/").status_code == 422
    sealed = Integration.objects.get(slug="sealed")
    credential = store_credential(sealed, name="key", secret="an-obvious-secret-of-some-length", actor=acting("mira"))
    mira.post(f"{page}look/", {"credential": credential.pk})
    assert Listing.objects.get(integration=sealed).credential == credential


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"address": "ftp://example.com/"}, "The base URL must be"),
        ({"address": ""}, "The base URL must be"),
        ({"address": "https://example.com/a b"}, "percent-encode"),
        ({"address": "stdio://files"}, "names no MCP server"),
        ({"address": "https://example.com/?key=1"}, "without a user, query"),
        ({"slug": "stripe"}, "already"),
        ({"slug": "Not A Name"}, "short name"),
    ],
)
def test_what_cannot_be_connected_is_said(mira: Client, given: dict[str, str], says: str) -> None:
    answer = mira.post(ADDRESS, {**GIVEN, "address": "https://example.com/mcp", **given})
    assert (answer.status_code in (409, 422), says in text(answer)) == (True, True)
    assert not Integration.objects.filter(protocol="mcp").exists()


def test_a_program_that_the_installation_names_is_chosen_by_its_name(mira: Client, settings: Any) -> None:
    assert "Or a program beside the door" not in text(mira.get(ADDRESS))
    settings.MCP_SERVERS = json.dumps({"servers": {"files": {"command": ["/bin/cat"], "secret": "API_TOKEN"}}})
    assert "Or a program beside the door" in text(mira.get(ADDRESS))
    wrong = mira.post(ADDRESS, {**GIVEN, "program": "files"})
    assert (wrong.status_code, "takes a token" in text(wrong)) == (422, True)
    mira.post(ADDRESS, {**GIVEN, "program": "files", "credential_type": "bearer"})
    assert Integration.objects.get(slug="messages").base_url == "stdio://files"


def test_a_document_does_not_describe_a_server_nor_a_server_a_document(mira: Client, server: Speaking) -> None:
    assert mira.get("/integrations/stripe/tools/").status_code == 404
    given = {"title": "M", "slug": "messages", "base_url": server.address, "credential_type": "none"}
    answer = mira.post("/integrations/connect/openapi/", {**given, "document": '{"openapi": "3.0.0", "paths": {}}'})
    assert (answer.status_code, "no OpenAPI document describes" in text(answer)) == (409, True)
