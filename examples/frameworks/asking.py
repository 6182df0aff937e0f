"""What a tool of any framework needs to be held by Countersign. Copy it beside yours; it needs httpx alone."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

import httpx

Action = dict[str, Any]  # as docs/approvals-api.md has it
ASKING, LOOKING = 20, 60  # seconds that the console waits before it answers
FURTHER = 15  # and that we wait for the answer itself


@dataclass(frozen=True, slots=True)
class Console:
    address: str
    token: str

    def ask(self, operation: str, arguments: dict[str, Any], *, key: str, says: str = "") -> Action:
        """New, or the same one again under the same key: so it may be asked anew after any crash."""
        body = {"operation": operation, "arguments": arguments, "says": says}
        with self._client(ASKING) as client:
            answer = client.post("/api/v1/actions", json=body, headers={"Idempotency-Key": key})
        refused = answer.json().get("error", {}).get("detail", {}).get("action") if answer.is_client_error else None
        return self.look(refused) if refused else _read(answer)

    def look(self, action: str, *, wait: bool = False) -> Action:
        with self._client(LOOKING if wait else 0) as client:
            return _read(client.get(f"/api/v1/actions/{action}"))

    def wait(self, action: Action) -> Action:
        """For as long as people need."""
        while not action["settled"]:
            action = self.look(action["id"], wait=True)
        return action

    def _client(self, wait: int) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}", **({"Prefer": f"wait={wait}"} if wait else {})}
        return httpx.Client(base_url=self.address, headers=headers, timeout=wait + FURTHER, trust_env=False)


def _read(answer: httpx.Response) -> Action:
    answer.raise_for_status()
    return dict(answer.json())


def told(action: Action) -> str:
    """For the model: the other side's answer, or why there is none and whether to ask again."""
    outcome = action["outcome"]
    if not action["settled"]:
        return f"Not done yet ({action['state']}). Do not ask for it again."
    if action["state"] == "succeeded":
        changed = f"It was done otherwise, with {json.dumps(action['changed'])}: " if action["changed"] else ""
        return changed + json.dumps(outcome["body"])
    again = "You may ask again." if outcome["retry"] else "Do not try it again."
    return f"Not done ({action['state']}, {outcome['code']}): {outcome['text']} {again}"


def permitted(action: Action) -> dict[str, Any]:
    """What the agent may do itself now: this input, and no other. Raises PermissionError."""
    body = action["outcome"]["body"] if action["state"] == "succeeded" else None
    given = body if isinstance(body, dict) else {}
    if given.get("permission") != "given" or dt.datetime.fromisoformat(given["expires"]) <= dt.datetime.now(dt.UTC):
        raise PermissionError(told(action) if action["state"] != "succeeded" else "There is no permission any more.")
    return dict(given["input"])


def decision(action: Action, asked: dict[str, Any]) -> dict[str, str]:
    """For a program that asks by JSON-RPC before it runs a command or changes files: it can be told of no change."""
    try:
        same = permitted(action) == asked
    except PermissionError:
        same = False
    return {"decision": "accept" if same else "decline"}
