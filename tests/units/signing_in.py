"""A peer that says back what it was sent, and a credential of each type to send it."""

import base64
import dataclasses
import http.server
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import pytest

from integrations.credential_types import check_settings, pack
from integrations.description import Description
from integrations.outbound import Answer, send
from integrations.render import render
from tests.servers import served

KEY = 'k3y/"\\+&=<7Qz9Xv3>'


class Sent(NamedTuple):
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclasses.dataclass
class Peer:
    """Keeps what it was sent and says all of it back, in four encodings."""

    url: str
    seen: list[Sent]


@pytest.fixture
def peer() -> Iterator[Peer]:
    seen: list[Sent] = []

    def answer(self: http.server.BaseHTTPRequestHandler) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen.append(Sent(self.command, self.path, dict(self.headers), body))
        said = [self.path, *self.headers.values()]
        said += [one.partition(" ")[2] for one in said] + [one.rpartition(".")[2] for one in said]
        echoed = [form for one in said for form in (one, quote(one), quote_plus(one), json.dumps(one),
                  base64.b64encode(one.encode()).decode(), one.encode().hex())]  # fmt: skip
        content = json.dumps({"echoed": echoed}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    quiet = {"do_GET": answer, "do_POST": answer, "log_message": lambda *_: None}
    handler = type("Peer", (http.server.BaseHTTPRequestHandler,), quiet)
    with served(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield Peer(f"http://127.0.0.1:{server.server_address[1]}", seen)


POST = Description("act", {
    "title": "Act", "effect": "write", "method": "POST", "path": "/a/{p}", "body": "form", "fixed": [["v", "1 2"]],
    "arguments": {"p": {"in": "path", "schema": {}}, "q": {"in": "query", "schema": {}},
                  "b": {"in": "body", "schema": {}}, "x": {"in": "header", "name": "X-Tag", "schema": {}}},
})  # fmt: skip
ARGUMENTS = {"p": "c/d", "q": "é+&", "b": "z", "x": "t  u"}


def ask(peer: Peer, kind: str, parts: Mapping[str, str] | str, settings: Mapping[str, str] | None = None,
        arguments: Mapping[str, Any] = ARGUMENTS) -> tuple[Answer, Sent]:  # fmt: skip
    checked = check_settings(kind, settings or {})
    rendered = render(POST, arguments, base_url=peer.url, key="k")
    answer = send(rendered, expected=rendered.digest, secret=pack(kind, checked, parts), credential_type=kind,
                  settings=checked, headers={"traceparent": "00-1"})  # fmt: skip
    return answer, peer.seen[-1]


CREDENTIALS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "bearer": ({"token": KEY}, {}),
    "basic": ({"user": "dana", "password": KEY}, {}),
    "header": ({"key": KEY}, {"header": "X-Api-Key", "prefix": "Token"}),
    "query": ({"key": KEY}, {"parameter": "api_key"}),
    "sigv4": ({"access_key_id": "AKID", "secret_access_key": KEY, "session_token": f"t{KEY}"},
              {"region": "us-east-1", "service": "iam"}),
    "hmac": ({"secret": KEY}, {"header": "X-Signature"}),
    "jwt": ({"private_key": KEY * 2}, {"algorithm": "HS256", "issuer": "i"}),
    "none": ({}, {}),
}  # fmt: skip
