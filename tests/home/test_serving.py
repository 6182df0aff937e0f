"""How a request comes from the ASGI server to a view and back."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import path
from pytest_django.fixtures import Settings

from console.home.serving import Pages

PART = Pages.chunk_size
DATA = bytes(range(256)) * (PART // 100)
threads: list[str] = []
closed: list[str] = []


def told(request: HttpRequest) -> HttpResponse:
    threads.append(threading.current_thread().name)
    return HttpResponse(request.body + f" {request.method} {request.GET.get('q')} {request.get_host()}".encode())


def file(request: HttpRequest) -> HttpResponseBase:
    response = FileResponse(Path(request.GET["at"]).open("rb"), content_type="application/zip")  # noqa: SIM115  (it closes it)
    response._resource_closers.append(lambda: closed.append(threading.current_thread().name))  # type: ignore[attr-defined]
    return response


def broken(request: HttpRequest) -> HttpResponse:
    raise LookupError("on purpose")


urlpatterns = [path("told/", told), path("api/v1/actions", told), path("file/", file), path("broken/", broken)]


@pytest.fixture
def pages(settings: Settings) -> Pages:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["console.home.middleware.ContentSecurityPolicy"]
    threads.clear()
    closed.clear()
    return Pages()


class Peer:
    """The server's side of one exchange. With `leaves_after`, the client goes away after so many parts."""

    def __init__(self, body: bytes = b"", leaves_after: int = 0) -> None:
        self.heard, self.leaves_after = list[dict[str, Any]](), leaves_after
        self.given: list[dict[str, Any]] = [{"type": "http.request", "body": body[:2], "more_body": True},
                      {"type": "http.request", "body": body[2:]}]  # fmt: skip
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self.given:
            return self.given.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.heard.append(message)
        if self.leaves_after and len(self.parts) == self.leaves_after:
            self.gone.set()
            await asyncio.sleep(0)

    @property
    def parts(self) -> list[bytes]:
        return [one["body"] for one in self.heard if one.get("body")]


def ask(pages: Pages, address: str, query: str = "", method: str = "GET", **how: Any) -> Peer:
    peer = Peer(**how)
    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": address, "raw_path": address.encode(),
             "query_string": query.encode(), "headers": headers, "scheme": "http"}  # fmt: skip
    asyncio.run(pages(scope, peer.receive, peer.send))
    return peer


def test_answer_is_the_views_own_with_the_headers_of_the_middleware(pages: Pages) -> None:
    peer = ask(pages, "/told/", "q=1", "POST", body=b"words")
    [start, said] = peer.heard
    assert (start["status"], said) == (200, {"type": "http.response.body", "body": b"words POST 1 localhost",
                                             "more_body": False})  # fmt: skip
    assert dict(start["headers"])[b"X-Content-Type-Options"] == b"nosniff"


def test_agents_that_wait_are_in_no_threads_of_the_pages(pages: Pages) -> None:
    ask(pages, "/told/")
    ask(pages, "/api/v1/actions")
    assert [name.partition("_")[0] for name in threads] == ["pages", "agents"]


def test_file_is_sent_in_parts_and_closed_at_its_end(pages: Pages, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    peer = ask(pages, "/file/", f"at={tmp_path / 'data'}")
    assert [len(part) for part in peer.parts] == [PART, PART, len(DATA) - 2 * PART]
    assert b"".join(peer.parts) == DATA
    assert peer.heard[-1] == {"type": "http.response.body"}
    assert [name.partition("_")[0] for name in closed] == ["files"]


def test_file_is_read_no_further_once_nobody_listens(pages: Pages, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    peer = ask(pages, "/file/", f"at={tmp_path / 'data'}", leaves_after=1)
    assert [len(part) for part in peer.parts] == [PART]
    assert len(closed) == 1


def test_client_that_leaves_within_its_body_is_answered_nothing(pages: Pages) -> None:
    peer = Peer()
    peer.given = [{"type": "http.request", "body": b"wo", "more_body": True}, {"type": "http.disconnect"}]
    asyncio.run(pages({"type": "http", "path": "/told/"}, peer.receive, peer.send))
    assert (peer.heard, threads) == ([], [])


def test_fault_of_a_view_is_a_500_and_the_next_request_is_served(pages: Pages) -> None:
    assert ask(pages, "/broken/").heard[0]["status"] == 500
    assert ask(pages, "/told/").heard[0]["status"] == 200
