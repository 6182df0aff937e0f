"""From an operation and arguments to the request's exact parts, and their digest. Pure."""

import functools
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

from console.core.canonical import digest, jcs
from console.core.errors import Invalid
from integrations.description import Description
from integrations.styles import as_json, from_base64, header_value, multipart, path_part, query_parts

CONTENT_TYPES = {"form": "application/x-www-form-urlencoded", "json": "application/json", "text": "text/plain",
                 "binary": "application/octet-stream"}  # fmt: skip
DEFAULT_PORTS = {"http": 80, "https": 443}
DECODED_AT_MOST = 4  # times, by one server behind another
STDIO = "stdio"
_FOLDED = re.compile(r"[ .\[]")
Headers = tuple[tuple[str, str], ...]


class Tool(NamedTuple):
    """Of a server of the Model Context Protocol: what it is called by, and the digest of what it was when somebody
    last looked."""

    name: str
    pin: str


@dataclass(frozen=True)
class Rendered:
    """What will be written to the wire, without the credential and without the header that carries the key. Of a tool
    of the Model Context Protocol, the body is what stands inside the envelope of JSON-RPC."""

    method: str
    scheme: str
    host: str
    port: int
    path: str  # percent-encoded
    query: str  # encoded, in the order of the description
    content_type: str
    headers: Headers  # of arguments, in the order of the description
    body: bytes
    tool: Tool | None = None
    template: str = ""  # the path before arguments came into it: what spans may tell. Not in the digest

    @property
    def authority(self) -> str:
        """As in the Host header: a port only where it is not the scheme's own."""
        port = "" if DEFAULT_PORTS.get(self.scheme, 0) == self.port else f":{self.port}"
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
            self.method, self.scheme, self.host, self.port, self.path, self.query, self.content_type, self.headers,
            self.body, self.tool,
        )  # fmt: skip


def request_digest(
    method: str, scheme: str, host: str, port: int, path: str, query: str, content_type: str, headers: Headers,
    body: bytes, tool: Tool | None = None,
) -> bytes:  # fmt: skip
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
            "headers": [[name, value] for name, value in headers],
            "body": hashlib.sha256(body).hexdigest(),
            **({"tool": tool._asdict()} if tool else {}),
        },
    )


def render(operation: Description, arguments: Mapping[str, Any], *, base_url: str, key: str) -> Rendered:
    """Raises Invalid when an argument has no place in the request."""
    base = urlsplit(base_url)
    if tool := operation.document.get("tool"):
        return _render_tool(operation, arguments, tool, base, key)
    if base.scheme not in DEFAULT_PORTS or not base.hostname or base.username or base.query or base.fragment:
        raise Invalid(f"The base URL {base_url!r} must be http(s)://host[:port][/path].")
    placed = {place: _placed(operation, arguments, place) for place in ("path", "query", "header", "cookie", "body")}
    fixed = _fixed(operation.document)
    for one in placed["query"]:
        if one.spread:
            _check_spread(one, _names(operation, "query", operation.document))
    query = [part for one in placed["query"] for part in query_parts(one.name, one.value, **one.how)]
    content_type, content = _body(operation, placed["body"], key)
    prefix, template = base.path.rstrip("/"), operation.document["path"]
    return Rendered(
        method=operation.document["method"],
        scheme=base.scheme,
        host=base.hostname,
        port=base.port or DEFAULT_PORTS[base.scheme],
        path=prefix + _path(template, placed["path"]),
        query="&".join(fixed + query),
        content_type=content_type,
        headers=_headers(placed["header"], placed["cookie"]),
        body=content,
        template=prefix + template,
    )


def _render_tool(
    operation: Description, arguments: Mapping[str, Any], tool: Mapping[str, Any], base: SplitResult, key: str
) -> Rendered:
    """`stdio://name` is a program that the installation names."""
    if base.scheme not in {*DEFAULT_PORTS, STDIO} or not base.hostname or base.username or base.query:
        raise Invalid(f"{base.geturl()!r} is no address of an MCP server.")
    given = {argument["name"]: arguments[name] for name, argument in operation.arguments.items() if name in arguments}
    if field := operation.document.get("idempotency", {}).get("body"):
        given[field] = key
    path = base.path or ("/" if base.scheme != STDIO else "")
    return Rendered(
        method="POST" if base.scheme != STDIO else "WRITE",
        scheme=base.scheme,
        host=base.hostname,
        port=base.port or DEFAULT_PORTS.get(base.scheme, 0),
        path=path,
        query="",
        content_type=CONTENT_TYPES["json"],
        headers=(),
        body=tool_call(tool["name"], given),
        tool=Tool(tool["name"], tool["pin"]),
        template=path,
    )


def tool_call(name: object, arguments: object) -> bytes:
    """What is agreed of a call: the same bytes from what was proposed and from what is about to be written. Raises
    Invalid for what canonical JSON has not."""
    try:
        return jcs({"method": "tools/call", "params": {"name": name, "arguments": arguments}})
    except ValueError as error:
        raise Invalid(f"The arguments cannot be written: {error}") from None


class Placed(NamedTuple):
    name: str
    value: Any
    argument: Mapping[str, Any]

    @property
    def how(self) -> dict[str, Any]:
        return {name: self.argument[name] for name in ("style", "explode", "reserved") if name in self.argument}

    @property
    def spread(self) -> bool:
        """Whether its fields are written as arguments of their own."""
        how = {"style": "form", "explode": True, **self.how}
        return isinstance(self.value, Mapping) and how["style"] == "form" and bool(how["explode"])


def _placed(operation: Description, arguments: Mapping[str, Any], place: str) -> list[Placed]:
    return [
        Placed(argument.get("name", name), arguments[name], argument)
        for name, argument in operation.arguments.items()
        if argument["in"] == place and name in arguments and (arguments[name] is not None or place == "body")
    ]


def _path(template: str, placed: Sequence[Placed]) -> str:
    for one in placed:
        template = template.replace(f"{{{one.name}}}", path_part(one.name, one.value, **one.how))
    if "{" in template:
        raise Invalid(f"The path {template} lacks an argument.")
    if _climbs(template):
        raise Invalid(f"The arguments would change the path to {template}.")
    return template


def _climbs(path: str) -> bool:
    """As the most lenient of servers reads it: decoded more than once, backslashes as slashes, and each segment without
    what follows a semicolon."""
    for _ in range(DECODED_AT_MOST):
        path = unquote(path)
    return any(part.partition(";")[0] in (".", "..") for part in re.split(r"[/\\]", path))


def _headers(headers: Sequence[Placed], cookies: Sequence[Placed]) -> Headers:
    made = [(one.name, header_value(one.name, one.value, **one.how)) for one in headers]
    if cookies:
        parts = [part for one in cookies for part in query_parts(one.name, one.value, explode=False)]
        made.append(("Cookie", "; ".join(parts)))
    return tuple(made)


def _body(operation: Description, placed: Sequence[Placed], key: str) -> tuple[str, bytes]:
    told = operation.body
    form = told.get("form", "form")
    whole = next((one for one in placed if one.argument.get("whole")), None)
    field, names = operation.document.get("idempotency", {}).get("body", ""), _names(operation, "body", told)
    if whole and form in ("form", "multipart"):
        placed = _spread(whole, {*names, field}, field)
    elif whole:
        return told.get("type", CONTENT_TYPES[form]), _whole(form, whole)
    for one in placed:
        if form == "form" and one.how and one.spread:
            _check_spread(one, {*names, field})
    if field:
        placed = [*(one for one in placed if one.name != field), Placed(field, key, {"schema": {}})]
    fixed = _fixed(told)
    if not placed and not fixed and not told.get("required"):
        return "", b""
    if form == "json":
        content = as_json({one.name: one.value for one in placed}).encode()
    elif form == "multipart":
        return multipart([(one.name, one.value, one.argument) for one in placed])
    else:
        parts = (part for one in placed for part in query_parts(one.name, one.value, **_of_form(one)))
        content = "&".join([*fixed, *parts]).encode()
    return told.get("type", CONTENT_TYPES[form]), content


def _names(operation: Description, place: str, told: Mapping[str, Any]) -> set[str]:
    """What is written there anyway."""
    arguments = operation.arguments.items()
    return {argument.get("name", name) for name, argument in arguments if argument["in"] == place} | {
        name for name, _ in told.get("fixed", [])
    }


def _check_spread(one: Placed, names: Collection[str]) -> None:
    """Of an object whose fields become arguments of the request, none is one that the request has anyway, in whatever
    spelling a lenient server reads it: it could change what was limited and shown. Raises Invalid."""
    taken = set[str]().union(*(_readings(name) for name in names if name != one.name))
    if twice := next((name for name in one.value if _readings(name) & taken), None):
        raise Invalid(f"The field {twice!r} of {one.name!r} would be written where another argument stands.")


def _readings(name: str) -> set[str]:
    """PHP takes `unit_amount[0]`, ` unit.amount` and `unit[amount` for `unit_amount`."""
    return {_FOLDED.sub("_", one.strip().casefold()) for one in (name, name.partition("[")[0])}


def _fixed(told: Mapping[str, Any]) -> list[str]:
    return [urlencode([(name, value)]) for name, value in told.get("fixed", [])]


def _of_form(one: Placed) -> dict[str, Any]:
    """Where nothing is said, an object in a form is JSON, as OpenAPI has it."""
    return one.how or ({"style": "json"} if isinstance(one.value, Mapping) else {})


def _spread(one: Placed, names: Collection[str], field: str) -> list[Placed]:
    """The fields of an object that is the body as a whole; of each nothing more is known. Ours takes the place of the
    one that carries the key."""
    if not isinstance(one.value, Mapping):
        raise Invalid(f"The argument {one.name!r} is not an object.")
    _check_spread(one._replace(value=[name for name in one.value if name != field]), names)
    return [Placed(name, value, {"schema": {}}) for name, value in one.value.items()]


def _whole(form: str, one: Placed) -> bytes:
    if form == "json":
        return as_json(one.value).encode()
    if not isinstance(one.value, str):
        raise Invalid(f"The argument {one.name!r} is not text.")
    return one.value.encode() if form == "text" else from_base64(one.name, one.value)
