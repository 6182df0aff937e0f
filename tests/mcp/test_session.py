"""The door's session with MCP servers: what is written is what was agreed, to where it was bound, and nothing else."""

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from approvals.repeat import FRESH, OUTRUN, PATIENCE
from console.core.errors import Tampered
from integrations.description import Description
from integrations.mcp import session
from integrations.mcp.http import TIMEOUT
from integrations.mcp.session import Drifted, Listed, call_tool, list_tools
from integrations.mcp.tools import describe_tools
from integrations.outbound import Answer, NotSent, Unknown
from integrations.render import Rendered, render
from tests.mcp.speaking import SEND, Speaking, speaking

TOKEN = "an-obvious-secret-of-some-length"
ARGUMENTS = {"to": "ana", "text": "hello"}


@pytest.fixture
def server() -> Iterator[Speaking]:
    with speaking() as one:
        yield one


def listed(address: str, secret: str = "") -> Listed:
    nowhere = Description("tools", {"tool": {"name": "", "pin": ""}})
    kind = "bearer" if secret else "none"
    return list_tools(render(nowhere, {}, base_url=address, key=""), secret=secret, credential_type=kind, settings={})


def described(address: str, slug: str, secret: str = "") -> Description:
    return Description(slug, describe_tools(listed(address, secret).tools).operations[slug])


def rendered(address: str, secret: str = "", **changes: Any) -> Rendered:
    made = render(described(address, "send_message", secret), ARGUMENTS, base_url=address, key="key")
    return dataclasses.replace(made, **changes)


def call(wanted: Rendered, expected: bytes | None = None, secret: str = "") -> Answer:
    kind = "bearer" if secret else "none"
    return call_tool(wanted, expected=expected or wanted.digest, secret=secret, credential_type=kind)


def test_the_tool_is_called_once_with_what_was_agreed(server: Speaking) -> None:
    answer = call(rendered(server.address))
    assert (answer.status, answer.refused, answer.body) == (200, False, {"content": [{"type": "text", "text": "done"}]})
    assert server.calls == [("send-message", ARGUMENTS)]


def test_the_trace_goes_with_the_call(server: Speaking) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    wanted = rendered(server.address)
    call_tool(wanted, expected=wanted.digest, secret="", credential_type="none", trace=trace)
    assert server.noted["traceparent"] == trace
    assert server.calls == [("send-message", ARGUMENTS)]


def test_another_call_than_the_agreed_one_is_never_written(server: Speaking) -> None:
    wanted = rendered(server.address)
    others = [
        dataclasses.replace(wanted, body=wanted.body.replace(b"hello", b"good bye")),
        dataclasses.replace(wanted, host="localhost"),
    ]
    for other in others:
        with pytest.raises(Tampered):
            call(other, expected=wanted.digest)
    assert server.calls == []
    assert "tools/call" not in server.methods


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Sends a message, and a copy of it to somebody else."},
        {"title": "Another title"},
        {"inputSchema": {**SEND["inputSchema"], "properties": {"to": {}, "text": {}, "copy": {}}}},
        {"outputSchema": {"type": "object"}},
        {"annotations": {"readOnlyHint": False}},
        {"name": "send_message"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_tool_that_changed_in_whatever_way_is_not_called(change: dict[str, Any], server: Speaking) -> None:
    wanted = rendered(server.address)
    server.tools = [{**SEND, **change}]
    with pytest.raises(Drifted) as drift:
        call(wanted)
    assert [one["name"] for one in drift.value.tools] == [change.get("name", "send-message")]
    assert server.calls == []


def test_what_is_asked_right_before_the_call_keeps_it_from_being_written(server: Speaking) -> None:
    wanted, listed_before = rendered(server.address), []

    def ended() -> None:
        listed_before.append(len(server.calls))
        raise NotSent("Its run was cancelled.")

    with pytest.raises(NotSent, match="cancelled"):
        call_tool(wanted, expected=wanted.digest, secret="", credential_type="none", first=ended)
    assert (listed_before, server.calls) == ([0], [])


def test_a_name_that_two_tools_have_is_not_called(server: Speaking) -> None:
    wanted = rendered(server.address)
    server.tools = [SEND, {**SEND, "description": "Another"}]
    with pytest.raises(Drifted):
        call(wanted)
    assert server.calls == []


def test_what_a_tool_says_of_its_failure_is_an_answer(server: Speaking) -> None:
    server.on_call = lambda *_: {"content": [{"type": "text", "text": "nobody of that name"}], "isError": True}
    answer = call(rendered(server.address))
    assert (answer.refused, answer.body) == (True, {"content": [{"type": "text", "text": "nobody of that name"}]})


def test_a_lost_answer_leaves_it_unknown(server: Speaking) -> None:
    wanted = rendered(server.address)
    server.cut = "tools/call"
    with pytest.raises(Unknown):
        call(wanted)
    assert server.calls == [("send-message", ARGUMENTS)]


@pytest.mark.parametrize("method", ["initialize", "tools/list"])
def test_what_goes_wrong_before_the_call_is_certain_not_to_have_sent_it(method: str, server: Speaking) -> None:
    wanted = rendered(server.address)
    server.cut = method
    server.tools = [SEND]
    if method == "initialize":
        server.answer = (503, b"later")
    with pytest.raises(NotSent):
        call(wanted)
    assert server.calls == []


def test_an_answer_that_never_comes_is_not_waited_for(server: Speaking, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    held = threading.Event()

    def hold(*_: object) -> dict[str, Any]:
        held.wait(20)
        return {"content": []}

    wanted = rendered(server.address)
    server.on_call = hold
    monkeypatch.setattr(session, "PATIENCE", 0.3)
    with pytest.raises(Unknown, match="in time"):
        call(wanted)
    held.set()


def test_an_answer_without_end_is_cut_off(server: Speaking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.mcp.http.MAX_ANSWER", 20_000)
    wanted = rendered(server.address)
    server.on_call = lambda *_: {"content": [{"type": "text", "text": "x" * 50_000}]}
    with pytest.raises(Unknown):
        call(wanted)


def test_a_list_without_end_is_not_taken(server: Speaking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MOST_TOOLS", 3)
    server.tools = [{**SEND, "name": f"tool{number}"} for number in range(4)]
    with pytest.raises(NotSent, match="more than 3 tools"):
        listed(server.address)


def test_no_redirect_is_followed(server: Speaking) -> None:
    with speaking() as elsewhere:

        async def redirecting(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 307, "headers": [(b"location", b"/other")]})
            await send({"type": "http.response.body", "body": b""})
            elsewhere.methods.append(scope["path"])

        elsewhere.serve = redirecting  # type: ignore[method-assign]
        with pytest.raises(NotSent):
            listed(elsewhere.address)


def test_an_address_that_is_not_public_is_refused(server: Speaking, settings: Any) -> None:
    wanted = rendered(server.address)
    before = len(server.methods)
    settings.ALLOWED_NETWORKS = []
    with pytest.raises(NotSent, match="neither public nor allowed"):
        call(wanted)
    assert len(server.methods) == before


def test_the_environments_proxy_is_not_used(server: Speaking, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert [one["name"] for one in listed(server.address).tools] == ["send-message"]


def test_the_secret_is_sent_and_comes_back_in_nothing_that_is_kept(server: Speaking, caplog: Any) -> None:
    server.token = TOKEN
    server.tools = [{**SEND, "description": f"Say {TOKEN}"}]
    server.on_call = lambda *_: {"content": [{"type": "text", "text": f"You are {TOKEN}"}]}
    found = listed(server.address, TOKEN)
    answer = call(rendered(server.address, TOKEN), secret=TOKEN)
    assert server.calls == [("send-message", ARGUMENTS)]
    assert answer.body == {"content": [{"type": "text", "text": "You are [redacted]"}]}
    assert TOKEN not in json.dumps([found, answer.receipt()]) + caplog.text


def test_wherever_what_is_kept_of_its_name_ends_it_holds_no_part_of_the_secret(server: Speaking) -> None:
    server.token = TOKEN
    for before in (160, 180, 199):
        server.name = f"{'x' * before}{TOKEN}"
        assert listed(server.address, TOKEN).server == f"{'x' * before}[redacted] 1"[:200]


def test_whoever_is_not_let_in_is_told_so_and_called_nothing(server: Speaking) -> None:
    server.token = TOKEN
    with pytest.raises(NotSent, match=r"It answered 401\."):
        listed(server.address, "a-wrong-secret-of-some-length")
    assert server.methods == []


def test_a_call_leaves_a_door_that_only_seemed_dead_in_time_and_is_answered_while_it_is_waited_for() -> None:
    connecting = dt.timedelta(seconds=2 * TIMEOUT["connect"])  # resolving and TCP; then TLS
    assert FRESH + dt.timedelta(seconds=session.HANDSHAKE) + connecting < OUTRUN
    assert OUTRUN + dt.timedelta(seconds=session.PATIENCE) < PATIENCE


def test_the_reference_server_is_listed_and_called(everything: str) -> None:
    found = listed(everything)
    assert found.server == "mcp-servers/everything 2.0.0"
    assert {"echo", "get-sum", "get-env"} <= {one["name"] for one in found.tools}
    echo = render(described(everything, "echo"), {"message": "hi"}, base_url=everything, key="")
    assert call(echo).body == {"content": [{"type": "text", "text": "Echo: hi"}]}
    wrong = render(described(everything, "get_sum"), {"a": "one"}, base_url=everything, key="")
    assert call(wrong).refused
