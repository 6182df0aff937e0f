"""Approvals of the framework as actions of Countersign: the run is paused while people decide, and kept as text."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from agents import RunState

from examples.frameworks.asking import Console, told


async def settle(state: RunState[Any, Any], console: Console, operations: Mapping[str, str], *, run: str) -> None:
    """Approve or reject everything that the run was paused for. `operations` are by the name of the tool; what is no
    operation is rejected."""
    for item in state.get_interruptions():
        operation = operations.get(item.name or "")
        if operation is None:
            state.reject(item, rejection_message="There is no such tool. Do not try it again.")
            continue
        arguments = json.loads(item.arguments or "{}")
        action = await asyncio.to_thread(console.ask, operation, arguments, key=key_of(run, item.call_id or ""))
        print("held" if not action["settled"] else action["state"], action["id"], flush=True)
        action = await asyncio.to_thread(console.wait, action)
        if action["state"] == "succeeded":
            state.approve(item)
        else:
            state.reject(item, rejection_message=told(action))


def key_of(run: str, call: str) -> str:
    """By it the tool finds what was decided of its own call."""
    return f"{run}:{call}"
