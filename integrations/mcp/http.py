"""The wire beneath a session over HTTP: what the library wants to send, with the credential, to the bound address.

Connections are made as for every other call: pinned addresses, no redirect, no proxy, no cookies, caps. Each request
has a connection of its own, so that one which the peer closed while it was idle cannot put a call in doubt.
"""

import ssl
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
import httpcore
import httpx2

from console.core.clock import now
from integrations.credential_types import Opened
from integrations.injection import Injected, Outgoing
from integrations.mcp.guard import Guard
from integrations.outbound import MAX_ANSWER, NEVER_BEGUN, NotSent, allowed_address, check_room, client_context
from integrations.redaction import echoes
from integrations.render import DEFAULT_PORTS, Rendered

TIMEOUT = {"connect": 5, "read": 60, "write": 20, "pool": 5}  # seconds; the session as a whole has its own
KEPT = ("accept", "content-type", "last-event-id", "cache-control")  # of the library's headers, and all that are mcp-…


class Wire(httpx2.AsyncBaseTransport):
    """`forms` collects every form of the secrets that were sent, for what comes back."""

    def __init__(self, guard: Guard, opened: Opened, token: str, forms: set[str]) -> None:
        self.guard, self.opened, self.token, self.forms = guard, opened, token, forms
        self.taken = 0
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        bound, written = self.guard.rendered, _written(request, content)
        calls = request.method == "POST" and self.guard.check(content, written)
        if (written.scheme, written.host, written.port, written.path, written.query) != (
            bound.scheme, bound.host, bound.port, bound.path, bound.query,
        ):  # fmt: skip
            raise httpx2.UnsupportedProtocol("The session leads to another address than was bound.")
        try:
            outgoing, certificate = self._outgoing(request, written)
        except NotSent as error:
            raise httpx2.LocalProtocolError(str(error)) from None
        self.guard.begun = self.guard.begun or calls
        try:
            return await self._exchange(outgoing, certificate, calls)
        except NEVER_BEGUN as error:
            if calls:
                self.guard.begun = False
            raise httpx2.ConnectError(f"{written.authority}: {error or type(error).__name__}") from None
        except httpcore.LocalProtocolError:
            raise httpx2.LocalProtocolError("HTTP cannot carry this request.") from None
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise httpx2.ReadError(str(error) or type(error).__name__) from None

    def _outgoing(self, request: httpx2.Request, written: Rendered) -> tuple[httpcore.Request, str]:
        lines = {"Host": written.authority, "Accept-Encoding": "identity", "User-Agent": "countersign"}
        lines |= {name.title(): value for name, value in request.headers.items()
                  if name in KEPT or name.startswith("mcp-")}  # fmt: skip
        if written.body or written.method == "POST":
            lines["Content-Length"] = str(len(written.body))
        injected = self.opened.kind.inject(Outgoing(
            written.method, written.path, written.query, lines, frozenset(), written.body, self.opened.settings,
            self.opened.parts, now(), self.token,
        ))  # fmt: skip
        check_room(written, lines, injected)
        self.forms |= set(echoes(*self.opened.secrets, *injected.echoed))
        return _request(written, {**lines, **injected.headers}, injected), injected.certificate

    async def _exchange(self, request: httpcore.Request, certificate: str, calls: bool) -> httpx2.Response:
        if certificate not in self._contexts:
            self._contexts[certificate] = client_context(certificate)
        context = self._contexts[certificate]
        pool = httpcore.AsyncConnectionPool(ssl_context=context, max_keepalive_connections=0, network_backend=_Pinned())
        response = await pool.handle_async_request(request)  # one that fails has closed its connection
        self.guard.last = response.status
        if calls:
            self.guard.status = response.status
        stream = _Capped(self, pool, response)
        headers = dict(response.headers)
        if 300 <= response.status < 400 or headers.get(b"content-encoding", b"identity").lower() != b"identity":
            await stream.aclose()
            raise httpx2.RemoteProtocolError("It leads elsewhere, or answers in an encoding that nobody asked for.")
        return httpx2.Response(response.status, headers=response.headers, stream=stream)


def _written(request: httpx2.Request, content: bytes) -> Rendered:
    url, target = request.url, request.url.raw_path.decode("ascii")
    path, _, query = target.partition("?")
    return Rendered(
        request.method, url.scheme, url.host, url.port or DEFAULT_PORTS.get(url.scheme, 0), path, query,
        request.headers.get("content-type", ""), (), content,
    )  # fmt: skip


def _request(written: Rendered, lines: dict[str, str], injected: Injected) -> httpcore.Request:
    query = "&".join(filter(None, (written.query, injected.query)))
    try:
        target = (written.path + (f"?{query}" if query else "")).encode("ascii")
        fields = [(name.encode("ascii"), value.encode("ascii")) for name, value in lines.items()]
    except UnicodeEncodeError:
        raise NotSent("The request has an address or a header that HTTP cannot carry.") from None
    url = httpcore.URL(scheme=written.scheme.encode(), host=written.host.encode(), port=written.port, target=target)
    return httpcore.Request(written.method, url, headers=fields, content=written.body, extensions={"timeout": TIMEOUT})


class _Capped(httpx2.AsyncByteStream):
    """All answers of a session together are no longer than one of any other call may be."""

    def __init__(self, wire: Wire, pool: httpcore.AsyncConnectionPool, response: httpcore.Response) -> None:
        self._wire, self._pool, self._response = wire, pool, response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.aiter_stream():
                self._wire.taken += len(chunk)
                if self._wire.taken > MAX_ANSWER:
                    raise httpx2.RemoteProtocolError(f"The answers are larger than {MAX_ANSWER:,} bytes.")
                yield chunk
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise httpx2.ReadError(str(error) or type(error).__name__) from None

    async def aclose(self) -> None:
        await self._response.aclose()
        await self._pool.aclose()


class _Pinned(httpcore.AsyncNetworkBackend):
    """Resolves once, refuses unless every address is allowed, and dials the address it checked."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
                          socket_options: Any = None) -> httpcore.AsyncNetworkStream:  # fmt: skip
        with anyio.move_on_after(timeout):
            address = await anyio.to_thread.run_sync(allowed_address, host, port, abandon_on_cancel=True)
            return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
        raise httpcore.ConnectTimeout(f"{host} was not resolved in time")
