"""Sessions end, however busy and however idle they are: on pages, and on the websockets of pages that stay open."""

import datetime as dt
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.http import HttpRequest
from django.test import Client, RequestFactory

from audit.models import Record
from console.accounts import limits, middleware
from console.accounts.limits import has_ended, is_use, note_use
from console.accounts.models import Membership, User
from console.accounts.people import deactivate_user
from console.asgi import application
from console.core.clock import iso
from console.traces import consumers
from tests.accounts.conftest import SYSTEM

BEGAN = dt.datetime(2026, 11, 22, 8, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def defaults(settings: Any) -> None:
    settings.SESSION_HOURS, settings.SESSION_IDLE_MINUTES = 12.0, 60.0


def a_session(used: float | None = None, **more: object) -> dict[str, Any]:
    """Begun at eight; last used so many minutes later."""
    seen = {} if used is None else {"seen": BEGAN.timestamp() + used * 60}
    return {"session": {"id": "ses_1", "opened": iso(BEGAN)}, **seen, **more}


@pytest.mark.parametrize(
    ("session", "minutes", "over"),
    [
        (a_session(), 59.9, False),
        (a_session(), 60, True),
        (a_session(used=50), 109.9, False),
        (a_session(used=50), 110, True),
        (a_session(used=700), 719.9, False),
        (a_session(used=719), 720, True),
        ({}, 0, True),
        ({"session": {}, "seen": BEGAN.timestamp()}, 0, True),
    ],
)
def test_session_ends_by_its_age_and_by_not_being_used(session: dict[str, Any], minutes: float, over: bool) -> None:
    assert has_ended(session, BEGAN + dt.timedelta(minutes=minutes)) is over


def a_request(method: str = "GET", **headers: str) -> HttpRequest:
    return RequestFactory().generic(
        method, "/", headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


@pytest.mark.parametrize(
    ("request_", "use"),
    [
        (a_request(), True),
        (a_request(HX_Request="true"), False),
        (a_request(HX_Request="true", HX_Trigger="queue", HX_Target="queue"), False),
        (a_request(HX_Request="true", HX_Trigger="item-1", HX_Target="main"), True),
        (a_request("POST", HX_Request="true", HX_Trigger="decide", HX_Target="decide"), True),
        (a_request(HX_Trigger="queue", HX_Target="queue"), True),
    ],
)
def test_part_of_a_page_that_fetches_itself_is_no_use(request_: HttpRequest, use: bool) -> None:
    assert is_use(request_) is use


def test_use_is_noted_once_a_minute_and_more_often_for_short_limits(settings: Any) -> None:
    def noted(*seconds: float) -> list[float]:
        session, found = a_session(used=0), []
        for one in seconds:
            note_use(session, BEGAN + dt.timedelta(seconds=one))
            found.append(session["seen"] - BEGAN.timestamp())
        return found

    assert noted(59, 60, 119, 120) == [0, 60, 60, 120]
    settings.SESSION_IDLE_MINUTES = 1
    assert noted(5, 6, 11, 12) == [0, 6, 6, 12]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """So many minutes from now on, for whoever asks whether a session is over."""

    def jump(minutes: float) -> None:
        at = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
        for module in (middleware, consumers):
            monkeypatch.setattr(module, "now", lambda: at)

    return jump


def kinds(user: User) -> list[str]:
    return list(Record.objects.of(user.id).order_by("at").values_list("kind", flat=True))


def test_page_of_an_idle_session_leads_to_sign_in(
    ada_browser: Client, ada: User, later: Callable[[float], None]
) -> None:
    later(59)
    assert ada_browser.get("/account/").status_code == 200
    later(118)
    assert ada_browser.get("/account/").status_code == 200
    later(179)
    assert ada_browser.get("/account/")["Location"] == "/sign-in/?next=/account/"
    assert kinds(ada)[-1] == "accounts:session:closed"
    later(0)
    assert ada_browser.get("/account/").status_code == 302


def test_page_that_only_refreshes_itself_does_not_keep_a_session(
    ada_browser: Client, later: Callable[[float], None]
) -> None:
    live = {"hx-request": "true", "hx-trigger": "runs", "hx-target": "runs"}
    later(30)
    assert ada_browser.get("/account/", headers=live).status_code == 200
    later(61)
    assert "HX-Redirect" in ada_browser.get("/account/", headers=live)


def test_busy_session_ends_by_its_age(ada_browser: Client, later: Callable[[float], None]) -> None:
    for minutes in range(0, 720, 50):
        later(minutes)
        assert ada_browser.get("/account/").status_code == 200
    later(721)
    assert ada_browser.get("/account/").status_code == 302


def test_session_that_no_sign_in_made_is_none(ada_browser: Client) -> None:
    session = ada_browser.session
    del session[limits.SESSION_KEY]
    session.save()
    assert ada_browser.get("/account/").status_code == 302


# Websockets. They are closed with 4401, as where nobody is signed in.

Walk = Callable[[Any], Awaitable[None]]


def on_a_websocket(browser: Client, walk: Walk, settings: Any) -> None:
    """From the browser's session, as uvicorn tells the application of it."""
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
    headers = [(b"origin", settings.ORIGIN.encode()), (b"cookie", cookie.encode())]
    scope = {"type": "websocket", "path": "/live/", "query_string": b"", "headers": headers, "subprotocols": []}

    async def run() -> None:
        socket: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]  # asgiref types no tests
        await socket.send_input({"type": "websocket.connect"})
        await walk(socket)
        await socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await socket.wait(timeout=10)

    async_to_sync(run)()


async def next_of(socket: Any) -> object:
    """How the websocket was closed, or what it said."""
    message = await socket.receive_output(timeout=10)
    said = message.get("text")
    return message.get("code") if message["type"] == "websocket.close" else said and json.loads(said)


@pytest.mark.parametrize("minutes", [61, 721])
def test_ended_session_opens_no_websocket(
    committed: str, ada_browser: Client, later: Callable[[float], None], settings: Any, minutes: float
) -> None:
    later(minutes)

    async def walk(socket: Any) -> None:
        assert await next_of(socket) == 4401

    on_a_websocket(ada_browser, walk, settings)


def test_open_websocket_ends_with_its_session(
    committed: str, ada_browser: Client, later: Callable[[float], None], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "LOOK", 0.05)

    async def walk(socket: Any) -> None:
        assert await next_of(socket) is None
        await socket.send_input({"type": "websocket.receive", "text": json.dumps({"subscribe": ["runs"]})})
        assert await next_of(socket) == {"topic": "runs"}
        later(61)
        assert await next_of(socket) == 4401

    on_a_websocket(ada_browser, walk, settings)


def test_open_websocket_ends_at_once_when_its_account_is_closed(
    committed: str, ada_browser: Client, ada: User, settings: Any
) -> None:
    async def walk(socket: Any) -> None:
        assert await next_of(socket) is None
        await sync_to_async(deactivate_user)(ada, actor=SYSTEM)
        assert await next_of(socket) == 4401

    on_a_websocket(ada_browser, walk, settings)


def test_open_websocket_ends_when_its_person_has_left_the_team(
    committed: str, ada_browser: Client, ada: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "LOOK", 0.05)

    async def walk(socket: Any) -> None:
        assert await next_of(socket) is None
        await sync_to_async(Membership.objects.filter(user=ada).delete)()
        assert await next_of(socket) == 4401

    on_a_websocket(ada_browser, walk, settings)
