"""How values are written into addresses, headers and bodies: the styles of OpenAPI 3.1 (RFC 6570). Pure.

What the styles leave open is written as most servers read it: an object within an object as JSON, except in deepObject,
where it goes on in brackets.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

from console.core.errors import Invalid
from integrations.headers import VALUE

PLACES = {
    "path": ("simple", "label", "matrix", "json"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject", "json"),
    "header": ("simple", "json"),
    "cookie": ("form", "json"),
    "body": ("form", "spaceDelimited", "pipeDelimited", "deepObject", "json"),
}
# RFC 3986: what `reserved` leaves as it is in a value, without what could end it: no value makes another argument.
RESERVED = ":/?[]@!$'()*,="
_BETWEEN = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}
_AHEAD = {"simple": ("", ","), "label": (".", "."), "matrix": (";", ";")}
Pairs = list[tuple[str, str]]


def as_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def text(value: Any) -> str:
    """A single value as it is written everywhere; what is none of them as JSON."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return json.dumps(value)
        case None:
            return ""
    return as_json(value)


def path_part(name: str, value: Any, *, style: str = "simple", explode: bool = False) -> str:
    """Percent-encoded. Raises Invalid for values that would change the path itself."""
    if style == "json":
        return quote(as_json(value), safe="")
    ahead, between = _AHEAD[style]
    between = between if explode else ","
    match value:
        case Mapping():
            joiner = "=" if explode else ","
            parts = [f"{quote(key, safe='')}{joiner}{quote(text(one), safe='')}" for key, one in value.items()]
        case list():
            parts = [quote(text(one), safe="") for one in value]
        case _:
            parts = [quote(text(value), safe="")]
    if style == "matrix":
        if not explode or not isinstance(value, Mapping | list):
            return f";{quote(name, safe='')}={between.join(parts)}"
        parts = parts if isinstance(value, Mapping) else [f"{quote(name, safe='')}={part}" for part in parts]
    written = ahead + between.join(parts)
    if written in {"", ".", ".."}:
        raise Invalid(f"The argument {name!r} cannot be {text(value)!r:.80}: it would change the path.")
    return written


def query_parts(
    name: str, value: Any, *, style: str = "form", explode: bool | None = None, reserved: bool = False
) -> list[str]:
    """Encoded `name=value`, one or more."""

    explode = style in ("form", "deepObject") if explode is None else explode
    safe = RESERVED if explode or not isinstance(value, Mapping | list) else RESERVED.replace(",", "")

    def encode(inner: Any) -> str:
        return quote(text(inner), safe=safe) if reserved else quote_plus(text(inner))

    own = quote_plus(name)
    match value:
        case _ if style == "json":
            return [f"{own}={encode(as_json(value))}"]
        case Mapping() | list() if style == "deepObject":
            return [f"{quote_plus(key, safe='[]')}={encode(one)}" for key, one in _deep(name, value)]
        case Mapping() if explode:
            return [f"{quote_plus(key)}={encode(one)}" for key, one in value.items()]
        case Mapping():
            listed = [encode(one) for pair in value.items() for one in pair]
            return [f"{own}={_BETWEEN[style].join(listed)}"]
        case list() if explode:
            return [f"{own}={encode(one)}" for one in value]
        case list():
            return [f"{own}={_BETWEEN[style].join(map(encode, value))}"]
    return [f"{own}={encode(value)}"]


def _deep(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping | list) and value:
        for key, one in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _deep(f"{name}[{key}]", one)
    elif not isinstance(value, Mapping | list):
        yield name, value


def header_value(name: str, value: Any, *, style: str = "simple", explode: bool = False) -> str:
    """Raises Invalid for what no header can carry: line breaks above all."""
    match value:
        case _ if style == "json":
            written = json.dumps(value, separators=(",", ":"))
        case Mapping():
            written = ",".join(f"{key}{'=' if explode else ','}{text(one)}" for key, one in value.items())
        case list():
            written = ",".join(map(text, value))
        case _:
            written = text(value)
    if not VALUE.fullmatch(written):
        raise Invalid(f"The argument {name!r} is not printable ASCII on one line, as a header demands.")
    return written


def multipart(fields: Sequence[tuple[str, Any, Mapping[str, Any]]]) -> tuple[str, bytes]:
    """Content type and body of triples of name, value and argument. The boundary follows from the content, because what
    people sign is a digest of these bytes."""
    parts = [_part(name, one, argument) for name, value, argument in fields for one in _files(value, argument)]
    boundary = hashlib.sha256(b"\0".join(parts)).hexdigest()[:32].encode()
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    return f"multipart/form-data; boundary={boundary.decode()}", body


def _files(value: Any, argument: Mapping[str, Any]) -> list[Any]:
    schema = argument["schema"]
    several = isinstance(value, list) and isinstance(schema, Mapping) and _is_file(schema.get("items"))
    return value if several else [value]


def _part(name: str, value: Any, argument: Mapping[str, Any]) -> bytes:
    schema = argument["schema"] if isinstance(argument["schema"], Mapping) else {}
    quoted = name.translate({10: "%0A", 13: "%0D", 34: "%22"})
    head = f'Content-Disposition: form-data; name="{quoted}"'
    if _is_file(schema) or _is_file(schema.get("items")):
        given = _one_line(argument.get("type", "application/octet-stream"))
        return f'{head}; filename="{quoted}"\r\nContent-Type: {given}\r\n\r\n'.encode() + from_base64(name, value)
    if isinstance(value, Mapping | list):
        return f"{head}\r\nContent-Type: application/json\r\n\r\n{as_json(value)}".encode()
    kind = f"\r\nContent-Type: {_one_line(argument['type'])}" if "type" in argument else ""
    return f"{head}{kind}\r\n\r\n{text(value)}".encode()


def _is_file(schema: object) -> bool:
    return isinstance(schema, Mapping) and schema.get("format") in ("binary", "byte")


def _one_line(media_type: str) -> str:
    return media_type if VALUE.fullmatch(media_type) else "application/octet-stream"


def from_base64(name: str, value: Any) -> bytes:
    """Files are given in base64, as JSON has no bytes. Raises Invalid."""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Invalid(f"The argument {name!r} is a file, and not in base64.") from None
