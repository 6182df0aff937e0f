"""The one way out: which addresses, how much of an answer, and never the secret."""

import base64
import dataclasses
import gzip
import html
import http.server
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import quote, quote_plus

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.errors import Tampered
from integrations import outbound
from integrations.description import Description
from integrations.outbound import Answer, NotSent, Unknown, allowed_address, send
from integrations.redaction import echoes, redact
from integrations.render import Rendered, render
from tests.servers import served
from tests.stack import wait_until

SECRET = 'sk_test/"\\+&=<7Qz9Xv3>'

REFUSED = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255",
    "224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
    "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::10.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.0.8", "192.0.0.192", "192.88.99.1", "fec0::1", "5f00::1", "3fff::1",
    "4000::1", "100:0:0:1::1", "64:ff9b:1:a00:0:100:808:808", "64:ff9b::192.0.0.192", "::ffff:192.0.0.192",
]  # fmt: skip
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, port)) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
def strict(settings: Any) -> None:
    settings.ALLOWED_NETWORKS = []


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_refused(address: str, strict: None, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, address)
    with pytest.raises(httpcore.ConnectError, match="neither public nor allowed"):
        allowed_address("innocent.example", 443)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_dialled(address: str, strict: None, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, address)
    assert allowed_address("innocent.example", 443) == address


def test_a_resolver_that_takes_its_time_takes_it_from_the_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a request never leaves long after its intent."""
    monkeypatch.setattr(outbound, "allowed_address", lambda host, port, **_: time.sleep(0.02))
    with pytest.raises(httpcore.ConnectTimeout, match="not resolved in time"):
        outbound._PinnedBackend().connect_tcp("slow.example", 443, timeout=0.01)


def test_one_private_address_among_public_ones_refuses_the_name(strict: None, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "93.184.216.34", "127.0.0.1")
    with pytest.raises(httpcore.ConnectError):
        allowed_address("rebinding.example", 443)


@pytest.mark.parametrize(
    ("network", "address"), [("10.1.0.0/16", "10.1.2.3"), ("::1/128", "::1"), ("10.1.0.0/16", "::ffff:10.1.2.3")]
)
def test_what_the_installation_trusts_is_dialled(
    network: str, address: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALLOWED_NETWORKS = [network]
    resolving_to(monkeypatch, address)
    assert allowed_address("inside.example", 443) == address
    resolving_to(monkeypatch, "10.2.0.1")
    with pytest.raises(httpcore.ConnectError):
        allowed_address("inside.example", 443)


def escaped(said: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in said)


DISGUISES: dict[str, str] = {
    "raw": SECRET,
    "header": f"Bearer {SECRET}",
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 without padding": base64.b64encode(SECRET.encode()).decode().rstrip("="),
    "basic": base64.b64encode(f"{SECRET}:".encode()).decode(),
    "basic with user": base64.b64encode(f"u:{SECRET}".encode()).decode(),
    "basic with longer user": base64.b64encode(f"us:{SECRET}x".encode()).decode(),
    "base64url": base64.urlsafe_b64encode(f"Bearer {SECRET}".encode()).decode(),
    "url": quote(SECRET, safe=""),
    "url in small letters": quote(SECRET, safe="").replace("%2F", "%2f").replace("%5C", "%5c").replace("%2B", "%2b")
    .replace("%3D", "%3d").replace("%3C", "%3c").replace("%3E", "%3e"),
    "form": quote_plus(SECRET),
    "json": json.dumps(SECRET),
    "php": json.dumps(SECRET).replace("/", "\\/"),
    "html": html.escape(SECRET),
    "html with numbers": html.escape(SECRET).replace("+", "&#43;").replace("=", "&#x3D;").replace("&#x27;", "&#039;"),
    "html of html": html.escape(html.escape(SECRET)),
    "hex": SECRET.encode().hex(),
    "hex in capitals": SECRET.encode().hex().upper(),
    "url that leaves slashes": quote(SECRET),
    "url of browsers": quote(SECRET, safe="!'()*"),
    "url of url": quote(quote(SECRET, safe=""), safe=""),
    "json in json": json.dumps(json.dumps(SECRET)),
    "json of go": json.dumps(SECRET).replace("<", "\\u003c").replace(">", "\\u003e").replace("+", "\\u002B"),
    "html in json": json.dumps(html.escape(SECRET)),
    "json in url": quote(json.dumps(SECRET), safe=""),
    "base64 in url": quote(base64.b64encode(f"u:{SECRET}".encode()).decode(), safe=""),
}  # fmt: skip


@pytest.mark.parametrize("name", DISGUISES)
def test_the_secret_is_taken_out_in_every_disguise(name: str) -> None:
    said = redact(f"before {DISGUISES[name]} after", echoes(SECRET))
    assert ("[redacted]" in said, said.startswith("before "), said.endswith(" after")) == (True, True, True)
    assert "7Qz9Xv3" not in said
    assert len(said) <= len("before Bearer [redacted] after") + 12


@pytest.mark.parametrize(
    "secret", ["pässwörd1", "Schlüssel2024", "пароль123", "pass%5cword", "a😀bcdefg", "tab\tand space"]
)
def test_a_secret_of_any_letters_is_taken_out(secret: str) -> None:
    written = json.dumps(secret)
    for said in (
        secret, quote(secret, safe=""), written, json.dumps(written), html.escape(secret), quote_plus(secret),
        quote(quote(secret)),
    ):  # fmt: skip
        assert redact(f"<{said}>", echoes(secret)).replace('"', "").replace("\\", "") == "<[redacted]>"


@given(st.text(), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=30))
def test_no_answer_holds_the_secret(said: str, secret: str) -> None:
    escaped_twice = json.dumps(json.dumps(secret))[3:-3]
    for echo in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), html.escape(secret), escaped_twice):
        assert echo not in redact(f"{said}{echo}{said}", echoes(secret)).replace("[redacted]", "")


@pytest.fixture
def peer() -> Iterator[Callable[[Callable[[http.server.BaseHTTPRequestHandler], None]], Rendered]]:
    """A real server that answers as a test says; gives the request that would reach it."""
    servers = ExitStack()

    def serve(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Rendered:
        quiet = {"do_GET": answer, "log_message": lambda *_: None}
        handler = type("Peer", (http.server.BaseHTTPRequestHandler,), quiet)
        server = servers.enter_context(served(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)))
        look = Description("look", {"title": "Look", "effect": "read", "method": "GET", "path": "/start"})
        return render(look, {}, base_url=f"http://127.0.0.1:{server.server_address[1]}", key="k")

    with servers:
        yield serve


def answering(body: bytes, status: int = 200, **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        with suppress(ConnectionError):
            request.wfile.write(body)

    return answer


def ask(rendered: Rendered, *, secret: str = SECRET, **given_: Any) -> Answer:
    return send(rendered, expected=rendered.digest, secret=secret, credential_type="bearer", **given_)


def test_no_redirect_is_followed(peer: Any) -> None:
    seen: list[str] = []
    elsewhere = peer(lambda request: seen.append(request.path))
    answer = ask(peer(answering(b"", 302, Location=elsewhere.url)))
    assert (answer.status, seen) == (302, [])


def test_an_answer_in_another_form_than_json_is_welcome_too(peer: Any) -> None:
    """A server that has only a file to give may refuse to whoever takes nothing but JSON (RFC 9110 §12.5.1)."""
    asked: list[str] = []

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(str(request.headers["Accept"]))
        answering(b"a,b")(request)

    ask(peer(answer))
    assert asked == ["application/json, */*;q=0.5"]


def test_an_answer_without_end_is_cut_off(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "MAX_ANSWER", 10_000)
    assert ask(peer(answering(b"x" * 10_000))).status == 200
    with pytest.raises(Unknown, match="larger than 10,000 bytes"):
        ask(peer(answering(b"x" * 10_001)))


def test_an_answer_in_an_encoding_that_was_not_asked_for_is_not_unpacked(peer: Any) -> None:
    with pytest.raises(Unknown, match="encoded as gzip, which was not asked for"):
        ask(peer(answering(gzip.compress(b"0" * 10_000_000), Content_Encoding="gzip")))


def test_no_cookie_of_an_answer_goes_out_again(peer: Any) -> None:
    """Both requests go through the same pool."""
    sent: list[str | None] = []

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        sent.append(request.headers["Cookie"])
        answering(b"{}", Set_Cookie="session=of-one-team")(request)

    rendered = peer(answer)
    ask(rendered, credential="crd_a")
    ask(rendered, credential="crd_a")
    assert sent == [None, None]


def keeping(seen: list[int], *, ends: bool = False) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    """Answers on a connection that stays open, or that it ends without having said so; notes from which port."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(request.client_address[1])
        request.protocol_version, request.close_connection = "HTTP/1.1", ends
        answering(b"{}")(request)

    return answer


def test_a_connection_is_used_again_by_its_credential_alone_and_soon(
    peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    rendered = peer(keeping(seen))
    for credential in ("crd_a", "crd_a", "crd_b", "", "crd_a", ""):
        ask(rendered, credential=credential)
    first, second, other, own, third, another = seen
    assert (first == second == third, len({first, other, own, another})) == (True, 4)
    monkeypatch.setattr(outbound, "KEPT", 0.0)
    outbound._pool().close()
    outbound._pool.cache_clear()
    for _ in range(2):
        ask(rendered, credential="crd_c")
    assert len(set(seen[-2:])) == 2


def test_a_connection_that_the_other_side_has_ended_is_not_used_again(peer: Any) -> None:
    seen: list[int] = []
    rendered = peer(keeping(seen, ends=True))
    for _ in range(2):
        ask(rendered, credential="crd_a")
        wait_until(lambda: all(one.has_expired() for one in outbound._pool().connections), "its end is here")
    assert len(set(seen)) == 2


UNWRITABLE = {
    "a host of another script": {"host": "bücher.example"},
    "a path of another script": {"path": "/é"},
    "a path with a space": {"path": "/a b"},
    "a path that ends the line": {"path": "/ HTTP/1.1\r\nHost: evil.test\r\n\r\n"},
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_http_cannot_carry_is_never_written(name: str, peer: Any) -> None:
    seen: list[str] = []
    rendered = dataclasses.replace(peer(lambda request: seen.append(request.path)), **UNWRITABLE[name])
    with pytest.raises(NotSent, match="cannot carry"):
        ask(rendered)
    assert seen == []


BODIES: dict[str, tuple[bytes, Any]] = {
    "escaped": (f'{{"a": "{escaped(SECRET)}"}}'.encode(), {"a": "[redacted]"}),
    "php": (json.dumps({"a": [SECRET]}).replace("/", "\\/").encode(), {"a": ["[redacted]"]}),
    "a key": (json.dumps({SECRET: 1}).encode(), {"[redacted]": 1}),
    "json in json": (json.dumps({"a": json.dumps([SECRET])}).encode(), {"a": '["[redacted]"]'}),
    "text": (SECRET.encode(), "[redacted]"),
    "a zero byte": (b'{"a": "x\\u0000y"}', {"a": "x\ufffdy"}),
    "half a character": (b'{"a": "\\ud800"}', {"a": "\ufffd"}),
    "not a number": (b'{"a": NaN}', '{"a": NaN}'),
    "no UTF-8": (b"\xff\x00", "\ufffd"),
    "UTF-16": (f"no {SECRET}".encode("utf-16-le"), "no [redacted]"),
    "deep": (b"[" * 100_000, "[" * outbound.MAX_KEPT),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_is_kept_of_an_answer_can_be_stored_and_holds_no_secret(name: str, peer: Any) -> None:
    body, kept = BODIES[name]
    assert ask(peer(answering(body))).body == kept


def test_wherever_what_is_kept_of_a_type_ends_it_holds_no_part_of_the_secret() -> None:
    for before in range(outbound.LONGEST_TYPE + 1):
        kept = outbound.answer_of(200, b"", echoes(SECRET), kind=f"{'x' * before}{SECRET}").content_type
        assert kept == f"{'x' * before}[redacted]"[: outbound.LONGEST_TYPE]


def test_a_header_that_cannot_be_written_is_not_quoted(peer: Any) -> None:
    with pytest.raises(NotSent) as refusal:
        ask(peer(answering(b"")), secret=f"{SECRET}\n")
    assert "7Qz9Xv3" not in str(refusal.value)


def test_a_peer_that_is_not_there_got_nothing() -> None:
    look = Description("look", {"title": "Look", "effect": "read", "method": "GET", "path": "/"})
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotSent):
        ask(render(look, {}, base_url=f"http://127.0.0.1:{port}", key="k"))


def test_a_peer_that_hangs_up_leaves_it_unknown(peer: Any) -> None:
    with pytest.raises(Unknown):
        ask(peer(lambda request: request.connection.shutdown(socket.SHUT_RDWR)))


def test_another_request_than_the_agreed_one_is_never_written(peer: Any) -> None:
    seen: list[str] = []
    rendered = peer(lambda request: seen.append(request.path))
    with pytest.raises(Tampered, match="not the one that was agreed"):
        send(rendered, expected=bytes(32), secret=SECRET, credential_type="bearer")
    assert seen == []


def test_the_environments_proxy_is_not_used(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert ask(peer(answering(b"{}"))).body == {}
