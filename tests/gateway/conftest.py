"""An agent with a token and a grant, in the demo's world with the real payment stand-in behind it."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from approvals.models import Action
from console.accounts.models import User
from console.agents.models import Agent, AgentToken
from console.agents.register import create_agent, issue_agent_token
from console.core.clock import now
from console.gateway import waiting
from examples.demo.people import acting
from integrations.describe import give_grant
from integrations.models import Credential
from tests.spine.conftest import World, proxy, running_standin, standin, world

__all__ = ["proxy", "running_standin", "standin", "world"]

GRANTED = ["get_charge", "create_refund"]


@dataclass
class Asking:
    """`browser` sends the token with everything."""

    world: World
    agent: Agent
    token: AgentToken
    secret: str

    @property
    def browser(self) -> Client:
        return Client(headers={"host": "localhost", "authorization": f"Bearer {self.secret}"})

    def ask(self, operation: str = "stripe.create_refund", *, wait: int = 0, key: str = "", **arguments: Any) -> Any:
        headers = {**({"Prefer": f"wait={wait}"} if wait else {}), **({"Idempotency-Key": key} if key else {})}
        body = {"operation": operation, "arguments": arguments, "says": "It was charged twice."}
        return self.browser.post("/api/v1/actions", body, content_type="application/json", headers=headers)

    def refund(self, which: str = "large", **more: Any) -> Any:
        pair = self.world.seeded.pair(which)
        return self.ask(charge=pair.later, amount={"large": 48_000, "apart": 6_500}[which], **more)

    def look(self, action: str, **headers: str) -> Any:
        return self.browser.get(f"/api/v1/actions/{action}", headers=headers)

    def action(self) -> Action:
        return Action.objects.get()


def make_agent(slug: str = "helper", *, owner: str = "jonas") -> tuple[Agent, AgentToken, str]:
    admin = acting("mira")
    agent = create_agent(slug, "Refund helper", owner=User.objects.get(username=owner), actor=admin)
    return agent, *issue_agent_token(agent, expires=now() + dt.timedelta(days=1), actor=admin)


@pytest.fixture(scope="session", autouse=True)
def silent_at_the_end() -> Iterator[None]:
    """The broker goes before the process does, and nobody is left to be told."""
    yield
    waiting.logger.disabled = True


@pytest.fixture
def asking(world: World) -> Asking:
    agent, token, secret = make_agent()
    give_grant(grantee=agent.grantee, operations=GRANTED, credential=Credential.objects.get(), actor=acting("mira"))
    return Asking(world, agent, token, secret)


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]
