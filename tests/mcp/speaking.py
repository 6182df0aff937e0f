"""An MCP server by the SDK of the protocol's authors, over HTTP, whose tools a test changes as it likes."""

import json
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "text": {"type": "string"}},
    "required": ["to", "text"],
}
SEND: dict[str, Any] = {"name": "send-message", "description": "Sends a message.", "inputSchema": SCHEMA,
        "annotations": {"readOnlyHint": True}}  # fmt: skip


@dataclass
class Speaking:
    """`calls` are those that reached a tool. `token` is asked for where it is set. `on_call` answers; `before` may end
    the connection instead of answering the HTTP request whose message has this method."""

    tools: list[dict[str, Any]] = field(default_factory=lambda: [SEND])
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    noted: dict[str, Any] = field(default_factory=dict)  # beside the arguments of the last call
    methods: list[str] = field(default_factory=list)
    name: str = "speaking"
    token: str = ""
    on_call: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None
    cut: str = ""  # the connection is cut once this method was done
    answer: tuple[int, bytes] | None = None  # of every request, instead
    address: str = ""

    async def list_tools(self, _: ServerRequestContext, __: object) -> types.ListToolsResult:
        return types.ListToolsResult.model_validate({"tools": self.tools})

    async def call_tool(self, _: ServerRequestContext, params: types.CallToolRequestParams) -> types.CallToolResult:
        arguments = dict(params.arguments or {})
        self.calls.append((params.name, arguments))
        self.noted = dict(params.meta or {})
        said = self.on_call(params.name, arguments) if self.on_call else {"content": [{"type": "text", "text": "done"}]}
        return types.CallToolResult.model_validate(said)

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        if self.token and headers.get(b"authorization") != f"Bearer {self.token}".encode():
            await _plain(send, 401, b"Who are you?")
            return
        if self.answer:
            await _plain(send, *self.answer)
            return
        body = await _body(receive)
        method = json.loads(body).get("method", "") if body else scope["method"]
        self.methods.append(method)

        left = [body]

        async def again() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

        async def sending(message: MutableMapping[str, Any]) -> None:
            if method == self.cut:
                raise ConnectionAbortedError
            await send(message)

        server: Server[Any] = Server(self.name, version="1", on_list_tools=self.list_tools, on_call_tool=self.call_tool)
        manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
        async with manager.run():
            await manager.handle_request(scope, again, sending)


async def _body(receive: Any) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _plain(send: Any, status: int, content: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain"), *headers]}
    )
    await send({"type": "http.response.body", "body": content})


@contextmanager
def speaking() -> Iterator[Speaking]:
    one = Speaking()

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        await one.serve(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(serve, port=0, log_level="critical", lifespan="off", interface="asgi3"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    one.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/mcp"
    yield one
    server.should_exit = True
    thread.join()
