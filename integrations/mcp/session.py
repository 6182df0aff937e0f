"""One session with a server of the Model Context Protocol, by the client of those who wrote the protocol: what it
lists, and at most one call of a tool that is still what it was. The door alone."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import anyio.to_thread
import httpx2
import mcp_types as types
from django.db import connection
from mcp import Client
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, ConfigDict

from console.core.errors import Invalid
from integrations.credential_types import Opened, unpack
from integrations.mcp.guard import Guard
from integrations.mcp.http import Wire
from integrations.mcp.programs import programs, running
from integrations.mcp.tools import pin
from integrations.outbound import MAX_ANSWER, Answer, NotSent, Unknown, answer_of
from integrations.redaction import clean, echoes, redact
from integrations.render import STDIO, Rendered

LISTENING = 20.0  # seconds, for a list that nobody's call waits for
# Until the call begins to be written. With the age that an intent may have, and 5 seconds each for connecting and TLS,
# it makes the 30 after which nothing leaves a door that only seemed dead.
HANDSHAKE = 8.0
PATIENCE = 60.0  # for the answer
MOST_TOOLS = 1_000
MOST_PAGES = 50
ANSWERED = 200  # a tool's answer has no status of its own
REFUSED = (types.METHOD_NOT_FOUND, types.INVALID_PARAMS)  # said before a tool is run (JSON-RPC 2.0 §5.1)
# The library logs what it cannot read, which may hold a secret that the other side has echoed.
for _name in ("mcp.client", "mcp.shared", "mcp.os", "client"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


class _Raw(BaseModel):
    """A result as it came: what the server promised of its form is not our affair."""

    model_config = ConfigDict(extra="allow")


class Drifted(NotSent):
    """The tool is no longer what was agreed. `tools` is what the server lists now."""

    def __init__(self, text: str, tools: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(text)
        self.tools = tools


class Listed(NamedTuple):
    tools: list[dict[str, Any]]
    server: str  # what it calls itself


def list_tools(
    rendered: Rendered, *, secret: str, credential_type: str, settings: Mapping[str, str], token: str = ""
) -> Listed:
    """All that the server lists, with every form of the secret taken out. `rendered` says where it is. Raises NotSent
    with the reason, which is for people."""
    opened, forms = _opened(credential_type, settings, secret), set[str]()
    guard = Guard(rendered, None)
    found: list[Listed] = []

    async def work() -> None:
        with anyio.fail_after(LISTENING):
            async with _session(guard, opened, token, forms) as session:
                told = session.server_info
                found.append(Listed(await _all_tools(session), f"{told.name} {told.version}" if told else ""))

    _run(work, guard, found, forms)
    return Listed(clean(found[0].tools, _longest(forms)), clean(found[0].server, _longest(forms))[:200])


def call_tool(
    rendered: Rendered, *, expected: bytes, secret: str, credential_type: str,
    settings: Mapping[str, str] | None = None, token: str = "", trace: str = "",
    first: Callable[[], object] | None = None,
) -> Answer:  # fmt: skip
    """As `outbound.send` does it, for a tool, which is looked at in the same session before it is called; `trace` is a
    W3C traceparent that goes with it. Raises Drifted, Tampered, NotSent or Unknown."""
    assert rendered.tool
    opened, forms = _opened(credential_type, settings or {}, secret), set[str]()
    guard = Guard(rendered, expected)
    found: list[Answer] = []

    async def work() -> None:
        with anyio.fail_after(HANDSHAKE) as scope:
            async with _session(guard, opened, token, forms) as session:
                _check_same(rendered, await _all_tools(session), forms)
                if first:
                    await anyio.to_thread.run_sync(_aside, first)
                scope.deadline = anyio.current_time() + PATIENCE
                found.append(await _called(session, rendered, guard, forms, trace))

    _run(work, guard, found, forms)
    return found[0]


def _aside(first: Callable[[], object]) -> None:
    """The database is not to be asked within a loop. The thread is the library's, and so keeps no connection."""
    try:
        first()
    finally:
        connection.close()


def _opened(credential_type: str, settings: Mapping[str, str], secret: str) -> Opened:
    try:
        return unpack(credential_type, settings, secret)
    except Invalid as error:
        raise NotSent(error.text) from None


@asynccontextmanager
async def _session(guard: Guard, opened: Opened, token: str, forms: set[str]) -> AsyncIterator[ClientSession]:
    if guard.rendered.scheme == STDIO:
        forms |= set(echoes(*opened.secrets))
        async with Client(_program(guard, opened)) as client:
            yield client.session
        return
    wire = Wire(guard, opened, token, forms)
    async with (
        httpx2.AsyncClient(transport=wire, timeout=None, trust_env=False) as http,
        Client(streamable_http_client(guard.rendered.url, http_client=http, max_sse_event_size=MAX_ANSWER)) as client,
    ):
        yield client.session


def _program(guard: Guard, opened: Opened) -> Any:
    try:
        program = programs()[guard.rendered.host]
    except Invalid as error:
        raise NotSent(error.text) from None
    except KeyError:
        raise NotSent(f"This installation names no MCP server {guard.rendered.host!r}.") from None

    def check(line: bytes) -> None:
        if guard.check(line):
            guard.begun = True

    return running(program, opened.parts.get("token", ""), check)


async def _all_tools(session: ClientSession) -> list[dict[str, Any]]:
    tools: list[types.Tool] = []
    cursor = None
    for _ in range(MOST_PAGES):
        page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
        tools += page.tools
        if len(tools) > MOST_TOOLS:
            break
        if not (cursor := page.next_cursor):
            return [one.model_dump(mode="json", by_alias=True, exclude_unset=True) for one in tools]
    raise NotSent(f"It lists more than {MOST_TOOLS:,} tools, or never comes to an end.")


def _check_same(rendered: Rendered, tools: list[dict[str, Any]], forms: set[str]) -> None:
    assert rendered.tool
    same = [one for one in tools if one.get("name") == rendered.tool.name]
    try:
        pins = [pin(clean(one, _longest(forms))) for one in same]
    except ValueError:
        pins = []
    if pins != [rendered.tool.pin]:
        text = "is described otherwise by now" if same else "is not among the server's tools any more"
        raise Drifted(f"The tool {rendered.tool.name} {text}.", clean(tools, _longest(forms)))


async def _called(session: ClientSession, rendered: Rendered, guard: Guard, forms: set[str], trace: str) -> Answer:
    """What the tool answers, that it failed too, is an answer. So is a refusal that comes ahead of the tool."""
    asked = json.loads(rendered.body)["params"] | ({"_meta": {"traceparent": trace}} if trace else {})
    request = types.CallToolRequest(params=types.CallToolRequestParams(**asked))
    try:
        result = (await session.send_request(request, _Raw)).model_dump(mode="json", by_alias=True)
    except MCPError as error:
        if guard.begun and 400 <= guard.status < 500:
            return _answer(guard.status, {"error": error.error.message}, forms)
        if guard.begun and guard.status in (0, ANSWERED) and error.error.code in REFUSED:
            return _answer(ANSWERED, {"error": error.error.message}, forms, refused=True)
        raise
    if result.get("resultType", "complete") != "complete":
        raise Unknown("The server asks for more instead of answering.")
    failed = bool(result.get("isError"))
    structured = result.get("structuredContent")
    body = structured if isinstance(structured, dict) and not failed else {"content": result.get("content")}
    return _answer(ANSWERED, body, forms, refused=failed)


def _answer(status: int, body: Mapping[str, Any], forms: set[str], *, refused: bool = False) -> Answer:
    return answer_of(status, json.dumps(body, ensure_ascii=False).encode(), _longest(forms), refused=refused)


def _run(work: Callable[[], Awaitable[None]], guard: Guard, found: Sequence[object], forms: set[str]) -> None:
    """Whatever goes wrong once there is what was wanted, such as in taking leave, is of no interest any more."""
    try:
        anyio.run(work)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        if found:
            return
        raise _told(error, guard, forms) from None
    if not found:
        raise _told(TimeoutError(), guard, forms)


def _told(error: BaseException, guard: Guard, forms: set[str]) -> Exception:
    """What was not written is certain not to have happened; everything else is not certain."""
    if guard.fault:
        return guard.fault
    inner = _first(error)
    if isinstance(inner, Unknown) or (isinstance(inner, NotSent) and not guard.begun):
        return inner
    text = str(inner) or type(inner).__name__
    if isinstance(inner, TimeoutError):
        text = "It did not answer in time."
    elif isinstance(inner, MCPError) and guard.last >= 400:
        text = f"It answered {guard.last}."  # the library has words of its own for that, which say less
    return (Unknown if guard.begun else NotSent)(redact(text, _longest(forms))[:500])


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _longest(forms: set[str]) -> list[str]:
    return sorted(forms, key=len, reverse=True)
