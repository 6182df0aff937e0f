"""MCP servers that are programs on the door's machine. Only whoever runs the installation names them, in a file: nobody
starts a process by filling in a form. An admin chooses one by its name.

    servers:
      files:
        command: [/usr/bin/mcp-server-filesystem, /srv/documents]
        environment: {LANG: C.UTF-8}      # beside PATH, all that it gets
        secret: API_TOKEN                 # the variable that carries the credential's token, where there is one
        directory: /srv/documents
"""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from subprocess import DEVNULL, PIPE
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from django.conf import settings
from mcp.client._transport import TransportStreams
from mcp.os.posix.utilities import terminate_posix_process_tree
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from console.core.documents import load
from integrations.description_schema import INTEGRATION_SLUG
from integrations.outbound import MAX_ANSWER

GRACE = 2.0  # seconds to end by itself once nobody writes to it any more, and as long again once it was asked to
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
SCHEMA = {
    "type": "object",
    "properties": {
        "servers": {
            "type": "object",
            "propertyNames": {"pattern": INTEGRATION_SLUG},
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "command": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
                    "environment": _TEXTS,
                    "secret": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
                    "directory": {"type": "string", "pattern": "^/"},
                },
                "required": ["command"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["servers"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Program:
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    secret: str = ""
    directory: str = "/"

    def surroundings(self, secret: str) -> dict[str, str]:
        """Its whole environment: nothing of the door's own but where programs are found."""
        told = {self.secret: secret} if self.secret and secret else {}
        return {"PATH": os.environ.get("PATH", os.defpath), **self.environment, **told}


def programs() -> dict[str, Program]:
    """By name; none where the installation names none. Raises Invalid with a place."""
    if not settings.MCP_SERVERS.strip():
        return {}
    named = load(settings.MCP_SERVERS, SCHEMA)["servers"]
    return {name: Program(**{**one, "command": tuple(one["command"])}) for name, one in named.items()}


@asynccontextmanager
async def running(program: Program, secret: str, check: Callable[[bytes], Any]) -> AsyncIterator[TransportStreams]:
    """The program for one session, in a session of the system's of its own, and ended with whatever it has started.
    `check` sees each line before it is written. What it says is capped as a whole; what it complains of is not kept,
    because nobody could take a secret out of it in time. Raises OSError where it does not start."""
    process = await anyio.open_process(
        program.command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd=program.directory,
        env=program.surroundings(secret), start_new_session=True,
    )  # fmt: skip
    to_us, inbox = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outbox, from_us = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hear, process, to_us)
            tasks.start_soon(_say, process, from_us, to_us, check)
            try:
                yield inbox, outbox
            finally:
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)
        for stream in (to_us, inbox, outbox, from_us):
            stream.close()


async def _hear(process: Process, to_us: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
    """Until it has said too much, or something that is no message; then the session finds itself alone."""
    assert process.stdout
    taken, line = 0, b""
    async with to_us:
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, OSError, ValueError):
            async for chunk in process.stdout:
                taken += len(chunk)
                *lines, line = (line + chunk).split(b"\n")
                for one in filter(None, lines):
                    await to_us.send(SessionMessage(jsonrpc_message_adapter.validate_json(one, by_name=False)))
                if taken > MAX_ANSWER:
                    return


async def _say(
    process: Process, from_us: MemoryObjectReceiveStream[SessionMessage],
    to_us: MemoryObjectSendStream[SessionMessage | Exception], check: Callable[[bytes], Any],
) -> None:  # fmt: skip
    assert process.stdin
    try:
        async for message in from_us:
            line = message.message.model_dump_json(by_alias=True, exclude_unset=True).encode()
            check(line)
            await process.stdin.send(line + b"\n")
    except Exception:  # noqa: BLE001  (whatever it was, what comes after is never written, and the guard knows why)
        await to_us.aclose()


async def _end(process: Process) -> None:
    assert process.stdin
    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.aclose()
    with anyio.move_on_after(GRACE):
        while process.returncode is None:
            await anyio.sleep(0.01)
    await terminate_posix_process_tree(process, GRACE)  # also whatever it has left behind
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if close := getattr(transport, "close", None):  # nothing public ends its hold on the pipes
        close()
    await anyio.lowlevel.checkpoint()
