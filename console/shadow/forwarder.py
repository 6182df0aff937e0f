#!/usr/bin/env python3
"""Shows a Countersign console what an agent does, and changes nothing of it.

    python3 shadow.py --console URL --token-file FILE --to https://api.example.com [--listen 127.0.0.1:8099]
                      [--env NAME] [-- COMMAND OF THE AGENT …]
    python3 shadow.py --console URL --token-file FILE --mcp INTEGRATION -- COMMAND OF AN MCP SERVER OVER STDIO …

The first listens on this machine and passes every request on to that one address, as it came, with the agent's own
credentials; the answer goes back as it came. The agent's base URL is the listener's: a command is started with it in
its environment (SHADOW_URL, or the NAME given). The second passes the lines of the protocol on, both ways.

A copy goes to the console: method, path, query, a few headers that are named below, a body of text, the status, how
long it took. Never a header that carries a credential, never what was answered; what looks like a secret is taken out
here. Nothing waits for the console: copies are sent by a thread, and where it cannot keep up or the console is away
they are dropped and counted. One file, and nothing but Python 3.11: read it before you run it.
"""

import argparse
import base64
import contextlib
import http.client
import itertools
import json
import os
import re
import selectors
import signal
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlsplit

LONGEST_BODY = 256 * 1024  # of which a copy is made
BLOCK = 64 * 1024
MOST_WAITING, MOST_BYTES = 2_000, 32 * 1024 * 1024  # of copies that the console has not taken yet
AT_ONCE, AT_ONCE_BYTES = 100, 512 * 1024
LONGEST_PAUSE = 30.0  # seconds between two tries
LAST_WORDS = 5.0  # seconds that are left to the last copies once the agent has ended
CONNECT_WITHIN = 10.0
COPIED = {"content-type", "content-encoding", "content-range", "idempotency-key", "if-match", "if-modified-since",
          "if-none-match", "if-range", "if-unmodified-since", "range", "x-http-method", "x-http-method-override",
          "x-method-override"}  # fmt: skip
HOP_BY_HOP = {"connection", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
              "expect"}  # fmt: skip
CREDENTIALS = {"authorization", "proxy-authorization", "cookie"}
HERE = {"localhost", "127.0.0.1", "::1"}

# What is a secret: by the name of a field, by how a value looks, and whatever the agent signs in with.
REMOVED = "-removed-"
_SECRET = {"apikey", "auth", "authorization", "bearer", "cookie", "credential", "credentials", "cvc", "cvv", "jwt",
           "otp", "passphrase", "passwd", "password", "pin", "pwd", "secret", "secrets", "sig", "signature",
           "token"}  # fmt: skip
_SECRET_TOGETHER = {(one, "key") for one in ("access", "account", "api", "encryption", "private", "secret", "signing")}
_SECRET_TOGETHER |= {("session", "id"), ("card", "number")}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LOOKS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # a JSON web token
    r"|\b(?i:bearer|basic)\s+[\w.~+/=-]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|\b(?:sk|pk|rk|gh[oprsu]|github_pat|glpat|xox[abeprs]|xapp|whsec|cag|cst|hf|npm)[_-][\w.-]{12,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,}|\bya29\.[\w-]{16,}|\b\d{6,}:[\w-]{30,}",
    re.DOTALL,
)


def is_secret(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    return not _SECRET.isdisjoint(words) or not _SECRET_TOGETHER.isdisjoint(itertools.pairwise(words))


class Cleaner:
    """Takes secrets out of one copy; `removed` are the places where there was one."""

    def __init__(self, known: Iterable[str]) -> None:
        self.known = sorted({one for one in known if len(one) >= 8}, key=len, reverse=True)
        self.removed: list[str] = []

    def text(self, value: str, place: str) -> str:
        cleaned = self._clean(value)
        if cleaned != value:
            self._note(place)
        return cleaned

    def _clean(self, value: str) -> str:
        for one in self.known:
            value = value.replace(one, REMOVED)
        return _LOOKS.sub(REMOVED, value)

    def _note(self, place: str) -> None:
        """The name of a field may be a secret as well."""
        self.removed.append(self._clean(place)[:100])

    def json(self, value: Any, place: str = "body") -> Any:
        if isinstance(value, str):
            return self.text(value, place)
        if isinstance(value, list):
            return [self.json(one, place) for one in value]
        if not isinstance(value, dict):
            return value
        return {self.text(name, place): self._field(name, one) for name, one in value.items()}

    def _field(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, bool) or not is_secret(name):
            return self.json(value, name)
        self._note(name)
        return REMOVED

    def path(self, path: str) -> str:
        return "/".join(self._encoded(part, unquote(part), "path", quote) for part in path.split("/"))

    def pairs(self, written: str, place: str) -> str:
        """A query, or the body of a form."""
        return "&".join(self._pair(one, place) for one in written.split("&")) if written else ""

    def _pair(self, pair: str, place: str) -> str:
        name, equals, value = pair.partition("=")
        told = unquote_plus(name)
        if value and (is_secret(told) or (place == "query" and told == "key")):
            self._note(told)
            value = REMOVED
        name = self._encoded(name, told, place, quote_plus)
        return name + equals + self._encoded(value, unquote_plus(value), told, quote_plus)

    def _encoded(self, raw: str, decoded: str, place: str, encode: Callable[[str], str]) -> str:
        cleaned = self.text(decoded, place)
        return raw if cleaned == decoded else encode(cleaned)

    def body(self, body: bytes, kind: str) -> tuple[str | None, str]:
        """The text, or None and why there is none."""
        if len(body) > LONGEST_BODY:
            return None, "too_long"
        try:
            text = body.decode()
            if kind.endswith(("/json", "+json")):
                read = json.loads(text, object_pairs_hook=_once) if text else None
                cleaned = self.json(read)
                return (text if cleaned == read else json.dumps(cleaned, ensure_ascii=False)), ""
        except (ValueError, RecursionError):
            return None, "unreadable"
        if kind == "application/x-www-form-urlencoded":
            return self.pairs(text, "body"), ""
        return (self.text(text, "body"), "") if kind.startswith("text/") or not text else (None, "no_text")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name is given twice")
    return made


def credentials_in(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What the agent signs in with, in the forms in which it could stand elsewhere too."""
    for name, value in headers:
        if name.lower() in CREDENTIALS or is_secret(name):
            yield value
            yield from (part.partition("=")[2] for part in value.split(";"))
            scheme, _, rest = value.partition(" ")
            yield rest
            if scheme.lower() == "basic":
                with contextlib.suppress(ValueError):
                    yield from base64.b64decode(rest).decode("latin-1").split(":", 1)


def credentials_around() -> list[str]:
    """But PWD is where it runs."""
    return [value for name, value in os.environ.items() if is_secret(name) and not name.endswith("PWD")]


class Outbox:
    """Copies on their way to the console. Putting one in never waits."""

    def __init__(self, console: str, token: str) -> None:
        parts = urlsplit(console)
        if parts.scheme not in ("http", "https") or (parts.scheme == "http" and parts.hostname not in HERE):
            stop("the console's address has to begin with https://: the token goes there")
        self.address, self.token = parts, token
        self.made = self.sent = self.lost = 0
        self._lost_told = 0
        self._told = ""
        self._waiting: deque[tuple[int, Callable[[], dict[str, Any]]]] = deque()
        self._bytes, self._until = 0, float("inf")
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def put(self, make: Callable[[], dict[str, Any]], size: int) -> None:
        """`make` is called by the thread that sends: taking secrets out costs the agent no time either."""
        with self._changed:
            self.made += 1
            if len(self._waiting) >= MOST_WAITING or self._bytes + size > MOST_BYTES:
                self.lost += 1
                return
            self._waiting.append((size, make))
            self._bytes += size
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._until = time.monotonic() + LAST_WORDS
            self._changed.notify()
        self._thread.join(LAST_WORDS + 1)
        say(f"{self.sent} calls were shown to the console, {self.made - self.sent} were not")

    def _run(self) -> None:
        while batch := self._take():
            told = []
            for make in batch:
                try:
                    told.append(make())
                except Exception as error:  # noqa: BLE001  # whatever is wrong with a copy, the agent goes on
                    say(f"a copy could not be made ({type(error).__name__})")
                    self._lose(1)
            self._deliver(told)

    def _lose(self, count: int) -> None:
        with self._changed:
            self.lost += count

    def _take(self) -> list[Callable[[], dict[str, Any]]]:
        """Nothing once all is sent and the agent has ended."""
        with self._changed:
            while not self._waiting and self._until == float("inf"):
                self._changed.wait()
            batch: list[Callable[[], dict[str, Any]]] = []
            taken = 0
            while self._waiting and len(batch) < AT_ONCE and (not batch or taken + self._waiting[0][0] < AT_ONCE_BYTES):
                size, make = self._waiting.popleft()
                taken += size
                batch.append(make)
            self._bytes -= taken
            return batch

    def _deliver(self, batch: list[dict[str, Any]]) -> None:
        """Until the console has answered. It knows each copy by its id, so that sending one again does no harm."""
        pause, lost = 0.5, self.lost
        while batch:
            told = {"observations": batch, "dropped": lost - self._lost_told}
            status = self._post(json.dumps(told).encode())
            if 200 <= status < 300:
                self.sent, self._lost_told = self.sent + len(batch), lost
                return
            if status == 413 and len(batch) > 1:
                self._deliver(batch[: len(batch) // 2])
                self._deliver(batch[len(batch) // 2 :])
                return
            if (400 <= status < 500 and status not in (408, 429)) or time.monotonic() > self._until:
                break
            with self._changed:
                left = min(pause, LONGEST_PAUSE, max(self._until - time.monotonic(), 0.1))
                self._changed.wait_for(lambda: self._until < float("inf"), left)
            pause *= 2
        self._lose(len(batch))

    def _post(self, body: bytes) -> int:
        """The status; 0 where there was no answer. What the console says is told once."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            with contextlib.closing(connect(self.address, CONNECT_WITHIN)) as connection:
                connection.request("POST", self.address.path.rstrip("/") + "/api/v1/observations", body, headers)
                answer = connection.getresponse()
                status, said = answer.status, answer.read(2_000).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            status, said = 0, type(error).__name__
        problem = "" if 200 <= status < 300 else f"the console did not take what it was shown: {status or ''} {said}"
        if problem != self._told:
            say(problem or "the console takes it again")
        self._told = problem
        return status


def connect(address: Any, timeout: float) -> http.client.HTTPConnection:
    """Certificates are checked, by this machine's own authorities (or those of SSL_CERT_FILE)."""
    if address.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(address.hostname, address.port, timeout=timeout, context=context)
    return http.client.HTTPConnection(address.hostname, address.port, timeout=timeout)


class Answer(http.client.HTTPResponse):
    """The final one: what comes before it (RFC 9110 §15.2) is not passed on."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200 and self.status != 101:
            self.headers = None  # type: ignore[assignment]  # as before the first line was read
            super().begin()


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, listen: str, to: str, outbox: Outbox) -> None:
        host, _, port = listen.rpartition(":")
        self.to, self.outbox, self.around = urlsplit(to), outbox, credentials_around()
        if self.to.scheme not in ("http", "https") or not self.to.hostname or self.to.query or self.to.username:
            stop("--to has to be an address like https://api.example.com")
        super().__init__((host.strip("[]"), int(port)), Forwarder)
        self.url = f"http://{host}:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An agent that goes away in the middle is nothing to tell of."""
        if not isinstance(error := sys.exc_info()[1], OSError):
            say(f"a request could not be passed on ({type(error).__name__})")


class Request(NamedTuple):
    """As it was: the connection that it came by goes on to the next."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    at: datetime
    seconds: float


class Forwarder(BaseHTTPRequestHandler):
    """One connection of the agent, and one to the other side for it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener
    upstream: http.client.HTTPConnection | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # any method
            return self.forward
        raise AttributeError(name)

    def forward(self) -> None:
        began, at, target = time.monotonic(), datetime.now(UTC), self.requestline.split()[1]
        taken, status = bytearray(), None
        try:
            answer = self._ask(target, taken)
        except (OSError, http.client.HTTPException) as error:  # a certificate's error is a ValueError too
            self._leave()
            self._refuse(502, f"{self.server.to.netloc} could not be reached: {type(error).__name__}")
        except ValueError as error:
            self._leave()
            self._refuse(400, str(error))
            return
        else:
            status = answer.status
            self._give_back(answer)
        heard = Request(self.command, target, self.headers.items(), bytes(taken), at, time.monotonic() - began)
        self.server.outbox.put(lambda: copy_of(heard, status, self.server), len(taken) + 512)

    def _ask(self, target: str, taken: bytearray) -> http.client.HTTPResponse:
        """Raises ValueError for what could be meant for somewhere else, or be read in two ways."""
        lengths, codings = self.headers.get_all("Content-Length", []), self.headers.get_all("Transfer-Encoding", [])
        if not target.startswith("/") or not target.isascii():
            raise ValueError("This forwards paths to one address only.")
        if len(lengths) + len(codings) > 1 or codings not in ([], ["chunked"]):
            raise ValueError("The length of the body is given in two ways.")
        if lengths and not re.fullmatch("[0-9]{1,15}", lengths[0]):
            raise ValueError("The length of the body is no number.")
        connection = self._connected()
        connection.putrequest(self.command, self.server.to.path.rstrip("/") + target, True, True)
        connection.putheader("Host", self.server.to.netloc)
        for name, value in _passed_on(self.headers.items()):
            connection.putheader(name, value)
        if codings:
            connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        try:
            for block in self._chunks() if codings else self._blocks(int(lengths[0]) if lengths else 0):
                taken += block[: LONGEST_BODY + 1 - len(taken)]
                connection.send(b"%x\r\n%b\r\n" % (len(block), block) if codings else block)
            connection.send(b"0\r\n\r\n" if codings else b"")
        except OSError:
            self.close_connection = True  # it may have answered before it had heard all
        return connection.getresponse()

    def _connected(self) -> http.client.HTTPConnection:
        if self.upstream and self.upstream.sock and _speaks(self.upstream.sock):
            self._leave()  # the other side has closed it meanwhile
        if not (self.upstream and self.upstream.sock):
            self.upstream = connect(self.server.to, CONNECT_WITHIN)
            self.upstream.response_class = Answer
            self.upstream.connect()
            self.upstream.sock.settimeout(None)  # how long to wait is for the agent to say
        return self.upstream

    def _leave(self) -> None:
        if self.upstream:
            self.upstream.close()
        self.upstream = None

    def _blocks(self, left: int) -> Iterator[bytes]:
        while left:
            block = self.rfile.read1(min(left, BLOCK))
            if not block:
                raise http.client.IncompleteRead(b"", left)
            left -= len(block)
            yield block

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = self.rfile.readline(1_024).partition(b";")[0].strip()
            if not re.fullmatch(b"[0-9A-Fa-f]{1,12}", size):
                raise ValueError("The body is not written in chunks.")
            yield from self._blocks(int(size, 16))
            if not int(size, 16):
                break
            self.rfile.readline(3)
        while self.rfile.readline(BLOCK) not in (b"\r\n", b"\n", b""):
            pass

    def _give_back(self, answer: http.client.HTTPResponse) -> None:
        """As it comes in, piece by piece. What broke off there breaks off here."""
        bodiless, open_ended = self.command == "HEAD" or answer.status in (204, 304), answer.length is None
        in_chunks = open_ended and self.request_version >= "HTTP/1.1"
        self.close_connection |= self.request_version < "HTTP/1.1"
        self.send_response_only(answer.status, answer.reason)
        for name, value in _passed_on(answer.headers.items()):
            if not (open_ended and name.lower() == "content-length"):
                self.send_header(name, value)
        for name, value, so in (
            ("Transfer-Encoding", "chunked", in_chunks),
            ("Connection", "close", self.close_connection),
        ):
            if so:
                self.send_header(name, value)
        try:
            self.end_headers()
            while not bodiless and (block := answer.read1(BLOCK)):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if in_chunks else block)
            if not bodiless and answer.length:
                raise http.client.IncompleteRead(b"", answer.length)
            self.wfile.write(b"0\r\n\r\n" if in_chunks else b"")
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            self._leave()
        answer.close()

    def _refuse(self, status: int, text: str) -> None:
        """By this program, not by the other side."""
        self.close_connection = True
        body = json.dumps({"shadow": text}).encode()
        with contextlib.suppress(OSError):
            self.send_response_only(status)
            for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

    def log_message(self, *given: Any) -> None:
        """Paths may hold what is no business of a log."""

    def finish(self) -> None:
        self._leave()
        super().finish()


def copy_of(heard: Request, status: int | None, server: Listener) -> dict[str, Any]:
    """By the thread that sends. `status` is None where nothing was answered."""
    cleaner, to = Cleaner([*server.around, *credentials_in(heard.headers)]), server.to
    named = {name.lower(): value for name, value in heard.headers if name.lower() in COPIED}
    kind = named.get("content-type", "").partition(";")[0].strip().lower()
    encoded = named.get("content-encoding", "identity").lower() != "identity"
    text, left_out = (None, "encoded") if heard.body and encoded else cleaner.body(heard.body, kind)
    path, _, query = heard.target.partition("?")
    return {
        "id": uuid.uuid4().hex, "kind": "http", "at": heard.at.isoformat(), "ms": round(heard.seconds * 1000, 1),
        "method": heard.method[:40], "origin": f"{to.scheme}://{to.netloc}",
        "path": cleaner.path(to.path.rstrip("/") + path), "query": cleaner.pairs(query, "query"),
        "headers": {name: cleaner.text(value, name)[:2_000] for name, value in named.items()},
        "body": text, "left_out": left_out, "removed": cleaner.removed[:50], "status": status,
    }  # fmt: skip


def _speaks(sock: Any) -> bool:
    """Without being asked: to say that it leaves."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(sock, selectors.EVENT_READ)
        return bool(waiting.select(0))


def _passed_on(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without those that are about one connection (RFC 9110 §7.6.1)."""
    given = list(headers)
    named = {one.strip().lower() for name, value in given if name.lower() == "connection" for one in value.split(",")}
    return [(name, value) for name, value in given if name.lower() not in HOP_BY_HOP | named]


class Session:
    """The lines of one MCP server, and the calls among them that have no answer yet."""

    def __init__(self, integration: str, outbox: Outbox) -> None:
        self.integration, self.outbox, self.around = integration, outbox, credentials_around()
        self.asked: dict[str, tuple[Any, datetime, float]] = {}

    def heard(self, line: bytes) -> None:
        """From the agent."""
        for message in _messages(line) if b"tools/call" in line else ():
            if message.get("method") == "tools/call" and "id" in message and len(self.asked) < MOST_WAITING:
                self.asked[repr(message["id"])] = message.get("params"), datetime.now(UTC), time.monotonic()

    def answered(self, line: bytes) -> None:
        """By the server."""
        for message in _messages(line) if self.asked else ():
            asked = None if "method" in message else self.asked.pop(repr(message.get("id")), None)
            if asked:
                result = message.get("result")
                failed = "error" in message or (isinstance(result, dict) and result.get("isError") is True)
                self._tell(*asked, failed=failed)

    def _tell(self, params: Any, at: datetime, began: float, *, failed: bool) -> None:
        ms, written = round((time.monotonic() - began) * 1000, 1), json.dumps(params)

        def make() -> dict[str, Any]:
            cleaner = Cleaner(self.around)
            given = params if isinstance(params, dict) else {}
            arguments = given.get("arguments") or {}
            short = isinstance(arguments, dict) and len(written) <= LONGEST_BODY
            return {
                "id": uuid.uuid4().hex, "kind": "mcp", "at": at.isoformat(), "ms": ms, "integration": self.integration,
                "tool": cleaner.text(str(given.get("name", "")), "tool")[:200],
                "arguments": cleaner.json(arguments) if short else None,
                "left_out": "" if short else "too_long", "removed": cleaner.removed[:50], "failed": failed,
            }  # fmt: skip

        self.outbox.put(make, len(written) + 512)


def _messages(line: bytes) -> list[dict[str, Any]]:
    """Whatever is no message is passed on all the same, and no business of ours."""
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        return []
    return [one for one in (read if isinstance(read, list) else [read]) if isinstance(one, dict)]


def pass_lines(source: Any, sink: Any, heard: Callable[[bytes], None], answered: Callable[[bytes], None]) -> None:
    """As they are, and at once. `heard` is told before, so that an answer finds what was asked; `answered` after."""
    with contextlib.suppress(OSError, ValueError):
        for line in source:
            heard(line)
            sink.write(line)
            sink.flush()
            answered(line)
    with contextlib.suppress(OSError):
        sink.close()


def nothing(_: bytes) -> None:
    pass


def start(command: list[str], **how: Any) -> "subprocess.Popen[bytes]":
    try:
        process = subprocess.Popen(command, **how)  # noqa: S603  # what the person typed
    except OSError as error:
        stop(f"{command[0]} could not be started: {error.strerror}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda given, _: process.send_signal(given))
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal tells both
    return process


def say(text: str) -> None:
    print(f"shadow: {text}", file=sys.stderr, flush=True)


def stop(text: str) -> NoReturn:
    say(text)
    sys.exit(2)


def run_server(integration: str, command: list[str], outbox: Outbox) -> int:
    """Between an agent, which has started us, and the MCP server that it means."""
    session = Session(integration, outbox)
    process = start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    asking = (sys.stdin.buffer, process.stdin, session.heard, nothing)
    threading.Thread(target=pass_lines, args=asking, name="asking", daemon=True).start()
    pass_lines(process.stdout, sys.stdout.buffer, nothing, session.answered)
    return process.wait()


def run_listener(listener: Listener, name: str, command: list[str]) -> int:
    for number in () if command else (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=listener.shutdown).start())
    serving = threading.Thread(target=listener.serve_forever, name="listener", daemon=True)
    serving.start()
    say(f"{listener.url} leads to {listener.to.geturl()}")
    if command:
        return start(command, env={**os.environ, name: listener.url}).wait()
    serving.join()
    return 0


def main(given: list[str]) -> int:
    at = given.index("--") if "--" in given else len(given)
    command = given[at + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--console", required=True, metavar="URL")
    parser.add_argument("--token-file", required=True, type=Path, metavar="FILE")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--to", metavar="URL")
    what.add_argument("--mcp", metavar="INTEGRATION")
    parser.add_argument("--listen", default="127.0.0.1:8099", metavar="HOST:PORT")
    parser.add_argument("--env", default="SHADOW_URL", metavar="NAME")
    options = parser.parse_args(given[:at])
    if options.mcp and not command:
        parser.error("give the command of the MCP server after --")
    try:
        outbox = Outbox(options.console, options.token_file.read_text().strip())
        listener = None if options.mcp else Listener(options.listen, options.to, outbox)
    except (OSError, ValueError) as error:
        stop(str(error))
    code = run_listener(listener, options.env, command) if listener else run_server(options.mcp, command, outbox)
    outbox.close()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
