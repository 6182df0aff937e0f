"""The forwarder changes nothing of what an agent does, and shows a copy without its secrets."""

import base64
import datetime as dt
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from console.shadow.forwarder import Cleaner, is_secret
from tests.shadow.standing import TOKEN, Console, arguments, body_of, console, listening, upstream

NOWHERE = "http://127.0.0.1:9"
SECRET = "s3cr3t-of-the-agent-itself"


@pytest.fixture
def shown() -> Iterator[Console]:
    with console() as kept:
        yield kept


def exchange(url: str, request: bytes) -> bytes:
    """All that comes back until the other end closes."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        connection.sendall(request)
        answer = b""
        while block := connection.recv(65_536):
            answer += block
    return answer


def test_a_request_goes_out_as_it_came_and_the_answer_comes_back_as_it_was(tmp_path: Path, shown: Console) -> None:
    heads: list[bytes] = []

    def script(file: Any, head: bytes) -> None:
        heads.append(head + body_of(file, head))
        file.write(
            b"HTTP/1.1 201 Made It\r\nX-One: a\r\nX-One: b\r\nSet-Cookie: s=1\r\nContent-Length: 4\r\n\r\n\x00\xffok"
        )

    with upstream(script) as there, listening(tmp_path, shown.url, f"http://{there}/base") as url:
        sent = (b"POST /v1//things/%2e%2E?a=1&a=%20b HTTP/1.1\r\nHost: mine\r\nAuthorization: Bearer " +
                SECRET.encode() + b"\r\nX-Odd: 1\r\nx-odd: 2\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
                b"Connection: close\r\n\r\nabc")  # fmt: skip
        answer = exchange(url, sent)
        [copy] = shown.wait(1)
    assert heads == [
        b"POST /base/v1//things/%2e%2E?a=1&a=%20b HTTP/1.1\r\nHost: " + there.encode() + b"\r\nAuthorization: Bearer "
        + SECRET.encode() + b"\r\nX-Odd: 1\r\nx-odd: 2\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc"
    ]  # fmt: skip
    assert answer == (
        b"HTTP/1.1 201 Made It\r\nX-One: a\r\nX-One: b\r\nSet-Cookie: s=1\r\nContent-Length: 4\r\n"
        b"Connection: close\r\n\r\n\x00\xffok"
    )
    assert copy | {"id": "", "at": "", "ms": 0} == {
        "id": "", "kind": "http", "at": "", "ms": 0, "method": "POST", "origin": f"http://{there}",
        "path": "/base/v1//things/%2e%2E", "query": "a=1&a=%20b", "headers": {"content-type": "text/plain"},
        "body": "abc", "left_out": "", "removed": [], "status": 201,
    }  # fmt: skip
    assert shown.tokens == {f"Bearer {TOKEN}"}


def test_a_body_in_pieces_is_passed_on_in_pieces_before_it_ends(tmp_path: Path, shown: Console) -> None:
    first, second = threading.Event(), threading.Event()
    heard: list[bytes] = []

    def script(file: Any, head: bytes) -> None:
        assert b"Transfer-Encoding: chunked" in head
        heard.append(file.read(8))  # 3\r\none\r\n
        first.set()
        heard.append(body_of(file, b"transfer-encoding: chunked\r\n"))
        file.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert second.wait(20)
        file.write(b"1\r\n!\r\n0\r\n\r\n")

    with upstream(script) as there, listening(tmp_path, shown.url, f"http://{there}") as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), 20) as agent:
            agent.sendall(
                b"PUT /x HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"
                b"3\r\none\r\n"
            )
            assert first.wait(20)
            agent.sendall(b"3;ext=1\r\ntwo\r\n0\r\nTrailer: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"5\r\nhello\r\n"):
                answer += agent.recv(65_536)
            second.set()
            while not answer.endswith(b"0\r\n\r\n"):
                answer += agent.recv(65_536)
        [copy] = shown.wait(1)
    assert heard == [b"3\r\none\r\n", b"two"]
    assert answer.endswith(b"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")
    assert copy["body"] == "onetwo"


@pytest.mark.parametrize(
    ("request_line", "answer", "expected"),
    [
        (b"HEAD /x", b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n",
         b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"),
        (b"DELETE /x", b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET /x", b"HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n"),
        (b"GET /x", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
                    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nk",
         b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nk"),
        (b"PROPFIND /x", b"HTTP/1.1 207 Multi\r\nContent-Length: 0\r\n\r\n",
         b"HTTP/1.1 207 Multi\r\nContent-Length: 0\r\n\r\n"),
    ],
)  # fmt: skip
def test_answers_without_a_body_keep_the_connection(
    tmp_path: Path, shown: Console, request_line: bytes, answer: bytes, expected: bytes
) -> None:
    with (
        upstream(lambda file, _: file.write(answer)) as there,
        listening(tmp_path, shown.url, f"http://{there}") as url,
    ):
        ask = request_line + b" HTTP/1.1\r\nHost: m\r\n"
        told = exchange(url, ask + b"\r\n" + ask + b"Connection: close\r\n\r\n")
        assert len(shown.wait(2)) == 2
    closing = expected.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    assert told == expected + closing


def test_what_breaks_off_there_breaks_off_here(tmp_path: Path, shown: Console) -> None:
    def script(file: Any, head: bytes) -> None:
        length = b"Content-Length: 9" if b"/sized" in head else b"Transfer-Encoding: chunked"
        file.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n" + (b"half" if b"/sized" in head else b"4\r\nhalf\r\n"))
        file.close()

    with upstream(script) as there, listening(tmp_path, shown.url, f"http://{there}") as url:
        ends = [exchange(url, b"GET /%b HTTP/1.1\r\nHost: m\r\n\r\n" % how) for how in (b"sized", b"chunked")]
        assert [end.partition(b"\r\n\r\n")[2] for end in ends] == [b"half", b"4\r\nhalf\r\n"]
        assert [copy["status"] for copy in shown.wait(2)] == [200, 200]


def test_an_upstream_that_is_dead_is_told_as_502(tmp_path: Path, shown: Console) -> None:
    with listening(tmp_path, shown.url, NOWHERE) as url:
        answer = exchange(url, b"GET /x HTTP/1.1\r\nHost: m\r\n\r\n")
        [copy] = shown.wait(1)
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert copy["status"] is None


@pytest.mark.parametrize(
    "request_",
    [
        b"GET http://elsewhere.example.com/ HTTP/1.1\r\nHost: m\r\n\r\n",
        b"CONNECT elsewhere.example.com:443 HTTP/1.1\r\nHost: m\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: m\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: m\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /x HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: m\r\nContent-Length: -1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
    ],
)
def test_nothing_goes_anywhere_else_nor_is_read_in_two_ways(tmp_path: Path, shown: Console, request_: bytes) -> None:
    with (
        upstream(lambda file, _: file.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as there,
        listening(tmp_path, shown.url, f"http://{there}") as url,
    ):
        assert exchange(url, request_).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_an_agent_does_not_notice_a_console_that_is_dead(tmp_path: Path) -> None:
    command = arguments(
        tmp_path, NOWHERE, "--to", NOWHERE, "--listen", "127.0.0.1:0", "--env", "MY_URL", "--", sys.executable, "-c",
        "import http.client, os, sys; c = http.client.HTTPConnection(os.environ['MY_URL'][7:]);"
        "[(c.request('GET', '/x'), print(c.getresponse().read() != b'')) for _ in range(1)]; sys.exit(7)",
    )  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (7, "True\n")
    assert ended.stderr.endswith("shadow: 0 calls were shown to the console, 1 were not\n")


def test_a_copy_is_sent_again_under_its_id_until_it_is_taken(tmp_path: Path, shown: Console) -> None:
    shown.statuses = [500, 429]
    with (
        upstream(lambda file, _: file.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as there,
        listening(tmp_path, shown.url, f"http://{there}") as url,
    ):
        exchange(url, b"GET /x HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
        shown.wait(1)
    assert len(shown.raw) == 3
    assert shown.raw[0] == shown.raw[1] == shown.raw[2]


def test_a_copy_that_waits_is_of_its_own_request(tmp_path: Path, shown: Console) -> None:
    """The connection has gone on to the next meanwhile."""
    shown.statuses = [500]

    def script(file: Any, head: bytes) -> None:
        body_of(file, head)
        file.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with upstream(script) as there, listening(tmp_path, shown.url, f"http://{there}") as url:
        exchange(url, b"GET /0 HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
        with shown.came:
            assert shown.came.wait_for(lambda: shown.raw, 30)
        first = b"POST /1 HTTP/1.1\r\nHost: m\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\none"
        exchange(url, first + b"DELETE /2 HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
        copies = shown.wait(3)
    assert [(copy["method"], copy["path"], copy["body"], copy["headers"]) for copy in copies] == [
        ("GET", "/0", "", {}), ("POST", "/1", "one", {"content-type": "text/plain"}), ("DELETE", "/2", "", {}),
    ]  # fmt: skip


def test_what_the_console_refuses_is_dropped_and_told_with_the_next(tmp_path: Path, shown: Console) -> None:
    shown.statuses = [409]
    with (
        upstream(lambda file, _: file.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as there,
        listening(tmp_path, shown.url, f"http://{there}") as url,
    ):
        exchange(url, b"GET /first HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
        with shown.came:
            assert shown.came.wait_for(lambda: shown.raw, 30)
        exchange(url, b"GET /second HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
        shown.wait(1)
    assert [(batch["observations"][0]["path"], batch["dropped"]) for batch in shown.batches] == [("/second", 1)]


def test_no_secret_is_in_a_copy(tmp_path: Path, shown: Console) -> None:
    """Whatever the agent signs in with, wherever else it stands; what is called a secret; what looks like one."""
    basic = base64.b64encode(f"user-name:{SECRET}".encode()).decode()
    body = {"charge": "c1", "password": "hunter2hunter2", "nested": [{"api_key": 12345678}], "note": f"use {SECRET}!",
            "key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "url": "https://a:b12@h/x",
            "max_tokens": 5, "page": "sk_live_0123456789abcdef"}  # fmt: skip
    sent = json.dumps(body).encode()
    with (
        upstream(
            lambda file, head: (body_of(file, head), file.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        ) as there,  # fmt: skip
        listening(
            tmp_path, shown.url, f"http://{there}", env={**os.environ, "MY_API_TOKEN": "of-the-environment"}
        ) as url,
    ):
        head = (f"POST /bot/{SECRET}/x?key=abcdef&access_token=q1w2e3&o=1&x=of-the-environment HTTP/1.1\r\nHost: m\r\n"
                f"Authorization: Basic {basic}\r\nCookie: sid=cookie-of-the-agent\r\nX-Api-Key: key-of-the-agent\r\n"
                "Content-Type: application/json\r\nIdempotency-Key: k1\r\nConnection: close\r\n"
                f"Content-Length: {len(sent)}\r\n\r\n").encode()  # fmt: skip
        exchange(url, head + sent)
        [copy] = shown.wait(1)
    for secret in (SECRET, "cookie-of-the-agent", "key-of-the-agent", basic, "hunter2", "12345678", "abcdef", "q1w2e3",
                   "MIIE", "b12", "of-the-environment"):  # fmt: skip
        assert secret.encode() not in shown.raw[0]
    assert (copy["path"], copy["query"]) == (
        "/bot/-removed-/x", "key=-removed-&access_token=-removed-&o=1&x=-removed-",
    )  # fmt: skip
    assert json.loads(copy["body"]) == {
        "charge": "c1", "password": "-removed-", "nested": [{"api_key": "-removed-"}], "note": "use -removed-!",
        "key": "-removed-", "url": "https://-removed-@h/x", "max_tokens": 5, "page": "-removed-",
    }  # fmt: skip
    assert copy["headers"] == {"content-type": "application/json", "idempotency-key": "k1"}


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"x" * (256 * 1024 + 1), "text/plain", (None, "too_long")),
        (b'{"a":1,"a":2}', "application/json", (None, "unreadable")),
        (b"[" * 100_000, "application/json", (None, "unreadable")),
        (b"\xff", "text/plain", (None, "unreadable")),
        (b"abc", "image/png", (None, "no_text")),
        (b"", "", ("", "")),
        (b'{"a": 1.10}', "application/problem+json", ('{"a": 1.10}', "")),
        (b"a=1&client_secret=xx&b=%2B", "application/x-www-form-urlencoded", ("a=1&client_secret=-removed-&b=%2B", "")),
    ],
)
def test_what_is_copied_of_a_body(body: bytes, kind: str, expected: tuple[str | None, str]) -> None:
    assert Cleaner([]).body(body, kind) == expected


def test_no_name_of_a_field_tells_a_secret_either() -> None:
    secret, cleaner = "topsecret-abcdef", Cleaner(["topsecret-abcdef"])
    copy = [cleaner.json({secret: "Bearer abcdefghijk", f"{secret}_token": "x"}),
            cleaner.pairs(f"{secret}={secret}&{secret}_token=x", "query")]  # fmt: skip
    assert secret not in json.dumps([copy, cleaner.removed])
    in_body, in_query = ["body", "-removed-", "body", "-removed-_token"], ["query", "-removed-", "-removed-_token"]
    assert cleaner.removed == [*in_body, *in_query, "query"]


def test_names_of_secrets() -> None:
    secret = ["password", "userPassword", "X-Api-Key", "apiKey", "access_token", "card[number]", "AWSSecretKey", "sig"]
    plain = ["max_tokens", "charge", "passenger", "monkey", "design", "key", "author", "number", "tokenizer"]
    assert [name for name in secret + plain if is_secret(name)] == secret


def self_signed(place: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    at = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(at - dt.timedelta(days=1)).not_valid_after(at + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = place / "upstream.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(tmp_path: Path, shown: Console, trusted: bool) -> None:
    pem = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    env = {**os.environ, **({"SSL_CERT_FILE": str(pem)} if trusted else {})}
    with upstream(lambda file, _: file.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), context) as there:
        to = f"https://localhost:{there.rpartition(':')[2]}"
        with listening(tmp_path, shown.url, to, env) as url:
            answer = exchange(url, b"GET /x HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
            shown.wait(1)
    assert answer.startswith(b"HTTP/1.1 200 OK" if trusted else b"HTTP/1.1 502 Bad Gateway")


def test_the_token_goes_to_no_address_in_clear(tmp_path: Path) -> None:
    command = arguments(tmp_path, "http://console.example.com", "--to", NOWHERE)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, "https://" in ended.stderr) == (2, True)
