"""The pages: how observing begins and ends, what they show of strangers' words, and who may look."""

import hashlib
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import Record
from console.agents.identify import identify
from console.agents.models import Agent
from console.agents.observe import begin_observing
from console.shadow import forwarder
from console.shadow.models import Observation
from examples.demo.people import acting
from integrations.models import Grant
from tests.gateway.conftest import make_agent
from tests.pages.conftest import Enter, at_the_office, enter, furnished, office, stranger
from tests.shadow.conftest import copy

__all__ = ["at_the_office", "enter", "furnished", "office", "stranger"]

pytestmark = pytest.mark.usefixtures("office")
HOSTILE = '"><script>alert(1)</script>\u202e\u2066${{ 7 }}{{ 7*7 }}'


@pytest.fixture
def agent(office: object) -> Agent:
    return make_agent()[0]


def show(secret: str, *copies: dict[str, object]) -> None:
    program = Client(headers={"host": "localhost", "authorization": f"Bearer {secret}"})
    told = {"observations": list(copies)}
    answer = program.post("/api/v1/observations", told, content_type="application/json")
    assert answer.json() == {"taken": len(copies)}


def begun(admin: Client) -> tuple[str, str]:
    """The page, and the token on it."""
    page = admin.post("/agents/helper/shadow/begin/", {"days": "30"}).content.decode()
    return page, re.findall(r"cag_[\w-]{43}", page)[0]


def test_observing_begins_with_a_token_that_is_shown_once_and_the_commands(agent: Agent, enter: Enter) -> None:
    mira = enter("mira")
    before = mira.get("/agents/helper/shadow/").content.decode()
    assert ("Begin, and make the token" in before, "shadow.py --console" in before) == (True, False)
    page, secret = begun(mira)
    for line in ("curl -fO http", "--to https://api.example.com", "--mcp "):
        assert line in page
    assert identify(f"Bearer {secret}") is not None
    assert secret not in mira.get("/agents/helper/shadow/").content.decode()
    agent.refresh_from_db()
    assert agent.observing_since is not None
    assert "observed" in mira.get("/agents/helper/").content.decode()


def test_the_program_is_what_the_page_says(agent: Agent, enter: Enter) -> None:
    answer = Client(headers={"host": "localhost"}).get("/agents/shadow/shadow.py")
    assert answer.content == Path(forwarder.__file__).read_bytes()
    assert answer["Content-Disposition"] == 'attachment; filename="shadow.py"'
    page, _ = begun(enter("mira"))
    assert hashlib.sha256(answer.content).hexdigest() in page


def test_what_was_seen_is_shown_with_grants_to_give(agent: Agent, enter: Enter) -> None:
    mira = enter("mira")
    _, secret = begun(mira)
    show(secret, *(copy("GET", f"/v1/charges?limit={limit}") for limit in (5, 9)))
    show(secret, copy("GET", "/v1/customers/cus_1"), copy("GET", "/x", origin="https://other.example.com"))
    page = mira.get("/agents/helper/shadow/").content.decode()
    assert "GET https://other.example.com/x" in page
    forms = [parse_qs(urlsplit(link.replace("&amp;", "&")).query)
             for link in re.findall(r'href="(/integrations/[^"]*grant[^"]*\?[^"]*)"', page)]  # fmt: skip
    assert forms == [
        {"grantee": ["agent:helper"], "operations": ["list_charges"],
         "limits": ["arguments:\n  limit:\n    at_least: 5\n    at_most: 9\n"]},
        {"grantee": ["agent:helper"], "operations": ["get_customer"]},
    ]  # fmt: skip
    assert not Grant.objects.filter(grantee="agent:helper").exists()
    [link] = re.findall(r'href="(/integrations/[^"]*list_charges[^"]*)"', page)
    assert "at_most: 9" in mira.get(link.replace("&amp;", "&")).content.decode()
    ana = enter("ana").get("/agents/helper/shadow/").content.decode()
    assert ("Open the form" in page, "Open the form" in ana, "End observing" in ana) == (True, False, False)


def test_strangers_words_are_only_shown(agent: Agent, enter: Enter) -> None:
    mira = enter("mira")
    _, secret = begun(mira)
    tool = {"id": "copy-of-a-tool", "kind": "mcp", "at": "2026-11-20T00:00:00Z", "ms": 1, "integration": HOSTILE[:64],
            "tool": HOSTILE + "\0", "arguments": {HOSTILE: HOSTILE, "n": "\ud800"}, "failed": False}  # fmt: skip
    show(secret, tool, copy("GET", f"/v1/{HOSTILE}"), copy("GET", f"/v1/charges?starting_after={HOSTILE}"))
    show(secret, copy("GET", "/v1/charges?starting_after=%3Cscript%3Ealert(1)%3C/script%3E"))
    page = mira.get("/agents/helper/shadow/?days=30").content.decode()
    assert Observation.objects.count() == 4
    assert "<script>alert" not in page
    assert ("\u202e" in page, "\u2066" in page) == (False, False)


def test_the_end(agent: Agent, enter: Enter) -> None:
    mira = enter("mira")
    _, secret = begun(mira)
    show(secret, copy("GET", "/v1/charges"))
    assert mira.post("/agents/helper/shadow/end/").status_code == 302
    assert identify(f"Bearer {secret}") is None
    page = mira.get("/agents/helper/shadow/").content.decode()
    assert ("list_charges" in page, "Forget what was seen" in page) == (True, True)
    assert mira.post("/agents/helper/shadow/end/").status_code == 409
    assert mira.post("/agents/helper/shadow/forget/").status_code == 302
    assert not Observation.objects.exists()


@pytest.mark.parametrize("who", ["ana", "jonas", "theo"])
def test_only_admins_begin_end_and_forget(agent: Agent, enter: Enter, who: str) -> None:
    person = enter(who)
    answers = [person.post(f"/agents/helper/shadow/{act}/", {"days": "30"}) for act in ("begin", "end", "forget")]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert person.get("/agents/helper/shadow/").status_code == 200


def test_another_team_sees_nothing(agent: Agent, stranger: Client) -> None:
    begin_observing(agent, actor=acting("mira"))
    assert "Refund helper" not in stranger.get("/agents/shadow/all/").content.decode()
    assert [
        stranger.get("/agents/helper/shadow/").status_code,
        stranger.post("/agents/helper/shadow/end/").status_code,
    ] == [404, 404]


def test_another_teams_systems_are_not_matched(agent: Agent, enter: Enter) -> None:
    """Two teams may have connected one address."""
    _, secret = begun(enter("mira"))
    show(secret, copy("GET", "/v1/charges", origin="http://127.0.0.1:10"))
    assert Observation.objects.get().code == "no_integration"


def test_the_list_leads_to_those_that_are_observed_and_to_the_others(agent: Agent, enter: Enter) -> None:
    mira = enter("mira")
    assert "Observed now" not in mira.get("/agents/shadow/all/").content.decode()
    begin_observing(agent, actor=acting("mira"))
    assert "Observed now" in mira.get("/agents/shadow/all/").content.decode()
    reads = Record.objects.filter(kind="audit:page:read").count()
    assert reads >= 1


def test_a_report_asks_as_much_for_thirty_calls_as_for_one(agent: Agent, enter: Enter) -> None:
    mira = enter("mira")
    _, secret = begun(mira)
    counts = []
    for number in (1, 29):
        show(secret, *(copy("GET", f"/v1/charges?limit={1 + one}") for one in range(number)))
        mira.get(reverse("shadow", args=["helper"]))
        with CaptureQueriesContext(connection) as asked:
            mira.get(reverse("shadow", args=["helper"]))
        counts.append(len(asked))
    assert counts[0] == counts[1]
