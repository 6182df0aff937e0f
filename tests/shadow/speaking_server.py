"""An MCP server over stdio, by the SDK of the protocol's authors: it says what it is told, or that it cannot."""

import anyio
import mcp_types as types
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}


async def list_tools(*_: object) -> types.ListToolsResult:
    return types.ListToolsResult.model_validate({"tools": [{"name": "say-it", "inputSchema": SCHEMA}]})


async def call_tool(_: object, params: types.CallToolRequestParams) -> types.CallToolResult:
    said = str((params.arguments or {}).get("text", ""))
    content = [{"type": "text", "text": said}]
    return types.CallToolResult.model_validate({"content": content, "isError": said == "fail"})


async def main() -> None:
    server = Server("speaking", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


anyio.run(main)
