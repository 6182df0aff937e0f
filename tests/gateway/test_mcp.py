"""The client that the protocol's authors wrote, over HTTP, against our door for agents."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn
from django.conf import settings
from django.db import connections
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from approvals.models import Action
from audit.models import Record
from console.agents.register import revoke_agent_token
from console.gateway import mcp as door
from examples.demo.people import acting
from integrations.describe import describe_integration, give_grant, store_credential
from integrations.models import Call
from tests.gateway.conftest import Asking
from tests.gateway.test_actions import during
from tests.standins.fault_proxy import FaultProxy

T = TypeVar("T")


@pytest.fixture
def address(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(door.serve, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    monkeypatch.setattr(settings, "ORIGIN", f"http://127.0.0.1:{port}")
    door._safety.cache_clear()
    yield f"http://127.0.0.1:{port}{door.PATH}"
    server.should_exit = True
    thread.join()
    door._safety.cache_clear()


def talk(address: str, secret: str, say: Callable[[Client], Awaitable[T]]) -> T:
    async def talking() -> T:
        headers = {"Authorization": f"Bearer {secret}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            return await say(client)

    return asyncio.run(talking())


def headers(asking: Asking) -> dict[str, str]:
    return {"Authorization": f"Bearer {asking.secret}", "Accept": "application/json, text/event-stream"}


def call(address: str, asking: Asking, tool: str, **arguments: Any) -> tuple[bool, dict[str, Any]]:
    result = talk(address, asking.secret, lambda client: client.call_tool(tool, arguments))
    return bool(result.is_error), dict(result.structured_content)


def refund(asking: Asking) -> dict[str, Any]:
    return {"charge": asking.world.seeded.pair("large").later, "amount": 48_000}


def test_tools_are_what_is_granted_and_four_of_our_own(address: str, asking: Asking) -> None:
    listed = talk(address, asking.secret, lambda client: client.list_tools()).tools
    assert [one.name for one in listed] == [
        "stripe_create_refund", "stripe_get_charge", "countersign_action", "countersign_withdraw",
        "countersign_propose_grant", "countersign_grant_proposals",
    ]  # fmt: skip
    refunding, charge = listed[:2]
    assert refunding.input_schema["additionalProperties"] is False
    assert {"charge", "amount", "countersign_says", "countersign_request", "countersign_key"} <= (
        refunding.input_schema["properties"].keys()
    )
    assert charge.input_schema["properties"].keys() == {"charge"}
    assert (charge.annotations and charge.annotations.read_only_hint) is True


def test_a_read_is_answered(address: str, asking: Asking) -> None:
    charge = asking.world.seeded.pair("large").later
    error, told = during(asking.world.settle, lambda: call(address, asking, "stripe_get_charge", charge=charge))
    assert (error, told["state"], told["outcome"]["body"]["id"]) == (False, "succeeded", charge)


def test_a_held_call_says_so_and_is_collected_after_the_signature(address: str, asking: Asking) -> None:
    words = {"countersign_says": "Charged twice, see the order.", "countersign_request": "Put my bill right."}
    error, told = during(
        asking.world.settle, lambda: call(address, asking, "stripe_create_refund", **refund(asking), **words)
    )
    assert (error, told["state"], told["review"]["state"]) == (False, "held", "open")
    assert "do not call the tool again" in told["next"]
    action = asking.action()
    assert (action.says, action.request, action.request_by) == (*words.values(), "agent")
    assert words.keys().isdisjoint(action.arguments)

    def sign() -> None:
        asking.world.sign(asking.action().reviews.get())
        asking.world.settle()

    error, told = during(sign, lambda: call(address, asking, "countersign_action", action=told["id"]))
    assert (error, told["state"], len(asking.world.refunds())) == (False, "succeeded", 1)


def test_a_call_whose_answer_was_lost_finds_its_action_by_its_key(
    address: str, asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**refund(asking), "countersign_key": "k1"}
    with FaultProxy("127.0.0.1", urlsplit(address).port or 0) as line:
        monkeypatch.setattr(settings, "ORIGIN", line.base_url)
        door._safety.cache_clear()

        def lose() -> None:
            params = {"name": "stripe_create_refund", "arguments": given}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            lost = line.cut_after("POST", door.PATH)
            with pytest.raises(httpx2.RemoteProtocolError):
                httpx2.post(line.base_url + door.PATH, json=body, headers=headers(asking), timeout=30)
            assert lost.status == 200

        during(asking.world.settle, lose)
        again = call(line.base_url + door.PATH, asking, "stripe_create_refund", **given)[1]
    assert (again["id"], again["state"]) == (asking.action().id, "held")
    assert asking.action().arguments == refund(asking)
    asking.world.sign(asking.action().reviews.get())
    asking.world.settle()
    assert asking.refund(key="k1").json()["state"] == "succeeded"
    assert (Call.objects.exclude(effect="read").count(), len(asking.world.refunds())) == (1, 1)


def test_a_key_is_for_one_thing(address: str, asking: Asking) -> None:
    first = asking.refund(key="k1").json()["id"]
    error, told = call(address, asking, "stripe_create_refund", charge="ch_other", amount=1, countersign_key="k1")
    assert (error, told["code"], asking.action().id) == (True, "key_reused", first)


def test_an_argument_keeps_a_name_that_is_ours_elsewhere(address: str, asking: Asking) -> None:
    text = """{integration: locks, title: Locks, operations: {turn: {title: Turn, effect: write, method: POST,
        path: /turn, body: json, arguments: {countersign_key: {in: body, required: true, schema: {type: string}}}}}}"""
    mira = acting("mira")
    integration = describe_integration(text, base_url="http://127.0.0.1:9", actor=mira)
    credential = store_credential(integration, name="locks", secret="s", actor=mira)
    give_grant(grantee=asking.agent.grantee, operations=["turn"], credential=credential, actor=mira)
    listed = talk(address, asking.secret, lambda client: client.list_tools()).tools
    turn = next(one for one in listed if one.name == "locks_turn")
    assert turn.input_schema["properties"]["countersign_key"] == {"type": "string"}
    given = {"countersign_key": "brass", "countersign_says": "It is late."}
    during(asking.world.settle, lambda: call(address, asking, "locks_turn", **given))
    action = asking.action()
    assert (action.arguments, action.asked_key, action.says) == ({"countersign_key": "brass"}, "", "It is late.")


def test_what_is_taken_back_is_not_asked_any_more(address: str, asking: Asking) -> None:
    action = asking.refund().json()["id"]
    assert call(address, asking, "countersign_withdraw", action=action)[1]["state"] == "withdrawn"
    error, told = call(address, asking, "countersign_withdraw", action=action)
    assert (error, told["code"]) == (True, "conflict")


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("stripe_cancel_subscription", {"subscription": "sub_1"}, "not_granted"),
        ("stripe_create_refund", {"charge": "ch_1", "amount": "much"}, "invalid_arguments"),
        ("stripe_create_refund", {"charge": "ch_1", "amount": 1, "countersign_key": "k" * 256}, "invalid"),
        ("stripe_create_refund", {"charge": "ch_1", "amount": 1, "countersign_key": "k\0"}, "invalid_arguments"),
        ("stripe_create_refund", {"charge": "ch_1", "amount": 1, "countersign_key": None}, "invalid_arguments"),
        ("countersign_action", {"action": "act_nobody"}, "not_found"),
        ("countersign_action", {"action": "act\0"}, "invalid"),
        ("countersign_action", {}, "invalid"),
    ],
)
def test_refusals_are_answers_that_say_why(
    address: str, asking: Asking, tool: str, arguments: dict[str, Any], code: str
) -> None:
    error, told = call(address, asking, tool, **arguments)
    assert (error, told.get("code") or told["outcome"]["code"]) == (True, code)


def test_what_is_not_granted_looks_as_if_it_did_not_exist_and_is_in_the_log(address: str, asking: Asking) -> None:
    granted, unknown = (call(address, asking, f"stripe_{name}")[1] for name in ("cancel_subscription", "nothing"))
    assert granted["text"].replace("cancel_subscription", "nothing") == unknown["text"]
    assert not Action.objects.exists()
    assert Record.objects.filter(kind="audit:access:refused", actor=asking.agent.id).count() == 1


def test_without_a_good_token_nothing_is_said(address: str, asking: Asking) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    revoke_agent_token(asking.token, actor=acting("mira"))
    for header in ({}, {"Authorization": "Bearer cag_x"}, {"Authorization": f"Bearer {asking.secret}"}):
        answer = httpx2.post(address, json=body, headers=header)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_page_of_another_site_is_refused(address: str, asking: Asking) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert httpx2.post(address, json=body, headers=headers(asking)).status_code == 200
    foreign = httpx2.post(address, json=body, headers=headers(asking) | {"Origin": "https://elsewhere.example"})
    assert foreign.status_code == 403
    rebound = httpx2.post(address, json=body, headers=headers(asking) | {"Host": "elsewhere.example"})
    assert rebound.status_code == 421


def test_a_refused_call_is_in_the_log(address: str, asking: Asking) -> None:
    call(address, asking, "stripe_create_refund", charge="ch_1", amount="much")
    assert Record.objects.filter(kind="approvals:action:refused", actor=asking.agent.id).count() == 1


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    yield
    connections.close_all()
