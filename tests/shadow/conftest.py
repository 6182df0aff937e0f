"""An agent that is observed, in the demo's world, and copies of what it does."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest

from console.agents.observe import begin_observing
from console.core.clock import iso, now
from console.shadow.models import Observation
from examples.demo.people import acting
from integrations.models import Integration
from tests.gateway.conftest import Asking, asking, silent_at_the_end
from tests.spine.conftest import proxy, running_standin, standin, world

__all__ = ["asking", "proxy", "running_standin", "silent_at_the_end", "standin", "world"]

FORM = {"content-type": "application/x-www-form-urlencoded"}
_numbers = itertools.count(1)


def copy(method: str, path: str, *, origin: str = "", body: str = "", **more: Any) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "id": f"copy-{next(_numbers):08}", "kind": "http", "at": iso(now()), "ms": 1.5, "method": method,
        "origin": origin or Integration.objects.get(slug="stripe").base_url, "path": path, "query": query,
        "headers": FORM if body else {}, "body": body, "status": 200, **more,
    }  # fmt: skip


@dataclass
class Watched:
    asking: Asking
    sent: list[dict[str, Any]] = field(default_factory=list)

    def show(self, *copies: dict[str, Any], dropped: int = 0) -> Any:
        told = {"observations": list(copies), "dropped": dropped}
        return self.asking.browser.post("/api/v1/observations", told, content_type="application/json")

    def seen(self, *copies: dict[str, Any]) -> list[Observation]:
        """In the order of the copies."""
        answer = self.show(*copies)
        assert answer.json() == {"taken": len(copies)}
        rows = {row.told: row for row in Observation.objects.filter(told__in=[one["id"] for one in copies])}
        return [rows[one["id"]] for one in copies]


@pytest.fixture
def watched(asking: Asking) -> Watched:
    begin_observing(asking.agent, actor=acting("mira"))
    return Watched(asking)
