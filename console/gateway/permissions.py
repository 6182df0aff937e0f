"""Permission for what an agent does itself, in the words of programs that ask by a tool before they run another one.

Such a program cannot wait for days. So what it asks for once more, with the same input, finds the request that still
waits, or the permission that nobody has taken; and each permission is taken once.
"""

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from django.db import transaction
from django.db.models import F, Q

from approvals.models import Action
from approvals.propose import check_carried
from audit.models import Record
from audit.read import record_refusal
from audit.record import record
from audit.vocabulary import Kind
from console.agents.identify import Identified
from console.core.canonical import jcs
from console.core.clock import now, read_moment
from console.core.errors import Invalid, Refusal, Tampered
from console.core.turns import take_turn
from console.gateway.acts import GUESSED, Asked, access_action, ask, wait_until
from console.gateway.again import may_ask_again
from console.gateway.tools import Tool, tools_of
from integrations.permission import LASTS

NAME = "countersign_permission"
PATIENCE = 45.0  # seconds; clients give up after sixty
_TOOL = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_USE = re.compile(r"[A-Za-z0-9_.:-]{0,200}")
TOOL = types.Tool(
    name=NAME, title="Permission for a tool of yours",
    description="For the program that runs the agent, not for the model: may this tool be run with this input? Answers "
                "allow or deny, and waits up to 45 seconds for a person.",
    input_schema={"type": "object", "required": ["tool_name", "input"], "properties": {
        "tool_name": {"type": "string"}, "input": {"type": "object"}, "tool_use_id": {"type": "string"}}},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a tool that somebody wants to make; `id` may be empty."""

    tool: str
    given: Mapping[str, Any]
    id: str = ""


def read_use(arguments: Mapping[str, Any]) -> Use:
    """Raises Invalid."""
    tool, given, use = (arguments.get(name) for name in ("tool_name", "input", "tool_use_id"))
    use = "" if use is None else use
    if not isinstance(tool, str) or not _TOOL.fullmatch(tool):
        raise Invalid("Say the tool's name as tool_name.")
    if not isinstance(given, dict) or not isinstance(use, str) or not _USE.fullmatch(use):
        raise Invalid("Say what the tool is given as input, an object, and its use as tool_use_id.")
    check_carried(given)
    return Use(tool, given, use)


def own_tool(tools: Iterable[Tool], name: str) -> Tool | None:
    """The granted operation whose path is the tool's name. None also where two are: nothing is guessed."""
    found = [one for one in tools if one.own and one.row.description["path"] == f"/{name}"]
    return found[0] if len(found) == 1 else None


def named(tool: Tool, given: Mapping[str, Any]) -> dict[str, Any]:
    """The operation's arguments by their own names; what it has not keeps its name, and is refused."""
    arguments = tool.row.description.get("arguments", {})
    ours = {argument.get("name", name): name for name, argument in arguments.items()}
    return {ours.get(name, name): value for name, value in given.items()}


def answer_permission(who: Identified, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`{"behavior": "allow", "updatedInput": …}` or `{"behavior": "deny", "message": …}`; whatever went wrong is the
    latter."""
    try:
        use = read_use(arguments)
        tool = own_tool(tools_of(who.agent), use.tool)
        if tool is None:
            record_refusal(actor=who.actor, page=GUESSED)
            return deny(f"You are not granted the tool {use.tool}.", again=False)
        action = _ask(who, tool, named(tool, use.given), use)
        if _is_given(action) and not _take(who, action, use):
            return deny("This permission was taken already.", again=True)
        return verdict(action)
    except Refusal as refusal:
        return deny(refusal.text, again=False)
    except Tampered:
        return deny("What is stored does not match what was signed.", again=False)


def verdict(action: Action) -> dict[str, Any]:
    """Of one that has settled, or waits."""
    if not action.settled:
        text = f"Nothing was done: {action.id} is not decided, and a person may have to sign it."
        return {"behavior": "deny", "message": f"{text} Do not work around it. Later, try exactly the same again."}
    if _is_given(action):
        return {"behavior": "allow", "updatedInput": _body(action)["input"]}
    if action.state == "succeeded":
        return deny("The permission has expired.", again=True)
    outcome = action.outcome or {}
    said = f"{action.state.capitalize()}: {outcome.get('text', '')}"
    return deny(said, again=may_ask_again(str(outcome.get("code", ""))))


def deny(text: str, *, again: bool) -> dict[str, Any]:
    return {"behavior": "deny", "message": f"{text} {'You may ask again.' if again else 'Do not try it again.'}"}


def as_result(answer: Mapping[str, Any]) -> types.CallToolResult:
    """One text, as those who ask read it."""
    content = types.TextContent(type="text", text=json.dumps(answer, ensure_ascii=False))
    return types.CallToolResult(content=[content])


def _ask(who: Identified, tool: Tool, arguments: Mapping[str, Any], use: Use) -> Action:
    action = _known(who, tool, arguments, use) or ask(who, Asked(tool.operation, arguments, _key(use)))
    if action.settled:
        return access_action(who, action.pk)
    return wait_until(who, action, seconds=PATIENCE, also_held=False)


def _key(use: Use) -> str:
    """One use asks for one thing."""
    return f"{NAME} {use.id or secrets.token_hex(16)}"


def _known(who: Identified, tool: Tool, arguments: Mapping[str, Any], use: Use) -> Action | None:
    """A permission for the same that is still to be taken, before a request for the same that has no end yet."""
    waiting, given = Q(settled_at=None), Q(state="succeeded", settled_at__gt=now() - LASTS)
    rows = Action.objects.filter(waiting | given, team=who.agent.team_id, grantee=who.agent.grantee, operation=tool.row)
    rows = rows.filter(asked_key__startswith=f"{NAME} ")
    rows = rows.only("state", "arguments", "original").order_by(F("settled_at").asc(nulls_last=True), "created_at")
    wanted = jcs(arguments)
    same = (one for one in rows if jcs(one.asked_for) == wanted)
    found = next((one for one in same if not one.settled or _taken_by(one.pk) in (None, use.id or None)), None)
    return access_action(who, found.pk) if found else None


def _is_given(action: Action) -> bool:
    body = _body(action)
    return body.get("permission") == "given" and read_moment(body["expires"]) > now()


def _body(action: Action) -> dict[str, Any]:
    body = (action.outcome or {}).get("body") if action.state == "succeeded" else None
    return body if isinstance(body, dict) else {}


@transaction.atomic
def _take(who: Identified, action: Action, use: Use) -> bool:
    """Whether this use has it. One that says which it is is told so again, where the first answer was lost."""
    take_turn(f"permission {action.pk}")
    taken = _taken_by(action.pk)
    if taken is None:
        record(Kind.PERMISSION_TAKEN, subject=action.pk, actor=who.actor, detail={"use": use.id})
        return True
    return bool(use.id) and taken == use.id


def _taken_by(action: str) -> str | None:
    """The use that has it, by the log; "" for one that did not say which it is."""
    found = Record.objects.filter(kind=Kind.PERMISSION_TAKEN, subject=action).first()
    return str(json.loads(bytes(found.leaf))["detail"]["use"]) if found else None
