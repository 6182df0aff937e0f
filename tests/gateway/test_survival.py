"""An agent's held call, while everything between it and the other system is killed and started again."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from django.conf import settings
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.gateway.conftest import Asking
from tests.stack import Stack, wait_until
from tests.standins.fault_proxy import FaultProxy


@pytest.fixture
def stack(committed: str, tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(committed, tmp_path)
    try:
        yield stack
    finally:
        stack.stop()


class Agent:
    """Over real HTTP, with one key for one thing, however often it has to ask."""

    def __init__(self, asking: Asking) -> None:
        self.headers = {"Authorization": f"Bearer {asking.secret}"}
        self.body = {
            "operation": "stripe.create_refund",
            "arguments": {"charge": asking.world.seeded.pair("large").later, "amount": 48_000},
        }

    def ask(self) -> dict[str, Any]:
        headers = {**self.headers, "Prefer": "wait=20", "Idempotency-Key": "refund-1"}
        return self._told(httpx.post(f"{settings.ORIGIN}/api/v1/actions", json=self.body, headers=headers, timeout=40))

    def collect(self, action: str) -> dict[str, Any]:
        headers = {**self.headers, "Prefer": "wait=20"}
        return self._told(httpx.get(f"{settings.ORIGIN}/api/v1/actions/{action}", headers=headers, timeout=40))

    def collect_by_mcp(self, action: str) -> dict[str, Any]:
        async def talk() -> dict[str, Any]:
            async with (
                httpx2.AsyncClient(headers=self.headers, timeout=40) as http,
                Client(streamable_http_client(f"{settings.ORIGIN}/mcp", http_client=http)) as client,
            ):
                return dict((await client.call_tool("countersign_action", {"action": action})).structured_content)

        return asyncio.run(talk())

    def _told(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code in (200, 202), answer.text
        return dict(answer.json())


def test_a_held_call_survives_the_death_of_everything_and_is_done_once(
    asking: Asking, stack: Stack, proxy: FaultProxy
) -> None:
    stack.start("web", "door", "beat")
    agent = Agent(asking)
    held = agent.ask()
    assert (held["state"], held["review"]["state"]) == ("held", "open")
    for process in ("web", "door", "beat"):
        stack.kill(process)
    stack.kill_broker()
    stack.start_broker()
    stack.start("web", "door", "beat")
    assert agent.ask()["id"] == held["id"]
    fault = proxy.cut_after("POST", "/v1/refunds")  # and the answer is lost as well
    asking.world.sign(asking.action().reviews.get())
    fault.wait()
    assert agent.collect(held["id"])["state"] == "succeeded"
    assert agent.collect_by_mcp(held["id"])["outcome"]["code"] == "succeeded"
    assert len(asking.world.refunds()) == 1


def test_an_agent_that_waits_is_answered_through_the_death_of_the_broker(asking: Asking, stack: Stack) -> None:
    stack.start("web", "door", "beat")
    agent = Agent(asking)
    held = agent.ask()
    stack.kill_broker()
    asking.world.sign(asking.action().reviews.get())
    stack.start_broker()
    wait_until(lambda: agent.collect(held["id"])["state"] == "succeeded", "the agent is told")
    assert len(asking.world.refunds()) == 1
