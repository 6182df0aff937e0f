"""A request as somebody wrote it for the other side, and which operations it may be. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from console.core.errors import Invalid
from integrations.unstyle import Pairs, pairs_of

LONGEST_PATH = 4_096
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
# Encoded slashes and dots mean one thing to one server and another to the next; so do control characters.
_AMBIGUOUS = re.compile(r"(?i)%(?:2f|5c|2e|25|[01][0-9a-f]|7f)|\\")
_SEGMENT = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@%]+")  # RFC 3986 §3.3
_QUERY = re.compile(r"[!-~]*")


class Ambiguous(Invalid):
    """Two readers could take it for two requests."""

    status = 400
    code = "ambiguous_request"


@dataclass(frozen=True, slots=True)
class Heard:
    """A request as it came. `path` and `query` are still encoded; `path` begins where the base URL ends."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Raises Ambiguous where it is given twice."""
        found = [value for given, value in self.headers if given.lower() == name.lower()]
        if len(found) > 1:
            raise Ambiguous(f"The header {name} is given twice.")
        return found[0].strip(" \t") if found else None


def check_plain(heard: Heard) -> None:
    """Raises Ambiguous for what servers read in more than one way."""
    segments = heard.path.split("/")[1:]
    if len(heard.path) > LONGEST_PATH:
        raise Ambiguous("The path is too long.")
    if not heard.path.startswith("/") or _AMBIGUOUS.search(heard.path) or not {".", ".."}.isdisjoint(segments):
        raise Ambiguous(
            "The path has an encoded slash, percent sign or dot, a control character, or a segment of dots."
        )
    if not all(_SEGMENT.fullmatch(one) for one in segments[:-1]) or not _SEGMENT.fullmatch(segments[-1] or "-"):
        raise Ambiguous("The path has an empty segment, or a character that has to be encoded.")
    if not _QUERY.fullmatch(heard.query):
        raise Ambiguous("The query has a character that has to be encoded.")
    for name in ("content-type", "cookie"):
        heard.header(name)


def how_exactly(template: str, path: str) -> tuple[int, ...] | None:
    """Segment by segment, 2 for what the template says itself, 1 for a part of it, 0 for an argument; None where the
    path is another one. The greatest of several is meant: `/users/me` is no `/users/{id}`."""
    told, given = template.split("/"), path.split("/")
    if len(told) != len(given):
        return None
    found = [_segment(one, other) for one, other in zip(told, given, strict=True)]
    return tuple(found) if min(found) >= 0 else None


def _segment(template: str, raw: str) -> int:
    if "{" not in template:
        return 2 if unquote(template) == unquote(raw) else -1
    if not pattern(template).fullmatch(raw):
        return -1
    return 0 if PLACEHOLDER.fullmatch(template) else 1


def pattern(template: str, value: str = "([^/]+)") -> re.Pattern[str]:
    parts = PLACEHOLDER.split(template)
    return re.compile("".join(value if at % 2 else re.escape(part) for at, part in enumerate(parts)))


def has_fixed(document: Mapping[str, Any], heard: Heard) -> bool:
    """Whether the request says what this operation always says: by it, operations at one address are told apart."""
    body = document.get("body")
    fixed = body.get("fixed", []) if isinstance(body, Mapping) else []
    try:
        query = Pairs(pairs_of(heard.query)) if document.get("fixed") else None
        form = Pairs(pairs_of(heard.body.decode("ascii"))) if fixed else None
    except (Invalid, UnicodeDecodeError):
        return False
    return all(query.take_pair(*pair) for pair in document.get("fixed", []) if query) and all(
        form.take_pair(*pair) for pair in fixed if form
    )
