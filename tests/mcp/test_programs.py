"""MCP servers that are programs: named by the installation, with nothing of the door's around them, ended with all that
they started."""

import contextlib
import json
import os
import select
import sys
from pathlib import Path
from typing import Any

import pytest

from console.core.errors import Invalid
from integrations.description import Description
from integrations.mcp.programs import programs
from integrations.mcp.session import Drifted, Listed, call_tool, list_tools
from integrations.mcp.tools import describe_tools
from integrations.outbound import Answer, NotSent, Unknown
from integrations.render import render

TOKEN = "an-obvious-secret-of-some-length"
NOBODY = Description("tools", {"tool": {"name": "", "pin": ""}})
Name = Any


@pytest.fixture
def name_servers(settings: Any) -> Name:
    def name(**servers: Any) -> None:
        settings.MCP_SERVERS = json.dumps({"servers": servers})

    return name


def node(modules: Path, package: str, *arguments: str) -> list[str]:
    return ["node", str(modules / package / "dist/index.js"), *arguments]


def listed(name: str, secret: str = "") -> Listed:
    kind = "bearer" if secret else "none"
    address = render(NOBODY, {}, base_url=f"stdio://{name}", key="")
    return list_tools(address, secret=secret, credential_type=kind, settings={})


def call(name: str, slug: str, secret: str = "", **arguments: Any) -> Answer:
    described = Description(slug, describe_tools(listed(name, secret).tools).operations[slug])
    wanted = render(described, arguments, base_url=f"stdio://{name}", key="")
    return call_tool(wanted, expected=wanted.digest, secret=secret, credential_type="bearer" if secret else "none")


def test_files_are_written_by_the_reference_server(node_modules: Path, name_servers: Name, tmp_path: Path) -> None:
    name_servers(files={"command": node(node_modules, "server-filesystem", str(tmp_path))})
    assert not call("files", "write_file", path=str(tmp_path / "note"), content="hello").refused
    assert (tmp_path / "note").read_text() == "hello"
    refused = call("files", "write_file", path="/etc/motd-of-nobody", content="hello")
    assert refused.refused
    assert not Path("/etc/motd-of-nobody").exists()


def test_a_program_has_nothing_of_the_doors_environment(
    node_modules: Path, name_servers: Name, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERSIGN_PLANTED", "seen")
    command = node(node_modules, "server-everything", "stdio")
    name_servers(every={"command": command, "environment": {"LANG": "C"}, "secret": "API_TOKEN"})
    body = call("every", "get_env", TOKEN).body
    told = json.loads(body["content"][0]["text"])
    assert told == {"PATH": os.environ["PATH"], "LANG": "C", "API_TOKEN": "[redacted]"}


def test_a_program_that_changed_its_tools_is_not_called(tmp_path: Path, name_servers: Name) -> None:
    noted = tmp_path / "calls"
    program = tmp_path / "server.py"
    program.write_text(_SERVER)
    name_servers(own={"command": [sys.executable, str(program), str(noted), "first"]})
    described = Description("say", describe_tools(listed("own").tools).operations["say"])
    wanted = render(described, {"text": "hi"}, base_url="stdio://own", key="")
    name_servers(own={"command": [sys.executable, str(program), str(noted), "second"]})
    with pytest.raises(Drifted):
        call_tool(wanted, expected=wanted.digest, secret="", credential_type="none")
    assert not noted.exists()


def test_a_program_that_dies_over_a_call_leaves_it_unknown(tmp_path: Path, name_servers: Name) -> None:
    noted = tmp_path / "calls"
    program = tmp_path / "server.py"
    program.write_text(_SERVER)
    name_servers(own={"command": [sys.executable, str(program), str(noted), "dies"]})
    with pytest.raises(Unknown):
        call("own", "say", text="hi")
    assert noted.read_text() == "hi\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 1", "."),
        ("yes no-message", "."),
        ("echo no-message; sleep 60", "."),
        ("head -c 9000000 /dev/zero; sleep 60", "."),
    ],
)
def test_a_program_that_does_not_speak_is_not_waited_for(script: str, reason: str, name_servers: Name) -> None:
    name_servers(odd={"command": ["/bin/sh", "-c", script]})
    with pytest.raises(NotSent):
        listed("odd")


def test_what_a_program_leaves_behind_is_ended_with_it(tmp_path: Path, name_servers: Name) -> None:
    child = tmp_path / "child"
    script = f"(trap '' TERM; while :; do sleep 1; done) & echo $! > {child}; exit 1"
    name_servers(odd={"command": ["/bin/sh", "-c", script]})
    with pytest.raises(NotSent):
        listed("odd")
    with contextlib.suppress(ProcessLookupError):
        ends = os.pidfd_open(int(child.read_text()))
        assert select.select([ends], [], [], 20)[0]
        os.close(ends)


def test_only_what_the_installation_names_is_started(name_servers: Name) -> None:
    name_servers(odd={"command": ["/bin/true"]})
    with pytest.raises(NotSent, match="names no MCP server"):
        listed("other")
    name_servers(odd={"command": "/bin/sh -c true"})
    with pytest.raises(Invalid, match="command"):
        programs()
    with pytest.raises(NotSent):
        listed("odd")
    name_servers(gone={"command": ["/nowhere/at/all"]})
    with pytest.raises(NotSent):
        listed("gone")


_SERVER = """
import json, os, sys
noted, mode = sys.argv[1:]
tool = {"name": "say", "description": mode, "inputSchema": {"type": "object", "properties": {"text": {}}}}
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    if asked["method"] == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "own", "version": "1"}}
    elif asked["method"] == "tools/list":
        result = {"tools": [tool]}
    elif asked["method"] == "tools/call":
        open(noted, "a").write(asked["params"]["arguments"]["text"] + "\\n")
        if mode == "dies":
            os._exit(1)
        result = {"content": []}
    else:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no"}}), flush=True)
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""
