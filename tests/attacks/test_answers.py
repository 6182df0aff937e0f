"""Answers that want the door's memory, its time, or a second request: real bytes through the door's own code."""

import gzip
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from integrations import outbound
from integrations.outbound import Unknown
from tests.attacks.peer import Script, ask, look, saying, serving, without_end

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_the_credential_goes_nowhere(status: int) -> None:
    with serving(saying(OK + b"\r\n")) as elsewhere:
        to = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.base_url}/\r\nRefresh: 0; url={elsewhere.base_url}/\r\n"
        with serving(saying(to.encode() + b"Content-Length: 0\r\n\r\n")) as peer:
            assert ask(look(peer.base_url)).status == status
    assert (len(peer.heard), elsewhere.heard) == (1, [])


def counted(script_of: Callable[[list[int]], Script]) -> tuple[list[int], Script]:
    sent = [0]
    return sent, script_of(sent)


def a_gibibyte(sent: list[int]) -> Script:
    def say(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % 2**30)
        while sent[0] < 2**30:
            sent[0] += connection.send(b"x" * 65_536)

    return say


def test_of_a_gibibyte_hardly_anything_is_taken() -> None:
    sent, script = counted(a_gibibyte)
    with serving(script) as peer, pytest.raises(Unknown, match="larger than 4,194,304 bytes"):
        ask(look(peer.base_url))
    assert sent[0] < 64 * 2**20  # what the system's buffers hold beside the 4 MiB


BOMB = gzip.compress(bytes(10_000_000))
TOO_MUCH: dict[str, tuple[Script, str]] = {
    "chunks without end": (
        without_end(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"), "larger than"),
    "a body without a length or an end": (without_end(OK + b"\r\n", b"x" * 4096), "larger than"),
    "headers without end": (without_end(OK, b"X-More: and more\r\n"), "too long|too large|Receive buffer"),
    "one header without end": (without_end(OK + b"X-More: ", b"more" * 64), "too long|too large|Receive buffer"),
    "a first line without end": (without_end(b"HTTP/1.1 200 ", b"OK" * 64), "too long|too large|Receive buffer"),
    "trailers without end": (
        without_end(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-More: and more\r\n"),
        "too long|too large|Receive buffer"),
    "a chunk's extension without end": (
        without_end(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"more" * 64), "too long|too large|Receive buffer"),
    "a packed answer": (
        saying(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB), "encoded as gzip"),
    "a packed transfer": (saying(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n"), "Transfer-Encoding"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_MUCH)
def test_too_much_is_cut_off(name: str) -> None:
    script, says = TOO_MUCH[name]
    with serving(script) as peer, pytest.raises(Unknown, match=says):
        ask(look(peer.base_url))


def slowly(begin: bytes, part: bytes) -> Script:
    """Always sooner than the time-out of a single read."""

    def say(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(part)
            time.sleep(0.01)

    return say


SLOW: dict[str, Script] = {
    "its first line": slowly(b"", b"H"),
    "its headers": slowly(OK + b"X-Slow: ", b"x"),
    "its body": slowly(OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "its chunks": slowly(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "an answer, and always says that it begins": slowly(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "an answer, and says so as fast as it can": without_end(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "LONGEST", 0.5)


@pytest.mark.parametrize("what", SLOW)
def test_who_sends_byte_after_byte_is_not_waited_for(what: str, hasty: None) -> None:
    with serving(SLOW[what]) as peer, pytest.raises(Unknown, match=r"longer than 0\.5 seconds|timed out"):
        ask(look(peer.base_url))


def test_who_takes_byte_after_byte_is_not_waited_for(hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def sip(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while connection.recv(512):
            time.sleep(0.01)

    with serving(sip) as peer, pytest.raises(Unknown, match=r"longer than 0\.5 seconds|timed out"):
        ask(replace(look(peer.base_url), method="PUT", body=bytes(30_000_000)))
