"""The same acts for agents that speak the Model Context Protocol: each granted operation is a tool.

Streamable HTTP without sessions: every request brings its token, and nothing is lost when this process ends.
"""

import functools
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast
from urllib.parse import urlsplit

import mcp_types as types
from django.conf import settings
from django.utils.encoding import force_str
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import ValidationError

from approvals.models import Action
from audit.read import record_refusal
from console.agents.identify import Identified, identify
from console.core.errors import Invalid, Refusal, Tampered
from console.core.telemetry import read_traceparent
from console.core.threads import in_thread
from console.gateway import permissions
from console.gateway.acts import GUESSED, LONGEST_KEY, Asked, access_action, ask, take_back, wait_until
from console.gateway.api import told
from console.gateway.proposals_api import SHOWN, Propose, as_text, propose
from console.gateway.tools import Tool, tools_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PATH = "/mcp"
SAYS, REQUEST, KEY = "countersign_says", "countersign_request", "countersign_key"
COLLECT, WITHDRAW = "countersign_action", "countersign_withdraw"
PROPOSE, PROPOSED = "countersign_propose_grant", "countersign_grant_proposals"
PATIENCE = 45.0  # seconds; clients give up after sixty
ABOUT = """Each tool is an operation that this agent was granted. The console executes it with credentials of its own.
Some calls are held until a person has signed: the answer then says so and names the action. Do not call the tool again;
ask countersign_action what became of it, also after hours or days. Give a countersign_key: called
again with the same one, where an answer was lost, a tool finds the same action."""
BESIDE = {
    SAYS: {"type": "string", "maxLength": 4_000, "description":
           "Why you ask for this, in your own words; shown as such to the person who decides."},
    REQUEST: {"type": "string", "maxLength": 4_000, "description":
              "What a person asked of you, in the words you were given; shown beside yours."},
    KEY: {"type": "string", "maxLength": LONGEST_KEY, "description":
          "A key of your own for this one request. Where its answer was lost, call again with the same key: it finds "
          "the same action, and nothing is done twice."},
}  # fmt: skip
ACTION = {"type": "string", "description": "The id of the action, act_…"}
OWN = [
    types.Tool(
        name=COLLECT, title="What became of an action",
        description="State and outcome of an action you asked for. Waits up to 45 seconds while it is not settled.",
        input_schema={"type": "object", "properties": {"action": ACTION}, "required": ["action"],
                      "additionalProperties": False},
        annotations=types.ToolAnnotations(read_only_hint=True),
    ),
    types.Tool(
        name=WITHDRAW, title="Take an action back",
        description="Takes back an action that you asked for, while nothing has begun.",
        input_schema={"type": "object", "properties": {"action": ACTION}, "required": ["action"],
                      "additionalProperties": False},
    ),
    types.Tool(
        name=PROPOSE, title="Propose a grant",
        description="Proposes operations that you want to be granted. An admin gives them, or less, or declines.",
        input_schema={"type": "object", "required": ["operations"], "additionalProperties": False, "properties": {
            "operations": {"type": "array", "items": {"type": "string"}, "minItems": 1,
                           "description": "Each as integration.operation, all of one integration"},
            "why": {"type": "string", "maxLength": 2_000, "description": "Shown to the admin as your own words"},
            "limits": {"type": "object", "description": "Of `arguments` and of `calls`, as in a grant"},
            "until": {"type": "string", "format": "date-time"}}},
    ),
    types.Tool(
        name=PROPOSED, title="What became of your proposals",
        description="Your proposals for grants, the newest first, with what admins answered.",
        input_schema={"type": "object", "properties": {}, "additionalProperties": False},
        annotations=types.ToolAnnotations(read_only_hint=True),
    ),
]  # fmt: skip


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application at PATH. 401 for whoever brings no token of an agent."""
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    who = await in_thread("mcp", identify, force_str(header, "latin-1"))
    if who is None:
        await _refuse(send)
        return
    manager = StreamableHTTPSessionManager(
        _server(who), json_response=True, stateless=True, security_settings=_safety()
    )
    async with manager.run():
        await manager.handle_request(scope, receive, send)


def _server(who: Identified) -> Server[Any]:
    async def list_tools(_: ServerRequestContext, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=await in_thread("mcp", _listed, who))

    async def call_tool(_: ServerRequestContext, params: types.CallToolRequestParams) -> types.CallToolResult:
        return await in_thread("mcp", _called, who, params)

    return Server("countersign", version="1", instructions=ABOUT, on_list_tools=list_tools, on_call_tool=call_tool)


def _listed(who: Identified) -> list[types.Tool]:
    """What an agent does itself is no tool here: its own tools are asked about by one."""
    granted = tools_of(who.agent)
    asking = [permissions.TOOL] if any(one.own for one in granted) else []
    return [*(_tool(one) for one in granted if not one.own), *OWN, *asking]


def _tool(one: Tool) -> types.Tool:
    schema = one.schema()
    if one.effect != "read":
        schema["properties"] = {**BESIDE, **schema["properties"]}
    hints = types.ToolAnnotations(read_only_hint=one.effect == "read", destructive_hint=one.effect == "destructive")
    return types.Tool(name=one.name, title=one.title, description=one.says, input_schema=schema, annotations=hints)


def _called(who: Identified, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Refusals are answers of the tool: the agent is to read why."""
    arguments = dict(params.arguments or {})
    try:
        match params.name:
            case name if name == COLLECT:
                action = access_action(who, _named(arguments))
                if not action.settled:
                    action = wait_until(who, action, seconds=PATIENCE, also_held=False)
            case name if name == PROPOSE:
                return _text(as_text(propose(who, _proposed(arguments))), error=False)
            case name if name == PROPOSED:
                return _text({"proposals": [as_text(one) for one in who.agent.proposals.all()[:SHOWN]]}, error=False)
            case permissions.NAME:
                return permissions.as_result(permissions.answer_permission(who, arguments))
            case name if name == WITHDRAW:
                action = take_back(who, _named(arguments))
            case name:
                action = _asked(who, name, arguments, cast(dict[str, Any], params.meta or {}))
        return _answer(action)
    except Refusal as refusal:
        return _text({"code": refusal.code, "text": refusal.text}, error=True)
    except Tampered:
        return _text({"code": "tampered", "text": "What is stored does not match what was signed."}, error=True)


def _asked(who: Identified, name: str, arguments: dict[str, Any], meta: dict[str, Any]) -> Action:
    tool = next((one for one in tools_of(who.agent) if one.name == name and not one.own), None)
    if tool is None:
        record_refusal(actor=who.actor, page=GUESSED)
        raise Invalid(f"You are not granted a tool {name!r:.100}. Propose a grant by {PROPOSE}.", code="not_granted")
    says, request, key = (_beside(tool, arguments, name) for name in (SAYS, REQUEST, KEY))
    parent = read_traceparent(str(meta.get("traceparent", "")))
    action = ask(who, Asked(tool.operation, arguments, key, says, request, parent=parent))
    if action.settled:
        return access_action(who, action.id)
    return wait_until(who, action, seconds=PATIENCE, also_held=True)


def _beside(tool: Tool, arguments: dict[str, Any], name: str) -> str:
    """What is meant for the console, taken from among the arguments. One of that name that the operation has itself
    stays the operation's."""
    given = "" if name in tool.row.description.get("arguments", {}) else arguments.pop(name, "")
    if not isinstance(given, str):
        raise Invalid(f"{name} has to be text.", code="invalid_arguments")
    return given


def _proposed(arguments: dict[str, Any]) -> Propose:
    try:
        return Propose.model_validate(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        raise Invalid(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _named(arguments: dict[str, Any]) -> str:
    action = arguments.get("action")
    if not isinstance(action, str) or "\0" in action:
        raise Invalid("Name the action by its id, act_…")
    return action


def _answer(action: Action) -> types.CallToolResult:
    given = told(action)
    given |= {
        name: given[name].isoformat() if given[name] else None for name in ("not_before", "created_at", "settled_at")
    }
    if given["review"]:
        given["review"]["expires_at"] = given["review"]["expires_at"].isoformat()
    if not action.settled:
        given["next"] = f"Not settled yet. Ask {COLLECT} with this id, and do not call the tool again."
    return _text(given, error=action.settled and action.state != "succeeded")


def _text(given: dict[str, Any], *, error: bool) -> types.CallToolResult:
    text = json.dumps(given, ensure_ascii=False)
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=given, is_error=error
    )


@functools.cache
def _safety() -> TransportSecuritySettings:
    """A page of another site must not speak to us by way of its visitor's browser."""
    return TransportSecuritySettings(
        allowed_hosts=[urlsplit(settings.ORIGIN).netloc], allowed_origins=[settings.ORIGIN]
    )


async def _refuse(send: Send) -> None:
    error = {"code": "not_signed_in", "text": "Send the token of an agent that is still good.", "detail": {}}
    headers = [
        (b"content-type", b"application/json"),
        (b"www-authenticate", b"Bearer"),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": error}).encode()})
