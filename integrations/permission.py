"""What an agent does itself once it is permitted: operations at a place that stands for its own process.

They are proposed, ruled on, signed and executed as any other. Where others are sent, the door gives the permission as
the answer: for exactly these bytes, once, for a while. It sends nothing, and nothing can be read there.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from console.core.canonical import jcs
from console.core.clock import iso, now
from console.core.errors import Invalid, Tampered
from integrations.description import Description
from integrations.here import KEY_HEADER
from integrations.models import Integration
from integrations.outbound import Answer
from integrations.render import Rendered

AGENT = "https://agent.invalid"  # RFC 6761: no name server knows it, so that what is permitted here can go nowhere
LASTS = dt.timedelta(hours=1)
READING = ("reads", "probe", "pagination", "compensation")


def is_agents_own(integration: Integration) -> bool:
    """By the address, which every operation's attestation covers."""
    return integration.base_url == AGENT


def is_at_agent(base_url: str) -> bool:
    """Also in another spelling, which would be no permission and no address either."""
    return urlsplit(base_url).hostname == urlsplit(AGENT).hostname


def check_own(credential_type: str, described: Iterable[Description]) -> None:
    """Whether the door can give permission for these. Raises Invalid with a place."""
    if credential_type != "none":
        raise Invalid("credential: what an agent does itself needs no credential of ours")
    for one in described:
        if problem := _problem(one):
            raise Invalid(f"operations.{one.slug}: {problem}")


def _problem(one: Description) -> str:
    document, told = one.document, one.document.get("idempotency", {})
    if one.effect == "read":
        return "effect: the door reads nothing at an agent; say write, and let the policy allow it"
    if document["method"] != "POST" or one.body != {"form": "json"}:
        return "what an agent does itself is a POST with a body of JSON"
    if any(argument["in"] != "body" or argument.get("whole") for argument in one.arguments.values()):
        return "arguments: all of them are fields of the body"
    if (one.mode, told.get("header")) != ("native_key", KEY_HEADER):
        return f"idempotency: permission is given once, so say mode native_key with the header {KEY_HEADER}"
    return next((f"{name}: the door asks an agent nothing" for name in READING if document.get(name)), "")


def permit(rendered: Rendered, *, expected: bytes, key: str, first: Callable[[], object] | None) -> Answer:
    """What an exchange is elsewhere. Raises as `outbound.send` does."""
    if rendered.digest != expected:
        raise Tampered("The request differs from the one that was agreed.")
    if rendered.method != "POST" or not key:
        return _answer(404, {"error": "An agent is asked nothing: it can be permitted something."})
    if first:
        first()
    return _answer(200, permission(rendered.path.removeprefix("/"), json.loads(rendered.body or b"{}")))


def permission(tool: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """`input` is what the agent may do by its tool, and nothing else; its digest is SHA-256 over its canonical JSON
    (RFC 8785)."""
    digest = hashlib.sha256(jcs(given)).hexdigest()
    return {"permission": "given", "tool": tool, "input": dict(given), "input_digest": digest,
            "expires": iso(now() + LASTS)}  # fmt: skip


def _answer(status: int, body: dict[str, Any]) -> Answer:
    return Answer(status, body, hashlib.sha256(jcs(body)).hexdigest(), "application/json")
