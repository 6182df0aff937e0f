"""What is connected, as everybody with a role in the team may read it."""

import json
import re
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import Record
from console.accounts.models import Team
from console.core.clock import now
from console.core.door_keys import sealing_key_id
from examples.demo.charges import API_KEY
from examples.demo.people import acting
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.importing import import_openapi
from integrations.models import Credential, Grant, Integration, Operation
from integrations.queries import in_words
from tests.factories import a_grantee
from tests.pages.conftest import NOWHERE, Enter, everything_but_the_log

SECRET = "sk_planted_secret_0123456789"
SMALL = """
integration: small-{number}
title: Small system {number}
credential: {{type: bearer}}
operations:
  look: {{title: Look, effect: read, method: GET, path: /look, trust: reviewed}}
  send:
    title: Send a letter
    effect: write
    categories: [external_message]
    method: POST
    path: /letters
    arguments:
      to: {{in: body, required: true, schema: {{type: string}}}}
"""


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


def add(number: int) -> Integration:
    admin = acting("mira")
    integration = describe_integration(SMALL.format(number=number), base_url=NOWHERE, actor=admin)
    credential = store_credential(integration, name="letter key", secret=SECRET, actor=admin)
    post = a_grantee("workflow:post", admin)
    give_grant(grantee=post, operations=["look", "send"], credential=credential, actor=admin)
    return integration


def text(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def count_queries(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(address).status_code == 200
    return len(captured)


def test_list_tells_how_many_operations_change_something(mira: Client) -> None:
    add(1)
    page = text(mira.get("/integrations/"))
    assert "<bdi>Small system 1</bdi>" in page
    assert '2<span class="dim">, 1 of them changes something</span>' in page


def test_page_groups_operations_by_effect_in_words(mira: Client) -> None:
    add(1)
    page = text(mira.get("/integrations/small-1/"))
    assert page.index('id="effect-write"') < page.index('id="effect-read"')
    assert "effect-destructive" not in page
    for told in (
        f"<bdi>{NOWHERE}</bdi>",
        "POST /letters",
        "external message",
        "not reviewed",
        "Nobody has said what a repeat does",
        "<dt>Granted to</dt><dd>post</dd>",
        "None. When an answer is lost, a person has to find out.",
    ):
        assert told in page


def test_grant_is_a_sentence(mira: Client) -> None:
    add(1)
    page = text(mira.get("/integrations/small-1/"))
    assert "<b><bdi>post</bdi></b></a> may use <code>look</code> and <code>send</code> of" in page
    assert "with the credential <b><bdi>letter key</bdi></b>, until somebody takes it back." in page


def test_ended_grant_is_marked_and_grants_nothing(mira: Client) -> None:
    integration = add(1)
    Grant.objects.filter(integration=integration).update(until=now())
    page = text(mira.get("/integrations/small-1/"))
    assert '<span class="tag">ended</span>' in page
    assert "<dt>Granted to</dt><dd>nobody</dd>" in page


def test_secret_is_on_no_page(mira: Client) -> None:
    sealed = bytes(Credential.objects.get(integration=add(1)).sealed)
    for address in ("/integrations/", "/integrations/small-1/", "/integrations/stripe/"):
        page = mira.get(address).content
        for secret in (SECRET.encode(), API_KEY.encode(), sealed, sealed.hex().encode()):
            assert secret not in page


def test_the_page_tells_to_which_keys_of_the_door_secrets_are_sealed(mira: Client) -> None:
    add(1)
    page = text(mira.get("/integrations/"))
    assert f"The door's key <code>{sealing_key_id()}</code>" in page
    assert "2 secrets of your team rest on it" in page
    assert "one key of the door" in page
    Credential.objects.filter(integration__slug="small-1").update(door_key="feedfacefeedface")
    page = text(mira.get("/integrations/"))
    assert "2 keys of the door" in page
    assert "1 secret of your team rests on it" in page
    assert "Earlier key <code>feedfacefeedface</code>" in page
    assert "1 secret still rests on it" in page


def test_row_altered_by_sql_is_called_out(mira: Client) -> None:
    integration = add(1)
    assert "altered" not in text(mira.get("/integrations/small-1/"))
    operation = Operation.objects.get(integration=integration, slug="send")
    Operation.objects.filter(pk=operation.pk).update(description={**operation.description, "path": "/elsewhere"})
    assert text(mira.get("/integrations/small-1/")).count('<span class="tag stop">altered</span>') == 1
    Integration.objects.filter(pk=integration.pk).update(base_url="http://elsewhere.example")
    assert text(mira.get("/integrations/small-1/")).count('<span class="tag stop">altered</span>') == 2


@pytest.mark.parametrize("who", ["ana", "jonas", "mira", "theo"])
def test_every_role_reads_and_the_read_is_recorded_once(office: Team, enter: Enter, who: str) -> None:
    browser = enter(who)
    for address in ("/integrations/", "/integrations/stripe/", "/integrations/stripe/"):
        assert browser.get(address).status_code == 200
    told = Record.objects.filter(kind="audit:page:read").order_by("at").values_list("subject", "actor")
    stripe = Integration.objects.get(slug="stripe")
    assert list(told) == [(office.id, acting(who).id), (stripe.id, acting(who).id)]


def test_without_a_role_one_is_refused_and_the_attempt_is_recorded(office: Team, enter: Enter) -> None:
    noa = enter("noa")
    assert [noa.get(address).status_code for address in ("/integrations/", "/integrations/stripe/")] == [403, 403]
    assert Record.objects.filter(kind="audit:access:refused", actor=acting("noa").id).count() == 2


def test_another_team_sees_an_empty_state_and_no_page(stranger: Client) -> None:
    assert "Nothing is connected yet" in text(stranger.get("/integrations/"))
    assert stranger.get("/integrations/stripe/").status_code == 404


def test_only_reading_is_answered_and_visitors_sign_in(mira: Client) -> None:
    for address in ("/integrations/", "/integrations/stripe/"):
        assert mira.post(address).status_code == 405
        assert Client(headers={"host": "localhost"}).get(address)["Location"] == f"/sign-in/?next={address}"


def test_queries_do_not_grow_with_integrations_operations_or_grants(mira: Client) -> None:
    add(0)
    for address in ("/integrations/", "/integrations/small-0/", "/integrations/stripe/"):
        mira.get(address)
    few = [count_queries(mira, "/integrations/"), count_queries(mira, "/integrations/small-0/")]
    for number in range(1, 30):
        add(number)
    credential = Credential.objects.get(integration__slug="small-0")
    for number in range(30):
        grantee = a_grantee(f"workflow:w{number}", acting("mira"))
        give_grant(grantee=grantee, operations=["look"], credential=credential, actor=acting("mira"))
    assert [count_queries(mira, "/integrations/"), count_queries(mira, "/integrations/small-0/")] == few
    assert count_queries(mira, "/integrations/stripe/") == few[1]


def test_looking_writes_nothing_but_the_log(mira: Client) -> None:
    before = everything_but_the_log()
    for address in ("/integrations/", "/integrations/stripe/"):
        mira.get(address)
    assert everything_but_the_log() == before


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 99_999}, "integer, 1 to 99,999"),
        ({"type": "integer", "minimum": 0}, "integer, at least 0"),
        ({"type": "number", "maximum": 2}, "number, at most 2"),
        ({"enum": ["a", 1]}, "a or 1"),
        ({"type": "string", "pattern": "^a$", "maxLength": 9}, "string, like ^a$, up to 9 characters"),
        ({}, "any value"),
        (True, "any value"),
        (False, "no value at all"),
        ({"type": ["null", "string"]}, "null or string"),
    ],
)
def test_schema_is_said_in_words(schema: dict[str, Any] | bool, said: str) -> None:
    assert in_words(schema) == said


def many(count: int) -> None:
    """An import of so many operations of each effect."""
    paths = {
        f"/things/{number}": {
            method: {"operationId": f"{verb}Thing{number:03}", "summary": f"{verb} the {number}th thing"}
            for method, verb in (("get", "show"), ("put", "set"), ("delete", "remove"))
        }
        for number in range(count)
    }
    document = {"openapi": "3.0.3", "info": {"title": "Things", "version": "1"}, "paths": paths}
    import_openapi(
        json.dumps(document).encode(), slug="things", title="Things", base_url=NOWHERE, credential_type="none",
        actor=acting("mira"),
    )  # fmt: skip


def shown(page: str) -> list[str]:
    return re.findall(r'<details class="folds operation" id="([a-z0-9_]+)">', page)


def test_pages_of_operations_show_each_once_the_most_harmful_first(mira: Client) -> None:
    many(40)
    address, found, pages = "/integrations/things/", list[str](), 0
    while address:
        page, pages = text(mira.get(address)), pages + 1
        found += shown(page)
        following = re.search(r'href="\?([^"]*)" rel="next"', page)
        address = f"/integrations/things/?{unescape(following[1])}" if following else ""
    assert pages == 3
    assert found == [f"{verb}_thing{number:03}" for verb in ("remove", "set", "show") for number in range(40)]
    assert "These are all." in page
    assert 'id="effect-read">Read <span class="n">40</span>' in page


def test_operations_are_found_by_words_of_name_and_title(mira: Client) -> None:
    many(40)
    page = text(mira.get("/integrations/things/?q=7th+show"))
    assert shown(page) == ["show_thing007", "show_thing017", "show_thing027", "show_thing037"]
    assert 'value="7th show"' in page
    assert "No operation matches" in text(mira.get("/integrations/things/?q=nothing+such"))
    assert shown(text(mira.get("/integrations/things/?q=thing0&after=write+set_thing030")))[0] == "set_thing031"


def test_search_is_offered_where_there_is_much_and_is_in_the_log(mira: Client) -> None:
    many(1)
    assert 'role="search"' not in text(mira.get("/integrations/things/"))
    assert 'role="search"' in text(mira.get("/integrations/things/?q=set"))
    leaf = Record.objects.filter(kind="audit:page:read").order_by("-at")[0].leaf
    assert json.loads(bytes(leaf))["detail"] == {"page": "integration", "filter": "set"}


@pytest.mark.parametrize("after", ["nothing", "write", "write ", "elsewhere set_thing001"])
def test_place_that_no_page_gave_out_is_refused(mira: Client, after: str) -> None:
    assert mira.get(f"/integrations/stripe/?after={after}").status_code == 422


def test_pages_cost_the_same_queries_however_many_operations_there_are(mira: Client) -> None:
    many(1)
    mira.get("/integrations/things/")
    few = count_queries(mira, "/integrations/things/")
    many(60)
    assert count_queries(mira, "/integrations/things/") == few
