"""What the page of a server's tools shows."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.core.clock import now
from integrations.mcp.tools import describe_tools, key_of
from integrations.models import Amendment, Integration, Listing, Operation
from integrations.queries import hints_in_words

SOON = dt.timedelta(seconds=40)  # by then the door has had time to ask, and to ask again
LONGEST_SAYING = 600


@dataclass(frozen=True, slots=True)
class ShownTool:
    """`slug` is its operation's, `state` new, changed or known."""

    name: str
    title: str
    says: str
    hints: list[str]
    slug: str
    state: str
    problem: str


@dataclass(frozen=True, slots=True)
class ShownTools:
    """`last` is the newest question, `compared` the newest answer that was compared."""

    last: Listing | None
    compared: Listing | None
    tools: list[ShownTool]
    gone: list[str]
    known: int
    waiting: int

    @property
    def state(self) -> str:
        return self.last.state if self.last else ""

    @property
    def unfinished(self) -> bool:
        return self.state in ("asked", "listed")

    @property
    def late(self) -> bool:
        return self.last is not None and now() - self.last.asked_at > SOON

    @property
    def fresh(self) -> int:
        return sum(one.state == "new" and not one.problem for one in self.tools)


def tools_shown(integration: Integration) -> ShownTools:
    """Four queries, however many tools there are."""
    last = integration.listings.defer("tools").first()
    compared = integration.listings.filter(state="compared").first()
    rows = {row.description.get("source", {}).get("key", ""): row for row in _rows(integration)}
    waits = set(Amendment.objects.filter(operation__integration=integration, state="quarantined")
                .values_list("operation", flat=True))  # fmt: skip
    if compared is None:
        return ShownTools(last, None, [], [], len(rows), len(waits))
    found = describe_tools(compared.tools, {key: row.slug for key, row in rows.items()})
    problems = {problem.place: problem.text for problem in found.report.left_out}
    tools = [_shown(tool, rows.get(key_of(str(tool.get("name", "")))), waits, problems) for tool in compared.tools]
    gone = sorted(row.slug for key, row in rows.items() if key.startswith("tool ") and row.slug not in found.operations)
    return ShownTools(last, compared, tools, gone, len(rows), len(waits))


def _rows(integration: Integration) -> list[Operation]:
    return list(Operation.objects.filter(integration=integration).only("slug", "description"))


def _shown(tool: Mapping[str, Any], row: Operation | None, waits: set[str], problems: Mapping[str, str]) -> ShownTool:
    name = str(tool.get("name", ""))
    hints = tool.get("annotations")
    state = "new" if row is None else "changed" if row.pk in waits else "known"
    return ShownTool(
        name=name, title=str(tool.get("title") or name), says=str(tool.get("description") or "")[:LONGEST_SAYING],
        hints=hints_in_words(hints if isinstance(hints, Mapping) else {}), slug=row.slug if row else "", state=state,
        problem=problems.get(key_of(name)[:200], ""),
    )  # fmt: skip
