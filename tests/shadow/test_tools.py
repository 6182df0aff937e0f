"""Calls of the tools of an MCP server, as the forwarder shows them."""

from approvals.models import Action
from approvals.propose import Proposal, propose
from approvals.tasks import drive
from console.agents.observe import begin_observing, end_observing
from console.core.clock import iso, now
from examples.demo.people import acting
from integrations.describe import give_grant
from tests.gateway.conftest import make_agent
from tests.mcp.test_tools import Connected, added, connected, server
from tests.shadow.conftest import Watched

__all__ = ["added", "connected", "server"]


def call(number: int, tool: str = "send-message", server: str = "messages", **arguments: object) -> dict[str, object]:
    return {"id": f"tool-call-{number}", "kind": "mcp", "at": iso(now()), "ms": 1.0, "integration": server,
            "tool": tool, "arguments": arguments, "failed": False}  # fmt: skip


def test_tools_are_matched_by_name_and_ruled_as_their_operations_are(watched: Watched, added: Connected) -> None:
    agent = watched.asking.agent
    give_grant(
        grantee=agent.grantee, operations=["send_message"], credential=added.credential, actor=acting("mira"),
    )  # fmt: skip
    copies = [
        call(0, to="a", text="b"), call(1, to="a"), call(2, tool="send_message", to="a", text="b"),
        call(3, server="stripe", to="a", text="b"), call(4, to="a", text="x" * 200), call(5, to=1e300, text="b"),
        call(6) | {"arguments": None, "left_out": "too_long"},
    ]  # fmt: skip
    rows = watched.seen(*copies)
    assert [(row.name, row.verdict, row.code) for row in rows] == [
        ("messages.send_message", "held", ""), ("messages.send_message", "refused", "invalid_arguments"),
        ("", "unknown", "no_operation"), ("", "unknown", "no_integration"), ("messages.send_message", "held", ""),
        ("messages.send_message", "refused", "invalid_arguments"), ("messages.send_message", "unknown", "not_copied"),
    ]  # fmt: skip
    assert [row.values for row in rows[3:5]] == [{}, {"to": {"value": "a"}, "text": {"is": "long text"}}]
    end_observing(agent, actor=acting("mira"))
    proposal = Proposal(agent.team_id, "messages.send_message", {"to": "a", "text": "b"}, agent.grantee, [])
    action = propose(proposal, actor=acting("mira"))
    drive(action.pk)
    assert Action.objects.get(pk=action.pk).state == "held"


def test_one_observed_agent_does_not_stop_another(watched: Watched) -> None:
    other, _, _ = make_agent("other")
    assert other.observing_since is None
    begin_observing(other, actor=acting("mira"))
    end_observing(other, actor=acting("mira"))
    watched.asking.agent.refresh_from_db()
    assert watched.asking.agent.observing_since is not None
