"""What may be written to a server of the Model Context Protocol in one session, whatever wrote it. The library speaks
the protocol; this looks at each message last, before it leaves."""

import dataclasses
import json
from typing import Any

from console.core.errors import Invalid, Tampered
from integrations.render import Rendered, tool_call

# All that a session consists of but the call itself. Answers to what the server asks have no method.
AROUND = frozenset({"initialize", "notifications/initialized", "notifications/cancelled", "server/discover",
                    "tools/list", "ping"})  # fmt: skip
CALL = "tools/call"


class Guard:
    """`expected` is the digest of the one call that was agreed; without it nothing is called. `begun` says that the
    call may have reached the other side, `status` how its HTTP exchange was answered (0: there is none), `last` how
    the last of all was."""

    def __init__(self, rendered: Rendered, expected: bytes | None) -> None:
        self.rendered, self.expected = rendered, expected
        self.begun = self.asked = False
        self.status = self.last = 0
        self.fault: Tampered | None = None

    def check(self, content: bytes, written: Rendered | None = None) -> bool:
        """Whether this message is the call. `written` is the request that carries it, where there is one. Raises
        Tampered, and keeps it, because what is raised inside of a session gets lost there."""
        try:
            return self._check(json.loads(content), written or self.rendered)
        except Tampered as fault:
            self.fault = fault
            raise

    def _check(self, message: dict[str, Any], written: Rendered) -> bool:
        method = message.get("method")
        if method is None and ("result" in message or "error" in message):
            return False
        if method in AROUND:
            return False
        if method != CALL or self.expected is None or self.asked:
            raise Tampered(f"Nobody agreed to {str(method)[:100]!r} in this session.")
        self.asked = True
        if dataclasses.replace(written, body=_agreed(message), tool=self.rendered.tool).digest != self.expected:
            raise Tampered("The call about to be written is not the one that was agreed.")
        return True


def _agreed(message: dict[str, Any]) -> bytes:
    """Without the envelope: number, version, and what the library notes about itself. Raises Tampered for more."""
    params = message.get("params")
    if not isinstance(params, dict) or not message.keys() <= {"jsonrpc", "id", "method", "params"}:
        raise Tampered("The call about to be written has another form than was agreed.")
    if odd := sorted(params.keys() - {"name", "arguments", "_meta"}):
        raise Tampered(f"The call about to be written also says {odd[0]!r:.100}.")
    try:
        return tool_call(params.get("name"), params.get("arguments"))
    except Invalid as error:
        raise Tampered(error.text) from None
