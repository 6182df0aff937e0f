"""The only place that opens a secret and speaks to an external system. Runs in the door process alone.

The transport compares the digest of the request that is about to be written with the one that was agreed, dials only
addresses that are public or allowed by the installation, follows no redirect and trusts no proxy environment.
"""

import functools
import hashlib
import math
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import httpcore

from console.core.clock import now, retry_after
from console.core.errors import Invalid, Tampered
from console.core.strict_json import read_json
from integrations.addresses import is_allowed, is_listed
from integrations.credential_types import Opened, unpack
from integrations.injection import Injected, Outgoing
from integrations.redaction import clean, echoes, redact
from integrations.render import DEFAULT_PORTS, Rendered, request_digest

TIMEOUT = {"connect": 5, "read": 20, "write": 20, "pool": 20}  # seconds, each
LONGEST = 60  # seconds that an exchange may take in all, however busily the other side goes on
KEPT = 5.0  # seconds that a connection waits for the next request
HEADERS = {"Accept": "application/json, */*;q=0.5", "Accept-Encoding": "identity", "User-Agent": "countersign"}
UNWRITABLE = "The request has an address or a header that HTTP cannot carry."
MAX_ANSWER = 4 * 1024 * 1024
MAX_KEPT = 64 * 1024
_WRITTEN_AT_ONCE = 16 * 1024  # so little that the system takes it in one piece, or hardly more
LONGEST_TYPE = 200
NEVER_BEGUN = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.UnsupportedProtocol)


class NotSent(Exception):
    """Certain: no byte of the request reached the other side."""


class Unknown(Exception):
    """The request may have arrived: no answer, or one that does not say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with every form of the secret taken out; `digest` is over the bytes as received. `refused` is
    the other side's own word, beside any status, that it did not do what was asked; `later` after how many seconds it
    wants to be asked again, if it said so."""

    status: int
    body: Any
    digest: str
    content_type: str = ""
    refused: bool = False
    later: float | None = None

    def receipt(self) -> dict[str, Any]:
        return {"status": self.status, "digest": self.digest, "body": self.body, "content_type": self.content_type}


def send(
    rendered: Rendered,
    *,
    expected: bytes,
    secret: str,
    credential_type: str,
    settings: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    credential: str = "",
    token: str = "",
    first: Callable[[], object] | None = None,
) -> Answer:
    """One exchange. `expected` is the agreed request digest; `secret` what the seal held, `token` what an authorization
    server gave for it; `first` is called right before the first byte, and may raise NotSent; `credential` is the id by
    which a connection may be used again, "" for a fresh one: on that no other answer can lie in wait, and no peer ends
    it as the request goes out, so that writes have it. Raises Tampered, NotSent or Unknown."""
    lines = _lines(rendered, headers or {})
    try:
        opened = unpack(credential_type, settings or {}, secret)
    except Invalid as error:
        raise NotSent(error.text) from None
    injected = opened.kind.inject(_outgoing(rendered, lines, opened, token))
    forms = echoes(*opened.secrets, *injected.echoed)
    connections = _connections(injected.certificate, credential)
    request = _request(rendered, lines, injected, expected, credential)
    if first:
        request.extensions["trace"] = functools.partial(_traced, first)
    told = _told_without(forms, request, connections)
    return answer_of(told.status, told.content, forms, kind=told.kind, later=told.later)


def fetch(rendered: Rendered, headers: Mapping[str, str], *, secrets: Iterable[str]) -> tuple[int, bytes]:
    """Status and body for the door's own eyes, such as a token: on a connection of its own, and without TLS only to
    networks that the installation lists. Nothing of it is a receipt. Raises NotSent or Unknown."""
    request = _request(rendered, _lines(rendered, {}), Injected(headers), rendered.digest)
    listed = _AgreedPool(ssl_context=_context(), network_backend=_PinnedBackend(listed_only=rendered.scheme != "https"))
    told = _told_without(echoes(*secrets), request, listed)
    return told.status, told.content


def _traced(first: Callable[[], object], event: str, _info: Mapping[str, Any]) -> None:
    """The connection stands, and not a byte of the request has been written. (A connection that turns out to be closed
    may lead to another one: then it is asked again.)"""
    if event == "http11.send_request_headers.started":
        first()


def _told_without(
    forms: Sequence[str], request: httpcore.Request, connections: AbstractContextManager[httpcore.ConnectionPool]
) -> "_Told":
    try:
        return _exchange(request, connections)
    except (NotSent, Unknown) as error:
        raise type(error)(redact(str(error), forms)) from None


def _lines(rendered: Rendered, headers: Mapping[str, str]) -> dict[str, str]:
    """All headers but those of the credential."""
    lines = {"Host": rendered.authority, **HEADERS, **dict(rendered.headers)}
    if rendered.content_type:
        lines["Content-Type"] = rendered.content_type
    lines |= headers
    if rendered.body or rendered.method != "GET":
        lines["Content-Length"] = str(len(rendered.body))
    return lines


def _outgoing(rendered: Rendered, lines: Mapping[str, str], opened: Opened, token: str) -> Outgoing:
    return Outgoing(
        rendered.method, rendered.path, rendered.query, lines, frozenset(name for name, _ in rendered.headers),
        rendered.body, opened.settings, opened.parts, now(), token,
    )  # fmt: skip


def _request(
    rendered: Rendered, lines: Mapping[str, str], injected: Injected, expected: bytes, credential: str = ""
) -> httpcore.Request:
    check_room(rendered, lines, injected)
    query = "&".join(filter(None, (rendered.query, injected.query)))
    try:
        host, target = (
            part.encode("ascii") for part in (rendered.host, rendered.path + (f"?{query}" if query else ""))
        )
        fields = [
            (name.encode("ascii"), value.encode("ascii")) for name, value in {**lines, **injected.headers}.items()
        ]
    except UnicodeEncodeError:
        raise NotSent(UNWRITABLE) from None
    url = _Url(scheme=rendered.scheme.encode(), host=host, port=rendered.port, target=target)
    url.credential = credential
    agreed = [name for name, _ in rendered.headers]
    extensions = {"timeout": TIMEOUT, "countersign_digest": expected, "countersign_headers": agreed,
                  "countersign_injected": injected.query, "countersign_tool": rendered.tool}  # fmt: skip
    return httpcore.Request(rendered.method, url, headers=fields, content=rendered.body, extensions=extensions)


def check_room(rendered: Rendered, lines: Mapping[str, str], injected: Injected) -> None:
    """Arguments may make names of parameters: whoever proposes must not say twice what the credential says once."""
    written = {name.lower() for name in lines}
    if taken := [name for name in injected.headers if name.lower() in written]:
        raise NotSent(f"The request has the header {taken[0]} already, which is for the credential.")
    if injected.certificate and rendered.scheme != "https":
        raise NotSent("A client certificate is shown over https alone.")
    name = injected.query.partition("=")[0]
    if name and unquote_plus(name).casefold() in _parameters(rendered.query):
        raise NotSent(f"The query has the parameter {unquote_plus(name)} already, which is for the credential.")


def _parameters(query: str) -> set[str]:
    """Their names as the most lenient of servers read them."""
    return {unquote_plus(part.partition("=")[0]).strip().casefold() for part in query.replace(";", "&").split("&")}


class _Told(NamedTuple):
    status: int
    content: bytes
    kind: str
    later: float | None


def _exchange(request: httpcore.Request, connections: AbstractContextManager[httpcore.ConnectionPool]) -> _Told:
    _ends_at.set(time.monotonic() + LONGEST)
    try:
        with connections as pool:
            response = pool.handle_request(request)
            try:
                kind, later = (_header(response, name).decode("latin-1") for name in (b"content-type", b"retry-after"))
                return _Told(response.status, _read_capped(response), kind, retry_after(later))
            finally:
                response.close()
    except httpcore.LocalProtocolError:
        # Its text quotes the header that cannot be written, which may be the credential.
        raise NotSent(UNWRITABLE) from None
    except NEVER_BEGUN as error:
        raise NotSent(str(error) or type(error).__name__) from None
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise Unknown(str(error) or type(error).__name__) from None


def _read_capped(response: httpcore.Response) -> bytes:
    """As sent: an answer in an encoding that was not asked for, such as gzip, is not unpacked."""
    encoding = _header(response, b"content-encoding")
    if encoding.lower() not in (b"", b"identity"):
        raise Unknown(f"The answer is encoded as {encoding.decode('latin-1')}, which was not asked for.")
    taken = bytearray()
    for chunk in response.iter_stream():
        taken += chunk
        if len(taken) > MAX_ANSWER:
            raise Unknown(f"The answer is larger than {MAX_ANSWER:,} bytes.")
    return bytes(taken)


def _header(response: httpcore.Response, wanted: bytes) -> bytes:
    return next((value for name, value in response.headers if name.lower() == wanted), b"")


def answer_of(status: int, content: bytes, forms: Sequence[str], *, kind: str = "", refused: bool = False,
              later: float | None = None) -> Answer:  # fmt: skip
    text = redact(content.replace(b"\0", b"").decode("utf-8", "replace"), forms)  # of UTF-16, ASCII is left
    try:
        body = clean(read_json(text), forms)
    except (ValueError, RecursionError):
        body = clean(text[:MAX_KEPT], forms)
    digest = hashlib.sha256(content).hexdigest()
    return Answer(status, body, digest, clean(kind, forms)[:LONGEST_TYPE], refused, later)


class _AgreedPool(httpcore.ConnectionPool):
    """Refuses to write a request whose digest is not the agreed one. It keeps no cookies: what one team is answered
    never goes out with another's request."""

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        path, _, query = request.url.target.decode().partition("?")
        query = _without(query, request.extensions["countersign_injected"])
        scheme, host = request.url.scheme.decode(), request.url.host.decode()
        content_type = next((value for name, value in request.headers if name == b"Content-Type"), b"")
        given = {name.decode(): value.decode() for name, value in request.headers}
        agreed = tuple((name, given[name]) for name in request.extensions["countersign_headers"])
        assert isinstance(request.stream, Iterable)
        actual = request_digest(
            request.method.decode(), scheme, host, request.url.port or DEFAULT_PORTS[scheme], path, query,
            content_type.decode(), agreed, b"".join(request.stream), request.extensions["countersign_tool"],
        )  # fmt: skip
        if actual != request.extensions["countersign_digest"]:
            raise Tampered("The request about to be written is not the one that was agreed.")
        return super().handle_request(request)


def _without(query: str, injected: str) -> str:
    """The query as it was agreed: what the credential has added is taken off its end, byte by byte."""
    if not injected or query == injected:
        return query.removesuffix(injected)
    if not query.endswith(f"&{injected}"):
        raise Tampered("The query about to be written lacks what the credential adds.")
    return query.removesuffix(f"&{injected}")


_ends_at = ContextVar("ends_at", default=math.inf)  # of the exchange that this thread is in; by time.monotonic()


class _Stream(httpcore.NetworkStream):
    """The library's time-outs are for one read or write: who sends a byte now and then could hold the door for days."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):
            part = buffer[start : start + _WRITTEN_AT_ONCE]
            self._inner.write(part, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None,
                  timeout: float | None = None) -> httpcore.NetworkStream:  # fmt: skip
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
    left = _ends_at.get() - time.monotonic()
    if left <= 0:
        raise late(f"The exchange took longer than {LONGEST} seconds.")
    return min(LONGEST if timeout is None else timeout, left)


class _PinnedBackend(httpcore.NetworkBackend):
    """Resolves once, refuses unless every address is allowed, and dials the address it checked."""

    def __init__(self, *, listed_only: bool = False) -> None:
        self._inner, self._listed_only = httpcore.SyncBackend(), listed_only

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
                    socket_options: Any = None) -> httpcore.NetworkStream:  # fmt: skip
        began = time.monotonic()
        address = allowed_address(host, port, listed_only=self._listed_only)
        if timeout is not None and (timeout := timeout - (time.monotonic() - began)) <= 0:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time")  # resolvers have patience of their own
        return _Stream(self._inner.connect_tcp(address, port, timeout, local_address, socket_options))


def allowed_address(host: str, port: int, *, listed_only: bool = False) -> str:
    """Raises httpcore.ConnectError for names that resolve to anything private that nobody allowed; with `listed_only`
    for all that nobody allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # the second for what is no name at all
        raise httpcore.ConnectError(f"{host}: {error}") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not (is_listed(address) if listed_only else is_allowed(address)):
            raise httpcore.ConnectError(f"{host} resolves to {address}, which is neither public nor allowed")
    return addresses[0]


@contextmanager
def _connections(certificate: str, credential: str) -> Iterator[httpcore.ConnectionPool]:
    """A connection on which a certificate was shown speaks for whoever holds it: no other request may ever use it."""
    if credential and not certificate:
        yield _pool()
        return
    context = client_context(certificate) if certificate else _context()
    with _AgreedPool(ssl_context=context, network_backend=_PinnedBackend()) as pool:
        yield pool


class _Origin(httpcore.Origin):
    """A server as one credential knows it: what it answers beside the point, or a proxy before it mixes up, never meets
    the request of another one."""

    def __init__(self, server: httpcore.Origin, credential: str) -> None:
        super().__init__(server.scheme, server.host, server.port)
        self.credential = credential

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, _Origin) and other.credential == self.credential

    __hash__ = None  # type: ignore[assignment]  # as its parent


class _Url(httpcore.URL):
    credential = ""

    @property
    def origin(self) -> httpcore.Origin:
        return _Origin(super().origin, self.credential)


@functools.cache
def _pool() -> httpcore.ConnectionPool:
    return _AgreedPool(
        ssl_context=_context(),
        max_connections=None,  # the door's threads are few
        max_keepalive_connections=16,
        keepalive_expiry=KEPT,
        network_backend=_PinnedBackend(),
    )


@functools.cache
def _context() -> ssl.SSLContext:
    return httpcore.default_ssl_context()


def client_context(certificate: str) -> ssl.SSLContext:
    """With a certificate of the client (PEM with its key), or "" without one."""
    context = httpcore.default_ssl_context()
    if certificate:
        with tempfile.NamedTemporaryFile("w", prefix="client-", suffix=".pem") as file:  # 0600; ssl reads files alone
            file.write(certificate)
            file.flush()
            context.load_cert_chain(file.name)
    return context
