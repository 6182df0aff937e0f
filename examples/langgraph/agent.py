"""Run it with `python -m examples.langgraph.agent`; killed at any moment and started again, it goes on where it was.

The model is a stub that wants one refund. The checkpoints are a file of SQLite.
"""

import argparse
import json
import os
from typing import Annotated, Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command

from examples.frameworks.asking import Console
from examples.langgraph.holding import held


def graph_of(console: Console, checkpoints: SqliteSaver) -> CompiledStateGraph[Any, Any, Any, Any]:
    @tool
    def refund(charge: str, amount: int, call: Annotated[str, InjectedToolCallId], config: RunnableConfig) -> str:
        """Pay a charge back. The amount is in cents."""
        key = f"{config['configurable']['thread_id']}:{call}"
        return held(console, "stripe.create_refund", {"charge": charge, "amount": amount}, key=key)

    graph = StateGraph(MessagesState)
    graph.add_node("model", stub_model)
    graph.add_node("tools", ToolNode([refund]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=checkpoints)


def stub_model(state: MessagesState) -> dict[str, Any]:
    *_, last = state["messages"]
    if isinstance(last, ToolMessage):
        return {"messages": [AIMessage(f"I was told: {last.content}")]}
    call = {"name": "refund", "args": json.loads(str(last.content)), "id": "call_1"}
    return {"messages": [AIMessage("", tool_calls=[call])]}


def run(graph: CompiledStateGraph[Any, Any, Any, Any], console: Console, thread: str, wish: str) -> str:
    config: RunnableConfig = {"configurable": {"thread_id": thread}}
    state = graph.get_state(config)
    if not state.values:
        graph.invoke({"messages": [("user", wish)]}, config, durability="sync")
    elif state.next and not state.interrupts:  # its process ended in the middle of a step
        graph.invoke(None, config, durability="sync")
    while paused := graph.get_state(config).interrupts:
        for one in paused:
            print("held", one.value["action"], flush=True)
            console.wait(console.look(one.value["action"]))
        graph.invoke(Command(resume={one.id: True for one in paused}), config, durability="sync")
    return str(graph.get_state(config).values["messages"][-1].content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--console", required=True, help="where it is, such as https://console.example.com")
    parser.add_argument("--checkpoints", required=True, help="a file")
    parser.add_argument("--thread", required=True)
    parser.add_argument("wish", help='such as {"charge": "ch_1", "amount": 4200}')
    given = parser.parse_args()
    console = Console(given.console, os.environ["AGENT_TOKEN"])
    with SqliteSaver.from_conn_string(given.checkpoints) as checkpoints:
        print(run(graph_of(console, checkpoints), console, given.thread, given.wish))


if __name__ == "__main__":
    main()
