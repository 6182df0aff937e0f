"""From an operation and arguments to the request's exact parts, and their digest. Pure."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from console.core.canonical import digest
from console.core.errors import Invalid
from integrations.description import Description

CONTENT_TYPES = {"form": "application/x-www-form-urlencoded", "json": "application/json"}
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Rendered:
    """What will be written to the wire, without the credential and without the header that carries the key."""

    method: str
    scheme: str
    host: str
    port: int
    path: str  # percent-encoded
    query: str  # encoded, in the order of the description
    content_type: str
    body: bytes

    @property
    def authority(self) -> str:
        """As in the Host header: a port only where it is not the scheme's own."""
        port = "" if DEFAULT_PORTS.get(self.scheme) == self.port else f":{self.port}"
        return (f"[{self.host}]" if ":" in self.host else self.host) + port

    @property
    def target(self) -> str:
        return self.path + (f"?{self.query}" if self.query else "")

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @functools.cached_property
    def digest(self) -> bytes:
        return request_digest(
            self.method, self.scheme, self.host, self.port, self.path, self.query, self.content_type, self.body
        )


def request_digest(
    method: str, scheme: str, host: str, port: int, path: str, query: str, content_type: str, body: bytes
) -> bytes:
    """The same function for what was proposed and for what the transport is about to write."""
    return digest(
        "countersign/request/v1",
        {
            "method": method,
            "scheme": scheme,
            "host": host,
            "port": port,
            "path": path,
            "query": query,
            "content_type": content_type,
            "body": hashlib.sha256(body).hexdigest(),
        },
    )


def render(operation: Description, arguments: Mapping[str, Any], *, base_url: str, key: str) -> Rendered:
    """Raises Invalid when an argument has no place in the request."""
    base = urlsplit(base_url)
    if base.scheme not in DEFAULT_PORTS or not base.hostname or base.username or base.query or base.fragment:
        raise Invalid(f"The base URL {base_url!r} must be http(s)://host[:port][/path].")
    placed = {place: _placed(operation, arguments, place) for place in ("path", "query", "body")}
    body = dict(placed["body"])
    body_field = operation.document.get("idempotency", {}).get("body")
    if body_field:
        body[body_field] = key
    content_type, content = _body(operation.document.get("body"), body)
    return Rendered(
        method=operation.document["method"],
        scheme=base.scheme,
        host=base.hostname,
        port=base.port or DEFAULT_PORTS[base.scheme],
        path=base.path.rstrip("/") + _path(operation.document["path"], placed["path"]),
        query=urlencode([(name, _scalar(name, value)) for name, value in placed["query"].items()]),
        content_type=content_type,
        body=content,
    )


def _placed(operation: Description, arguments: Mapping[str, Any], place: str) -> dict[str, Any]:
    return {
        argument.get("name", name): arguments[name]
        for name, argument in operation.arguments.items()
        if argument["in"] == place and arguments.get(name) is not None
    }


def _path(template: str, values: Mapping[str, Any]) -> str:
    for name, value in values.items():
        text = _scalar(name, value)
        if text in {"", ".", ".."}:
            raise Invalid(f"The argument {name!r} cannot be {text!r}: it would change the path.")
        template = template.replace(f"{{{name}}}", quote(text, safe=""))
    if "{" in template:
        raise Invalid(f"The path {template} lacks an argument.")
    if not {".", ".."}.isdisjoint(template.split("/")):
        raise Invalid(f"The arguments would change the path to {template}.")
    return template


def _body(kind: str | None, fields: Mapping[str, Any]) -> tuple[str, bytes]:
    if not fields:
        return "", b""
    if kind == "json":
        return CONTENT_TYPES["json"], json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    return CONTENT_TYPES["form"], urlencode([(name, _scalar(name, value)) for name, value in fields.items()]).encode()


def _scalar(name: str, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
    raise Invalid(f"The argument {name!r} is not a single value.")
