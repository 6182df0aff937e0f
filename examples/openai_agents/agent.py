"""Run it with `python -m examples.openai_agents.agent`; killed while it waits and started again, it goes on.

The model is a stub that wants to write one file. What the run needs is kept in a file beside it.
"""

import argparse
import asyncio
import json
import os
from pathlib import Path
from typing import Any

from agents import Agent, Runner, RunState, function_tool, set_tracing_disabled
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call
from agents.tool_context import ToolContext

from examples.frameworks.asking import Console, permitted
from examples.openai_agents.holding import key_of, settle

OPERATIONS = {"write": "coding-agent.write"}
MOST_TURNS = 10


def agent_of(console: Console, run: str) -> Agent[None]:
    @function_tool(needs_approval=True)
    async def write(context: ToolContext[None], file_path: str, content: str) -> str:
        """Write a file on this machine."""
        asked = {"file_path": file_path, "content": content}
        key = key_of(run, context.tool_call_id)
        given = permitted(await asyncio.to_thread(console.ask, OPERATIONS["write"], asked, key=key))
        Path(given["file_path"]).write_text(given["content"])
        return "Written."

    model = ScriptedModel([ModelStep.respond(stub_model)] * MOST_TURNS)
    return Agent("writer", tools=[write], model=model)


def stub_model(call: ModelCall) -> list[Any]:
    first, *_, last = [*call.input, *call.input] if isinstance(call.input, list) else [{"content": call.input}] * 2
    if last.get("type") == "function_call_output":
        return [assistant_message(f"I was told: {last['output']}")]
    return [function_call("write", json.loads(first["content"]), call_id="call_1")]


async def run(console: Console, kept: Path, name: str, wish: str) -> str:
    agent = agent_of(console, name)
    if kept.exists():
        result = None
        state = await RunState.from_string(agent, kept.read_text())
    else:
        result = await Runner.run(agent, wish)
        state = result.to_state()
    while result is None or result.interruptions:
        keep(kept, state.to_string())
        await settle(state, console, OPERATIONS, run=name)
        result = await Runner.run(agent, state)
        state = result.to_state()
    return str(result.final_output)


def keep(kept: Path, text: str) -> None:
    """Whole, or as it was."""
    aside = kept.with_suffix(".new")
    aside.write_text(text)
    aside.replace(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--console", required=True, help="where it is, such as https://console.example.com")
    parser.add_argument("--kept", required=True, type=Path, help="a file")
    parser.add_argument("--run", required=True)
    parser.add_argument("wish", help='such as {"file_path": "note.txt", "content": "Hello"}')
    given = parser.parse_args()
    set_tracing_disabled(True)
    print(asyncio.run(run(Console(given.console, os.environ["AGENT_TOKEN"]), given.kept, given.run, given.wish)))


if __name__ == "__main__":
    main()
