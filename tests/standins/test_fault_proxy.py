from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.servers import served
from tests.standins.fault_proxy import FaultProxy


class Upstream(BaseHTTPRequestHandler):
    """Notes what it did, and says what it was sent."""

    done: list[str]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.done.append(f"{self.command} {self.path} {body.decode()}")
        self.send_response_only(201)
        self.send_header("x-key", self.headers.get("idempotency-key", ""))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[ThreadingHTTPServer]:
    Upstream.done = []
    with served(ThreadingHTTPServer(("127.0.0.1", 0), Upstream)) as server:
        yield server


@pytest.fixture
def done(upstream: ThreadingHTTPServer) -> list[str]:
    return Upstream.done


@pytest.fixture
def proxy(upstream: ThreadingHTTPServer) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", upstream.server_port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.base_url, timeout=5) as client:
        yield client


def test_without_a_fault_everything_passes(client: httpx.Client, proxy: FaultProxy, done: list[str]) -> None:
    answer = client.post("/v1/refunds?a=1", content=b"x=1", headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.content, answer.headers["x-key"]) == (201, b"x=1", "k")
    assert done == ["POST /v1/refunds?a=1 x=1"]
    (arrival,) = proxy.requests
    assert (arrival.method, arrival.path, arrival.body) == ("POST", "/v1/refunds?a=1", b"x=1")
    assert arrival.headers["idempotency-key"] == "k"


def test_cut_before_ends_the_connection_and_does_nothing(
    client: httpx.Client, proxy: FaultProxy, done: list[str]
) -> None:
    fault = proxy.cut_before("POST", "/v1/refunds")
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/v1/refunds", content=b"x=1")
    fault.wait()
    assert (done, fault.status, len(proxy.requests)) == ([], None, 1)


def test_cut_after_ends_the_connection_once_the_upstream_has_done_it(
    client: httpx.Client, proxy: FaultProxy, done: list[str]
) -> None:
    fault = proxy.cut_after("POST", "/v1/refunds")
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/v1/refunds", content=b"x=1")
    fault.wait()
    assert (done, fault.status) == (["POST /v1/refunds x=1"], 201)


def test_a_fault_takes_one_matching_request_only(client: httpx.Client, proxy: FaultProxy, done: list[str]) -> None:
    proxy.cut_before("POST", "/v1/refunds")
    assert client.post("/v1/other", content=b"1").status_code == 201
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/v1/refunds", content=b"2")
    assert client.post("/v1/refunds", content=b"3").status_code == 201
    assert done == ["POST /v1/other 1", "POST /v1/refunds 3"]
    assert [arrival.body for arrival in proxy.seen("POST", "/v1/refunds")] == [b"2", b"3"]


def test_a_held_request_waits_until_released(client: httpx.Client, proxy: FaultProxy, done: list[str]) -> None:
    fault = proxy.hold("POST", "/v1/refunds")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.post, "/v1/refunds", content=b"1")
        fault.wait()
        assert (done, waiting.done()) == ([], False)
        fault.release()
        assert waiting.result().status_code == 201
    assert done == ["POST /v1/refunds 1"]


def test_a_request_still_held_at_the_end_is_cut(upstream: ThreadingHTTPServer, done: list[str]) -> None:
    with ThreadPoolExecutor() as pool:
        with FaultProxy("127.0.0.1", upstream.server_port) as proxy:
            fault = proxy.hold("POST", "/")
            waiting = pool.submit(httpx.post, f"{proxy.base_url}/v1/refunds", content=b"1")
            fault.wait()
        with pytest.raises(httpx.RemoteProtocolError):
            waiting.result()
    assert done == []


def test_a_delayed_request_is_answered_later(client: httpx.Client, proxy: FaultProxy, done: list[str]) -> None:
    fault = proxy.delay("POST", "/v1/refunds", seconds=0.1)
    answer = client.post("/v1/refunds", content=b"1")
    assert (answer.status_code, answer.elapsed.total_seconds() >= 0.1) == (201, True)
    assert fault.happened.is_set()
    assert done == ["POST /v1/refunds 1"]


def test_a_delay_beyond_the_clients_patience_ends_in_a_timeout(
    client: httpx.Client, proxy: FaultProxy, done: list[str]
) -> None:
    fault = proxy.delay("POST", "/v1/refunds", seconds=60)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/refunds", content=b"1", timeout=0.1)
    fault.wait()
    assert done == []


def test_waiting_for_a_fault_that_never_comes_says_so(proxy: FaultProxy) -> None:
    with pytest.raises(TimeoutError, match="no POST /v1/refunds came"):
        proxy.cut_before("POST", "/v1/refunds").wait(0.01)
