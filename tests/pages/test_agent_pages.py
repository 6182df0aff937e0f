"""Agents, as an admin registers them and everybody with a role may look at them."""

import re
from typing import Any

import pytest
from django.test import Client

from audit.models import Record
from console.accounts.models import Team, User
from console.agents.identify import identify
from console.agents.models import Agent, AgentToken
from console.agents.register import create_agent
from console.core.errors import Conflict, Forbidden, Invalid
from examples.demo.people import acting
from integrations.describe import give_grant
from integrations.models import Credential
from tests.factories import PersonFactory, TeamFactory
from tests.pages.conftest import Enter

SECRET = re.compile(r"cag_[A-Za-z0-9_-]{43}")


@pytest.fixture
def mira(office: Team, enter: Enter) -> Client:
    return enter("mira")


def text(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def owner() -> User:
    return User.objects.get(username="jonas")


def register(mira: Client, **other: str) -> Any:
    given = {"slug": "helper", "title": "Refund <b>helper</b>", "owner": owner().pk} | other
    return mira.post("/agents/new/agent/", given)


def test_an_agent_is_registered_and_given_a_token_that_is_shown_once(mira: Client) -> None:
    assert "No agent is registered" in text(mira.get("/agents/"))
    assert register(mira)["Location"] == "/agents/helper/"
    page = text(mira.get("/agents/helper/"))
    assert "Refund &lt;b&gt;helper&lt;/b&gt;" in page
    assert "Jonas Lindqvist" in page
    issued = mira.post("/agents/helper/token/", {"label": "Dublin", "days": "30"})
    (secret,) = SECRET.findall(text(issued))
    assert issued["Cache-Control"] == "no-store"
    again = text(mira.get("/agents/helper/"))
    assert ("Dublin" in again, SECRET.findall(again)) == (True, [])
    known = identify(f"Bearer {secret}")
    assert known is not None
    assert (known.agent.slug, known.actor.kind, known.actor.roles) == ("helper", "agent", frozenset())
    leaves = b"".join(bytes(record.leaf) for record in Record.objects.all())
    assert secret.encode() not in leaves


def test_revoking_and_retiring_end_it(mira: Client) -> None:
    register(mira)
    secrets = [SECRET.findall(text(mira.post("/agents/helper/token/", {"days": "7"})))[0] for _ in range(2)]
    first = AgentToken.objects.order_by("created_at", "id")[0]
    mira.post(f"/agents/token/{first.id}/revoke/")
    assert sorted(identify(f"Bearer {one}") is None for one in secrets) == [False, True]
    assert mira.post(f"/agents/token/{first.id}/revoke/").status_code == 409
    mira.post("/agents/helper/retire/")
    assert [identify(f"Bearer {one}") for one in secrets] == [None, None]
    assert mira.post("/agents/helper/token/", {"days": "7"}).status_code == 409
    assert mira.post("/agents/helper/retire/").status_code == 409
    assert "retired" in text(mira.get("/agents/"))
    kinds = Record.objects.filter(kind__startswith="agents:").values_list("kind", flat=True)
    assert sorted(kinds) == [
        "agents:agent:created", "agents:agent:retired", "agents:agent_token:issued", "agents:agent_token:issued",
        "agents:agent_token:revoked",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("other", "status", "says"),
    [
        ({"slug": "No Name"}, 422, "short name"),
        ({"title": " "}, 422, "a title"),
        ({"owner": "usr_nobody"}, 422, "in your team"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    mira: Client, other: dict[str, str], status: int, says: str
) -> None:
    answer = register(mira, **other)
    assert (answer.status_code, says in text(answer)) == (status, True)
    assert "Refund &lt;b&gt;helper&lt;/b&gt;" in text(answer) or other.get("title") == " "
    assert not Agent.objects.exists()


def test_a_name_is_never_given_twice(mira: Client) -> None:
    register(mira)
    mira.post("/agents/helper/retire/")
    answer = register(mira)
    assert (answer.status_code, "has, or had, an agent called helper" in text(answer)) == (409, True)


def test_how_long_a_token_lasts_is_chosen_from_the_list(mira: Client) -> None:
    register(mira)
    for days in ("", "9999", "x"):
        assert mira.post("/agents/helper/token/", {"days": days}).status_code == 422
    assert not AgentToken.objects.exists()


def test_the_page_shows_what_it_is_granted(mira: Client) -> None:
    register(mira)
    give_grant(grantee="agent:helper", operations=["get_charge"], credential=Credential.objects.get(),
               actor=acting("mira"))  # fmt: skip
    assert "may use <code>get_charge</code> of" in text(mira.get("/agents/helper/"))


def test_somebody_outside_the_team_cannot_answer_for_an_agent(office: Team) -> None:
    stranger = PersonFactory(username="stranger", team=TeamFactory())
    with pytest.raises(Invalid, match="in your team"):
        create_agent("helper", "Helper", owner=stranger, actor=acting("mira"))


def test_only_admins_register(office: Team) -> None:
    for who in ("ana", "theo", "jonas"):
        with pytest.raises(Forbidden):
            create_agent("helper", "Helper", owner=owner(), actor=acting(who))


def test_two_at_once_are_told_apart(office: Team) -> None:
    create_agent("helper", "Helper", owner=owner(), actor=acting("mira"))
    with pytest.raises(Conflict):
        create_agent("helper", "Helper", owner=owner(), actor=acting("mira"))


def test_others_only_look(office: Team, enter: Enter) -> None:
    register(enter("mira"))
    page = text(enter("theo").get("/agents/helper/"))
    assert "Make it" not in page
    assert "Retire" not in page
