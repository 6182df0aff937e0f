"""A proxy in front of a stand-in that fails on demand, at the instants at which real networks fail.

    with FaultProxy("127.0.0.1", port) as proxy:
        fault = proxy.cut_after("POST", "/v1/refunds")
        ...                      # a client is sent to proxy.base_url
        fault.wait()             # the upstream did it, the client will never hear
        assert len(proxy.seen("POST", "/v1/refunds")) == 1

A fault is for one request: the next that matches and that no earlier fault has taken.
"""

import contextlib
import http.client
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import NamedTuple, Self

# Between two neighbours only (RFC 9110 §7.6.1). The length is set anew, as we have the whole body.
HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length"})


class Arrival(NamedTuple):
    method: str
    path: str  # with the query
    body: bytes
    at: float  # time.monotonic()
    headers: dict[str, str]  # names in lower case


@dataclass(eq=False)
class Fault:
    method: str
    prefix: str
    before: "Callable[[Fault], bool]"  # False: cut the client off before the upstream hears anything
    after: bool = True  # False: cut the client off once the upstream has answered
    happened: Event = field(default_factory=Event)
    status: int | None = None  # what the upstream answered to the request that this fault took
    released: Event = field(default_factory=Event)

    def matches(self, arrival: Arrival) -> bool:
        return arrival.method == self.method and arrival.path.startswith(self.prefix)

    def wait(self, seconds: float = 10) -> None:
        """Return once the fault has happened: the client is cut off, or its request is being kept waiting."""
        if not self.happened.wait(seconds):
            raise TimeoutError(f"no {self.method} {self.prefix} came within {seconds} s")

    def release(self) -> None:
        """Let a held or delayed request go on."""
        self.released.set()


class FaultProxy:
    def __init__(self, upstream_host: str, upstream_port: int, listening: socket.socket | None = None) -> None:
        """Where somebody is `listening` already, connections are taken there; it goes on when this one ends."""
        self.upstream = (upstream_host, upstream_port)
        self.requests: list[Arrival] = []
        self.errors: list[str] = []  # what the upstream side failed with, unasked
        self.closing = Event()
        self._faults: list[Fault] = []
        self._taken: list[Fault] = []
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(), bind_and_activate=listening is None)
        if listening:
            self._server.socket.close()
            self._server.socket = listening.dup()
        self._server.daemon_threads = True
        self.port: int = self._server.socket.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A request that is still held is cut, not forwarded: the end of a test must not cause an effect."""
        self.closing.set()
        with self._lock:
            for fault in self._taken:
                fault.release()
        self._server.shutdown()
        self._server.server_close()

    def cut_before(self, method: str, prefix: str) -> Fault:
        """The client's connection ends before the upstream hears anything: the effect did not happen."""
        return self._plan(Fault(method, prefix, before=lambda fault: False))

    def cut_after(self, method: str, prefix: str) -> Fault:
        """The upstream answers completely, the client gets the end instead: the effect happened."""
        return self._plan(Fault(method, prefix, before=lambda fault: True, after=False))

    def hold(self, method: str, prefix: str) -> Fault:
        """The request waits here, unseen by the upstream, until `release()`."""
        return self._plan(Fault(method, prefix, before=self._hold(None)))

    def delay(self, method: str, prefix: str, seconds: float) -> Fault:
        """The request waits here, unseen by the upstream, for so long; or until `release()`."""
        return self._plan(Fault(method, prefix, before=self._hold(seconds)))

    def seen(self, method: str, prefix: str) -> list[Arrival]:
        """What came for this method and the start of this path; it may have been cut before the upstream."""
        with self._lock:
            return [
                arrival for arrival in self.requests if arrival.method == method and arrival.path.startswith(prefix)
            ]

    def _plan(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def _hold(self, seconds: float | None) -> Callable[[Fault], bool]:
        def hold(fault: Fault) -> bool:
            fault.happened.set()
            fault.released.wait(seconds)
            return True

        return hold

    def arrive(self, arrival: Arrival) -> Fault | None:
        with self._lock:
            self.requests.append(arrival)
            for fault in self._faults:
                if fault.matches(arrival):
                    self._faults.remove(fault)
                    self._taken.append(fault)
                    return fault
        return None

    def forward(self, arrival: Arrival) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(*self.upstream, timeout=30)
        try:
            connection.putrequest(arrival.method, arrival.path, skip_host=True, skip_accept_encoding=True)
            for name, value in arrival.headers.items():
                if name not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("content-length", str(len(arrival.body)))
            connection.endheaders(arrival.body)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("BoundExchange", (Exchange,), {"proxy": self})


class Exchange(BaseHTTPRequestHandler):
    proxy: FaultProxy
    protocol_version = "HTTP/1.1"  # keep-alive, as the clients under test have pools
    disable_nagle_algorithm = True

    def exchange(self) -> None:
        arrival = self.read()
        fault = self.proxy.arrive(arrival)
        if (fault is not None and not fault.before(fault)) or self.proxy.closing.is_set():
            self.cut(fault)
            return
        try:
            response, body = self.proxy.forward(arrival)
        except (OSError, http.client.HTTPException) as error:
            self.proxy.errors.append(f"{arrival.method} {arrival.path}: {error!r}")
            self.cut(fault)
            return
        if fault is not None:
            fault.status = response.status
            if not fault.after:
                self.cut(fault)
                return
        self.answer(response, body)

    def read(self) -> Arrival:
        at = time.monotonic()
        headers = {name.lower(): value for name, value in self.headers.items()}
        if "transfer-encoding" in headers:
            raise NotImplementedError("requests in chunks: send a Content-Length")
        body = self.rfile.read(int(headers.get("content-length", "0")))
        return Arrival(self.command, self.path, body, at, headers)

    def cut(self, fault: Fault | None) -> None:
        """End the connection without an answer. All was read, so the client sees an end, not a reset."""
        self.close_connection = True
        self.server.shutdown_request(self.connection)
        if fault is not None:
            fault.happened.set()

    def answer(self, response: http.client.HTTPResponse, body: bytes) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        if self.command == "HEAD":  # the length of a body that is not sent
            self.send_header("content-length", response.headers.get("content-length", "0"))
        elif response.status not in (204, 304):
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client went away first: the test's business
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError):  # the connection was cut: there is nothing to flush to
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        pass

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = exchange
