"""An MCP server that is a program, with the forwarder in front of it: the client notices nothing."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import mcp_types as types
import pytest
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.shadow.standing import TOKEN, Console, arguments, console

SERVER = str(Path(__file__).with_name("speaking_server.py"))
ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.flush()\nsys.exit(5)"


@pytest.fixture
def shown() -> Iterator[Console]:
    with console() as kept:
        yield kept


async def speak(command: list[str], errors: Path) -> list[types.CallToolResult]:
    with errors.open("w") as kept:
        async with (
            stdio_client(StdioServerParameters(command=command[0], args=command[1:]), errlog=kept) as (
                reading,
                writing,
            ),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            assert [tool.name for tool in (await session.list_tools()).tools] == ["say-it"]
            asked = [{"text": "héllo", "password": "hunter2hunter2"}, {"text": "fail"}]
            made = [await session.call_tool("say-it", one) for one in asked]
            return [one for one in made if isinstance(one, types.CallToolResult)]


def test_tools_are_called_as_before_and_their_calls_are_shown(tmp_path: Path, shown: Console) -> None:
    command = arguments(tmp_path, shown.url, "--mcp", "messages", "--", sys.executable, SERVER)
    said, failed = anyio.run(speak, command, tmp_path / "errors")
    assert (said.is_error, failed.is_error) == (False, True)
    assert [getattr(one, "text", "") for one in said.content] == ["héllo"]
    assert [one | {"id": "", "at": "", "ms": 0} for one in shown.wait(2)] == [
        {"id": "", "kind": "mcp", "at": "", "ms": 0, "integration": "messages", "tool": "say-it",
         "arguments": {"text": "héllo", "password": "-removed-"}, "left_out": "", "removed": ["password"],
         "failed": False},
        {"id": "", "kind": "mcp", "at": "", "ms": 0, "integration": "messages", "tool": "say-it",
         "arguments": {"text": "fail"}, "left_out": "", "removed": [], "failed": True},
    ]  # fmt: skip
    assert shown.tokens == {f"Bearer {TOKEN}"}
    assert all(b"hunter2" not in body for body in shown.raw)


def test_lines_are_passed_on_byte_by_byte_whatever_they_are(tmp_path: Path) -> None:
    """Also with a console that is away; the command's end is ours."""
    command = arguments(tmp_path, "http://127.0.0.1:9", "--mcp", "messages", "--", sys.executable, "-c", ECHO)
    lines = b'{"jsonrpc" : "2.0","id":1,  "method":"tools/call"}\nno json \xff\n[1, {"id": 1, "result": null}]\nlast'
    ended = subprocess.run(command, input=lines, capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (5, lines)


def test_a_command_that_is_none_is_said(tmp_path: Path) -> None:
    command = arguments(tmp_path, "http://127.0.0.1:9", "--mcp", "messages", "--", str(tmp_path / "nothing"))
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, "could not be started" in ended.stderr) == (2, True)
