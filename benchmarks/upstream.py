"""An upstream that does nothing but answer, and says when the first byte of each write reached it.

`python -m benchmarks.upstream` prints its port, then a line `NANOSECONDS POST /path` for each request that is not a
GET. The time is CLOCK_MONOTONIC, which on Linux all processes share. HTTP/1.1 by hand, so that no server stands
between the socket and the clock.
"""

import asyncio
import json
import os
import time
from collections.abc import Mapping

GET_ENTRY = {"status": "open", "currency": "eur"}


class Exchange(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = b""
        self.first_byte = 0

    def data_received(self, data: bytes) -> None:
        if not self.received:
            self.first_byte = time.monotonic_ns()
        self.received += data
        while request := complete(self.received):
            method, path, length = request
            self.received = self.received[length:]
            self.answer(method, path)

    def answer(self, method: str, path: str) -> None:
        if method != "GET":
            os.write(1, f"{self.first_byte} {method} {path}\n".encode())
        entry = path.split("/")[2] if path.startswith("/entries/") else ""
        status = "200 OK" if method == "GET" else "201 Created"
        self.transport.write(response(status, {"id": entry, **GET_ENTRY}))


def complete(received: bytes) -> tuple[str, str, int] | None:
    """Method, path and length of the first request, once all of it is here."""
    head, end, _ = received.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = len(head) + len(end) + int(headers.get("content-length", 0))
    method, path, _ = first.split(" ", 2)
    return (method, path, length) if len(received) >= length else None


def response(status: str, body: Mapping[str, object]) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Exchange, "127.0.0.1", 0)
    os.write(1, f"0 port {server.sockets[0].getsockname()[1]}\n".encode())
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
