"""An agent proposes what it wants to be granted: an admin sees it as the agent's, gives it, less, or declines."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import Client

from audit.models import Record
from console.accounts.models import User
from console.agents.models import GrantProposal
from console.agents.proposals import MOST_OPEN
from console.core.clock import iso, now
from console.gateway import acts
from examples.demo.people import acting
from integrations.models import Credential, Grant
from tests.factories import a_grantee
from tests.gateway.conftest import Asking, make_agent, refused
from tests.gateway.test_mcp import address, call, talk

__all__ = ["address"]

CANCEL = "stripe.cancel_subscription"


def propose(asking: Asking, *operations: str, **more: Any) -> Any:
    body = {"operations": operations or [CANCEL], **more}
    return asking.browser.post("/api/v1/grant-proposals", body, content_type="application/json")


def person(name: str = "mira") -> Client:
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username=name))
    return client


def text(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def test_a_proposal_is_given_as_the_admin_wants_it(asking: Asking) -> None:
    limits = {"arguments": {"subscription": {"one_of": ["sub_1"]}}, "calls": {"at_most": 3, "hours": 24}}
    until = iso(now() + dt.timedelta(days=40))
    filed = propose(asking, CANCEL, "stripe.get_customer", why="To <b>end</b> it.", limits=limits, until=until).json()
    assert (filed["state"], filed["operations"]) == ("open", [CANCEL, "stripe.get_customer"])
    for page in ("/agents/helper/", "/agents/proposed/grants/?integration=stripe"):
        shown = text(person().get(page))
        assert "To &lt;b&gt;end&lt;/b&gt; it." in shown
        assert "<code>stripe.cancel_subscription</code>" in shown
    form = text(person().get(f"/agents/proposal/{filed['id']}/give/"))
    assert 'value="agent:helper"' in form
    assert "cancel_subscription get_customer</textarea>" in form
    assert "one_of" in form
    assert '<option value="30" selected>' in form
    given = {"grantee": "agent:helper", "operations": "cancel_subscription", "days": "7", "limits": "",
             "credential": Credential.objects.get().pk}  # fmt: skip
    assert person().post(f"/agents/proposal/{filed['id']}/give/", given)["Location"] == "/agents/helper/"
    grant = Grant.objects.get(operations=["cancel_subscription"])
    told = asking.browser.get(f"/api/v1/grant-proposals/{filed['id']}").json()
    assert (told["state"], told["grant"], grant.grantee) == ("given", grant.id, "agent:helper")
    kinds = Record.objects.filter(subject=filed["id"]).order_by("at").values_list("kind", flat=True)
    assert list(kinds) == ["agents:grant_proposal:open", "agents:grant_proposal:given"]
    again = person().post(f"/agents/proposal/{filed['id']}/give/", given)
    assert (again.status_code, Grant.objects.filter(grantee="agent:helper").count()) == (409, 2)


def test_a_grant_for_somebody_else_is_not_given_for_it(asking: Asking) -> None:
    filed = propose(asking).json()
    a_grantee("agent:other", acting("mira"))
    given = {"grantee": "agent:other", "operations": "cancel_subscription", "credential": Credential.objects.get().pk}
    assert person().post(f"/agents/proposal/{filed['id']}/give/", given).status_code == 409
    assert (Grant.objects.filter(grantee="agent:other").exists(), GrantProposal.objects.get().state) == (False, "open")


def test_a_declined_one_is_answered_and_not_filed_again_at_once(asking: Asking) -> None:
    filed = propose(asking).json()
    person().post(f"/agents/proposal/{filed['id']}/decline/", {"answer": "Ask for less."})
    (told,) = asking.browser.get("/api/v1/grant-proposals").json()
    assert (told["state"], told["answer"]) == ("declined", "Ask for less.")
    assert propose(asking).json() == told
    assert person().post(f"/agents/proposal/{filed['id']}/decline/").status_code == 409
    assert propose(asking, CANCEL, limits={"calls": {"at_most": 1, "hours": 1}}).json()["state"] == "open"


def test_the_same_is_filed_once_also_by_two_at_once(asking: Asking) -> None:
    def file(_: int) -> str:
        try:
            return str(propose(asking, why="again").json()["id"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(file, range(8)))) == 1
    assert Record.objects.filter(kind="agents:grant_proposal:open").count() == 1


def test_there_is_an_end_to_what_may_wait(asking: Asking) -> None:
    for number in range(MOST_OPEN):
        assert propose(asking, f"nowhere.thing{number}").status_code == 200
    assert refused(propose(asking, "nowhere.more")) == (429, "too_many_proposals")
    assert propose(asking, "nowhere.thing0").status_code == 200
    assert GrantProposal.objects.count() == MOST_OPEN


@pytest.mark.parametrize(
    "body",
    [
        {"operations": []}, {"operations": ["stripe"]}, {"operations": ["stripe.x", "other.x"]},
        {"operations": ["stripe.get_charge"] * 51}, {"operations": ["s.\0"]}, {"why": "x" * 2_001}, {"why": "\0"},
        {"limits": {"more": 1}}, {"limits": {"arguments": {"a": {"equals": "\ud800"}}}},
        {"limits": {"arguments": {"a": {"one_of": ["x" * 300] * 100}}}}, {"why": "\ud800"},
        {"limits": {"arguments": {"a": {"pattern": "("}}}}, {"until": "yesterday"},
        {"limits": {"arguments": {"a": {"pattern": "a{99999999999999999999}"}}}},
        {"until": "2020-01-01T00:00:00Z"}, {"until": "2999-01-01T00:00:00Z"}, {"until": "2999-01-01T00:00:00"},
        {"operations": ["Stripe.get_charge"]}, {"operations": "stripe.get_charge"},
    ],
)  # fmt: skip
def test_rubbish_is_filed_nowhere(asking: Asking, body: dict[str, Any]) -> None:
    assert propose(asking, **{"operations": [CANCEL], **body}).status_code == 422
    assert not GrantProposal.objects.exists()


def test_filing_does_not_tell_what_there_is(asking: Asking) -> None:
    told = [propose(asking, one).json() for one in ("stripe.nothing", "nowhere.nothing", CANCEL)]
    assert {one["state"] for one in told} == {"open"}
    assert person().get(f"/agents/proposal/{told[1]['id']}/give/").status_code == 404


def test_proposals_of_others_do_not_exist_and_only_admins_answer(asking: Asking) -> None:
    filed = propose(asking).json()["id"]
    other, token, secret = make_agent("other")
    stranger = Asking(asking.world, other, token, secret)
    assert refused(stranger.browser.get(f"/api/v1/grant-proposals/{filed}")) == (404, "not_found")
    assert stranger.browser.get("/api/v1/grant-proposals").json() == []
    assert person("ana").post(f"/agents/proposal/{filed}/decline/").status_code == 403
    assert "Decline" not in text(person("ana").get("/agents/proposed/grants/"))


def test_what_was_filed_is_never_changed_and_an_answer_needs_its_record(asking: Asking) -> None:
    propose(asking)
    with pytest.raises(Exception, match="permission denied"):
        GrantProposal.objects.update(operations=["everything"])
    with pytest.raises(Exception, match="record"), transaction.atomic():
        GrantProposal.objects.update(state="declined", settled_at=now())


def test_over_mcp_it_is_the_same(address: str, asking: Asking) -> None:
    assert call(address, asking, "stripe_cancel_subscription")[1]["text"].endswith("countersign_propose_grant.")
    error, told = call(address, asking, "countersign_propose_grant", operations=[CANCEL], why="Please.")
    assert (error, told["state"]) == (False, "open")
    assert call(address, asking, "countersign_grant_proposals")[1]["proposals"] == [told]
    assert call(address, asking, "countersign_propose_grant", operations=[])[1]["code"] == "invalid"
    assert GrantProposal.objects.get().why == "Please."
    names = [one.name for one in talk(address, asking.secret, lambda client: client.list_tools()).tools]
    assert names[-2:] == ["countersign_propose_grant", "countersign_grant_proposals"]


def test_there_is_an_end_to_how_many_actions_of_an_agent_wait(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "MOST_WAITING", 2)
    first, _ = asking.refund(key="k1"), asking.refund()
    assert refused(asking.refund()) == (429, "too_many_waiting")
    assert asking.refund(key="k1").json() == first.json()
    asking.browser.post(f"/api/v1/actions/{first.json()['id']}/withdraw")
    assert asking.refund().status_code == 202
    assert refused(asking.refund()) == (429, "too_many_waiting")
