"""The only place that opens a secret and speaks to an external system. Runs in the door process alone.

The transport compares the digest of the request that is about to be written with the one that was agreed, dials only
addresses that are public or allowed by the installation, follows no redirect and trusts no proxy environment.
"""

import base64
import functools
import hashlib
import html
import ipaddress
import json
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

import httpcore
from django.conf import settings

from console.core.errors import Tampered
from integrations.render import DEFAULT_PORTS, Rendered, request_digest

TIMEOUT = {"connect": 5, "read": 20, "write": 20, "pool": 20}  # seconds
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "countersign"}
UNWRITABLE = "The request has an address or a header that HTTP cannot carry."
MAX_ANSWER = 4 * 1024 * 1024
MAX_KEPT = 64 * 1024
REDACTED = "[redacted]"
NEVER_BEGUN = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.UnsupportedProtocol)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_EMBEDDING = [ipaddress.ip_network(net) for net in ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")]


class NotSent(Exception):
    """Certain: no byte of the request reached the other side."""


class Unknown(Exception):
    """The request may have arrived: no answer, or one that does not say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with every form of the secret taken out; `digest` is over the bytes as received."""

    status: int
    body: Any
    digest: str

    def receipt(self) -> dict[str, Any]:
        return {"status": self.status, "digest": self.digest, "body": self.body}


def send(
    rendered: Rendered,
    *,
    expected: bytes,
    secret: str,
    credential_type: str,
    headers: Mapping[str, str] | None = None,
    once: bool = False,
) -> Answer:
    """One exchange. `expected` is the agreed request digest; `once` uses a fresh connection, so that a connection
    closed by the peer while idle cannot put a write in doubt. Raises Tampered, NotSent or Unknown."""
    given = {
        **({"Content-Type": rendered.content_type} if rendered.content_type else {}),
        **(headers or {}),
        **_credential_headers(credential_type, secret),
    }
    try:
        status, content = _exchange(_request(rendered, given, expected), once)
    except (NotSent, Unknown) as error:
        raise type(error)(redact(str(error), echoes(secret))) from None
    return _answer(status, content, secret)


def _request(rendered: Rendered, headers: Mapping[str, str], expected: bytes) -> httpcore.Request:
    lines = {"Host": rendered.authority, **HEADERS, **dict(rendered.headers), **headers}
    if rendered.body or rendered.method != "GET":
        lines["Content-Length"] = str(len(rendered.body))
    try:
        host, target = (part.encode("ascii") for part in (rendered.host, rendered.target))
        fields = [(name.encode("ascii"), value.encode("ascii")) for name, value in lines.items()]
    except UnicodeEncodeError:
        raise NotSent(UNWRITABLE) from None
    url = httpcore.URL(scheme=rendered.scheme.encode(), host=host, port=rendered.port, target=target)
    agreed = [name for name, _ in rendered.headers]
    extensions = {"timeout": TIMEOUT, "countersign_digest": expected, "countersign_headers": agreed}
    return httpcore.Request(rendered.method, url, headers=fields, content=rendered.body, extensions=extensions)


def _exchange(request: httpcore.Request, once: bool) -> tuple[int, bytes]:
    try:
        response = _pool(once).handle_request(request)
        try:
            return response.status, _read_capped(response)
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
    encoding = next((value for name, value in response.headers if name.lower() == b"content-encoding"), b"identity")
    if encoding.lower() != b"identity":
        raise Unknown(f"The answer is encoded as {encoding.decode('latin-1')}, which was not asked for.")
    taken = bytearray()
    for chunk in response.iter_stream():
        taken += chunk
        if len(taken) > MAX_ANSWER:
            raise Unknown(f"The answer is larger than {MAX_ANSWER:,} bytes.")
    return bytes(taken)


def _answer(status: int, content: bytes, secret: str) -> Answer:
    forms = echoes(secret)
    text = redact(content.decode("utf-8", "replace"), forms)
    try:
        body = _clean(json.loads(text, parse_constant=_refuse_constant), forms)
    except (ValueError, RecursionError):
        body = _clean(text[:MAX_KEPT], forms)
    return Answer(status=status, body=body, digest=hashlib.sha256(content).hexdigest())


def redact(text: str, forms: Iterable[str]) -> str:
    """Without the secret in any of its forms."""
    for form in forms:
        text = text.replace(form, REDACTED)
    return text


def echoes(secret: str) -> list[str]:
    """The forms of a secret that a peer might echo: as it is, base64, URL-encoded, JSON-escaped … The longest first."""
    if len(secret) < 6:
        return []
    basic = base64.b64encode(f"{secret}:".encode()).decode()
    plain = base64.b64encode(secret.encode()).decode()
    return sorted({
        secret,
        basic,
        plain,
        plain.rstrip("="),
        *_base64_forms(secret.encode()),
        quote(secret, safe=""),
        quote_plus(secret),
        re.sub("%..", lambda code: code[0].lower(), quote(secret, safe="")),
        json.dumps(secret)[1:-1],
        json.dumps(secret)[1:-1].replace("/", r"\/"),  # as PHP writes it
        html.escape(secret),
        secret.encode().hex(),
    }, key=len, reverse=True)  # fmt: skip


def _base64_forms(secret: bytes) -> Iterable[str]:
    """Also inside something longer, such as the whole Authorization header: base64 looks different at each of three
    places, and the characters at both ends hold bits of the neighbours."""
    for ahead in range(3):
        whole = base64.b64encode(bytes(ahead) + secret).decode().rstrip("=")
        inner = whole[-(-ahead * 8 // 6) : (ahead + len(secret)) * 8 // 6]
        yield from (inner, inner.translate(str.maketrans("+/", "-_")))


def _clean(value: Any, forms: Iterable[str]) -> Any:
    """Redacted once more after parsing, because JSON may escape any character: the text need not hold what its values
    hold. Characters that PostgreSQL cannot store must not lose us the receipt of what was done."""
    if isinstance(value, str):
        return redact(_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value), forms)
    if isinstance(value, list):
        return [_clean(inner, forms) for inner in value]
    if isinstance(value, dict):
        return {_clean(key, forms): _clean(inner, forms) for key, inner in value.items()}
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _credential_headers(credential_type: str, secret: str) -> dict[str, str]:
    match credential_type:
        case "bearer":
            return {"Authorization": f"Bearer {secret}"}
        case "basic":
            return {"Authorization": "Basic " + base64.b64encode(f"{secret}:".encode()).decode()}
        case "none":
            return {}
    raise Tampered(f"There is no way to send a credential of type {credential_type!r}.")


class _AgreedPool(httpcore.ConnectionPool):
    """Refuses to write a request whose digest is not the agreed one. It keeps no cookies: what one team is answered
    never goes out with another's request."""

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        path, _, query = request.url.target.decode().partition("?")
        scheme, host = request.url.scheme.decode(), request.url.host.decode()
        content_type = next((value for name, value in request.headers if name == b"Content-Type"), b"")
        given = {name.decode(): value.decode() for name, value in request.headers}
        agreed = tuple((name, given[name]) for name in request.extensions["countersign_headers"])
        assert isinstance(request.stream, Iterable)
        actual = request_digest(
            request.method.decode(), scheme, host, request.url.port or DEFAULT_PORTS[scheme], path, query,
            content_type.decode(), agreed, b"".join(request.stream),
        )  # fmt: skip
        if actual != request.extensions["countersign_digest"]:
            raise Tampered("The request about to be written is not the one that was agreed.")
        return super().handle_request(request)


class _PinnedBackend(httpcore.NetworkBackend):
    """Resolves once, refuses unless every address is allowed, and dials the address it checked."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
                    socket_options: Any = None) -> httpcore.NetworkStream:  # fmt: skip
        address = allowed_address(host, port)
        return self._inner.connect_tcp(address, port, timeout, local_address, socket_options)


def allowed_address(host: str, port: int) -> str:
    """Raises httpcore.ConnectError for names that resolve to anything private that nobody allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(f"{host}: {error}") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not _is_allowed(address):
            raise httpcore.ConnectError(f"{host} resolves to {address}, which is neither public nor allowed")
    return addresses[0]


def _is_allowed(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        ip = _embedded(ip) or ip
    public = ip.is_global and not ip.is_multicast
    return public or any(ip in ipaddress.ip_network(network) for network in settings.ALLOWED_NETWORKS)


def _embedded(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a gateway or the kernel makes of it: mapped, 6to4, translated, NAT64 (RFC 6052), and the
    deprecated IPv4-compatible form."""
    if ip.ipv4_mapped or ip.sixtofour:
        return ip.ipv4_mapped or ip.sixtofour
    if not (ip.is_loopback or ip.is_unspecified) and any(ip in network for network in _EMBEDDING):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


@functools.cache
def _pool(once: bool) -> httpcore.ConnectionPool:
    return _AgreedPool(
        ssl_context=httpcore.default_ssl_context(),
        max_keepalive_connections=0 if once else 16,
        keepalive_expiry=5,
        network_backend=_PinnedBackend(),
    )
