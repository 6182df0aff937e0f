"""An approval on LangGraph with its PostgreSQL checkpointer: one saver comes to the interrupt, another one, as of
another process, resumes. `python -m benchmarks.approval_peers.with_langgraph SAMPLES`, by the Python of an environment
of its own. The next node runs where `resume` is called: there is no queue, and nobody else goes on where that one dies.
"""
# mypy: ignore-errors

import os
import sys
import time
import uuid
from typing import TypedDict

from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from benchmarks.approval_peers.told import AT_REST, measure


class State(TypedDict):
    began: int


def ask(_):
    interrupt("May it go on?")


def next_step(_):
    return {"began": time.monotonic_ns()}


def compiled(saver):
    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_node("next_step", next_step)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "next_step")
    graph.add_edge("next_step", END)
    return graph.compile(checkpointer=saver)


def main(samples):
    place = os.environ["PEER_DATABASE_URL"]
    with PostgresSaver.from_conn_string(place) as one, PostgresSaver.from_conn_string(place) as other:
        one.setup()
        asking, resuming = compiled(one), compiled(other)

        def approve(_):
            where = {"configurable": {"thread_id": uuid.uuid4().hex}}
            asking.invoke({"began": 0}, where, durability="sync")
            time.sleep(AT_REST)
            asked = time.monotonic_ns()
            return asked, resuming.invoke(Command(resume=True), where, durability="sync")["began"]

        measure(approve, samples)


if __name__ == "__main__":
    main(int(sys.argv[1]))
