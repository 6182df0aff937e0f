"""From a request that somebody wrote for the other side back to an operation's arguments. Pure.

The inverse of `render`: what was read is rendered again, and unless that gives an equivalent request it is refused.
Nothing is guessed. What is left out are headers that say nothing of what is asked for, those that the description
ignores, and cookies that it does not know.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote

from console.core.errors import Invalid
from integrations.description import Description
from integrations.headers import says_nothing
from integrations.recognise import PLACEHOLDER, Ambiguous, Heard, pattern
from integrations.render import CONTENT_TYPES, Rendered, render
from integrations.unstyle import (
    NOTHING,
    Pair,
    Pairs,
    decode,
    pairs_of,
    read_header,
    read_pairs,
    read_path,
    read_spread,
)  # fmt: skip
from integrations.wanted import Unread, Wanted, loads, same_json, wanted

ANYWHERE = "http://nowhere.invalid"
OUR_KEY = "the key is ours"
WHOLE = ("json", "deepObject")  # styles that keep the name of the argument whatever its value is


@dataclass(frozen=True, slots=True)
class Understood:
    """`key` is what the request itself carries where the other side looks for an idempotency key; "" for none."""

    arguments: dict[str, Any]
    key: str


class _Placed(NamedTuple):
    name: str  # of the argument
    there: str  # its name in the request
    told: Mapping[str, Any]
    want: Wanted

    @property
    def how(self) -> dict[str, Any]:
        return {name: self.told[name] for name in ("style", "explode", "reserved") if name in self.told}


def read_back(operation: Description, heard: Heard) -> Understood:
    """The arguments that would be rendered as this request. Raises Unread or Ambiguous."""
    try:
        return _Reading(operation, heard).understood()
    except RecursionError:
        raise Unread("The request is nested too deeply.") from None


class _Reading:
    """One request, held against one operation."""

    def __init__(self, operation: Description, heard: Heard) -> None:
        self.operation, self.heard = operation, heard
        told = operation.document.get("idempotency", {})
        self.key_header, self.key_field = told.get("header", ""), told.get("body", "")
        self.carried = ""  # the key that stands in the body

    def understood(self) -> Understood:
        arguments, key = self.all()
        try:
            rendered = render(self.operation, arguments, base_url=ANYWHERE, key=OUR_KEY)
        except Invalid as error:
            raise Unread(error.text) from None
        self.check_same(rendered)
        return Understood(arguments, key)

    def all(self) -> tuple[dict[str, Any], str]:
        found = {**self._of_path(), **self._of_query(), **self._of_headers(), **self._of_cookies(), **self._of_body()}
        self._check_headers()
        arguments = {name: found[name] for name in self.operation.arguments if name in found}
        header = self.heard.header(self.key_header) if self.key_header else None
        if header and self.carried and header != self.carried:
            raise Ambiguous("The request carries two different keys.")
        return arguments, header or self.carried

    def check_same(self, rendered: Rendered) -> None:
        """Raises Unread unless both are the same request to any server that reads them as they are described."""
        heard = self.heard
        same = {
            "path": unquote(heard.path) == unquote(rendered.path),
            "query": _told(pairs_of(heard.query)) == _told(pairs_of(rendered.query)),
            "body": self._same_body(rendered),
            "headers": all(_listed(heard.header(name)) == _listed(value) for name, value in self._plain(rendered)),
            "cookies": self._cookies_of(heard.headers) == self._cookies_of(rendered.headers),
        }
        for place, is_same in same.items():
            if not is_same:
                raise Unread(f"What was read from the {place} would be written otherwise, so it might mean something "
                             "else. Ask by the name of the operation instead.")  # fmt: skip

    def _plain(self, rendered: Rendered) -> list[tuple[str, str]]:
        return [(name, value) for name, value in rendered.headers if name != "Cookie"]

    def _cookies_of(self, headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        names = {one.there for one in self._placed("cookie")}
        raw = next((value for name, value in headers if name.lower() == "cookie"), None)
        return _told([pair for pair in _cookies(raw) if pair.name in names])

    def _placed(self, place: str) -> list[_Placed]:
        return [
            _Placed(name, told.get("name", name), told, wanted(told["schema"], self.operation.definitions))
            for name, told in self.operation.arguments.items()
            if told["in"] == place
        ]

    def _of_path(self) -> dict[str, Any]:
        template = self.operation.document["path"]
        raw: dict[str, str] = {}
        for told, given in zip(template.split("/"), self.heard.path.split("/"), strict=True):
            found, shortest = pattern(told).fullmatch(given), pattern(told, "([^/]+?)").fullmatch(given)
            if not found or not shortest or found.groups() != shortest.groups():
                raise Unread("A part of the path could be divided between its arguments in more than one way.")
            for name, value in zip(PLACEHOLDER.findall(told), found.groups(), strict=True):
                if raw.setdefault(name, value) != value:
                    raise Unread(f"{name!r:.80} stands in the path with two values.")
        placed = [one for one in self._placed("path") if one.there in raw]
        return {one.name: read_path(one.there, raw[one.there], one.want, **one.how) for one in placed}

    def _of_query(self) -> dict[str, Any]:
        pairs = Pairs(pairs_of(self.heard.query))
        for name, value in self.operation.document.get("fixed", []):
            if not pairs.take_pair(name, value):
                raise Unread(f"The query lacks {name}={value}.")
        return self._of_pairs(pairs, self._placed("query"), "query", spread=True)

    def _of_pairs(self, pairs: Pairs, placed: Sequence[_Placed], place: str, *, spread: bool) -> dict[str, Any]:
        """With `spread`, the fields of an object stand beside the other arguments, where nothing else is said."""
        found: dict[str, Any] = {}
        last = []
        for one in placed:
            how = one.how
            if one.want.kinds == {"object"}:
                if not (spread or how):
                    how = {"style": "json"}  # as `render` has it
                elif how.get("explode", how.get("style", "form") == "form") and how.get("style") not in WHOLE:
                    last.append(one)
                    continue
            found[one.name] = read_pairs(one.there, pairs, one.want, **how)
        if len(last) > 1 and any(one.want.is_open for one in last):
            raise Unread("Two arguments could take the same parameters.")
        for one in last:
            found[one.name] = read_spread(pairs, one.want, reserved=one.how.get("reserved", False))
        if pairs.left:
            raise Unread(f"{self.operation.slug} has no parameter {pairs.left[0].name!r:.80} in its {place}.")
        return _given(found)

    def _of_headers(self) -> dict[str, Any]:
        given = [(one, self.heard.header(one.there)) for one in self._placed("header")]
        return {one.name: read_header(one.there, raw, one.want, **one.how) for one, raw in given if raw is not None}

    def _check_headers(self) -> None:
        """A header may say whose account is meant. So what is neither described nor known to say nothing is refused."""
        known = {one.there.lower() for one in self._placed("header")} | {self.key_header.lower()}
        known |= {name.lower() for name in self.operation.document.get("ignores", [])}
        for name, _ in self.heard.headers:
            if name.lower() not in known and not says_nothing(name):
                raise Unread(f"{self.operation.slug} has no header {name!r:.80}, which may change what is asked for. "
                             "Leave it off, or have an admin say under `ignores` that it may be left out.")  # fmt: skip

    def _of_cookies(self) -> dict[str, Any]:
        pairs = Pairs(_cookies(self.heard.header("cookie")))
        return _given({one.name: read_pairs(one.there, pairs, one.want, explode=False)
                       for one in self._placed("cookie")})  # fmt: skip

    def _of_body(self) -> dict[str, Any]:
        placed, told, body = self._placed("body"), self.operation.body, self.heard.body
        form = told.get("form", "form")
        if not body:
            if told.get("fixed"):
                raise Unread("The body lacks what it has to say.")
            return {}
        if not told and not placed:
            raise Unread(f"{self.operation.slug} has no body.")
        self._check_type(told.get("type", CONTENT_TYPES.get(form, "")), form)
        readers: dict[str, Callable[[Sequence[_Placed]], dict[str, Any]]] = {
            "json": self._of_json, "form": self._of_form, "text": self._of_text,
            "binary": self._of_binary,
        }  # fmt: skip
        return readers[form](placed)

    def _check_type(self, described: str, form: str) -> None:
        given = (self.heard.header("content-type") or "").partition(";")
        if form == "multipart":
            raise Unread("Bodies of several parts are not taken here. Ask by the name of the operation instead.")
        if given[0].strip().lower() != described.lower():
            raise Unread(f"The body has to be {described}.")
        charset = re.search(r"(?i)charset=\"?([^\";\s]+)", given[2])
        if charset and charset[1].lower() not in ("utf-8", "us-ascii") and form != "binary":
            raise Unread("The body has to be in UTF-8.")

    def _of_json(self, placed: Sequence[_Placed]) -> dict[str, Any]:
        read = loads(self._text())
        if placed and placed[0].told.get("whole"):
            return {placed[0].name: read}
        if not isinstance(read, dict):
            raise Unread("The body has to be an object.")
        self._take_key(read)
        names = {one.there: one.name for one in placed}
        if unknown := sorted(read.keys() - names.keys()):
            raise Unread(f"{self.operation.slug} has no field {unknown[0]!r:.80} in its body.")
        return {names[there]: value for there, value in read.items()}

    def _take_key(self, read: dict[str, Any]) -> None:
        key = read.pop(self.key_field, "") if self.key_field else ""
        if not isinstance(key, str):
            raise Unread(f"{self.key_field!r:.80} carries the key, which is text.")
        self.carried = key

    def _of_form(self, placed: Sequence[_Placed]) -> dict[str, Any]:
        pairs = Pairs(pairs_of(self._text()))
        for name, value in self.operation.body.get("fixed", []):
            if not pairs.take_pair(name, value):
                raise Unread(f"The body lacks {name}={value}.")
        if self.key_field and (keys := pairs.take(self.key_field)):
            self._take_key({self.key_field: decode(keys[0].value, plus=True) if len(keys) == 1 else None})
        if not (placed and placed[0].told.get("whole")):
            return self._of_pairs(pairs, placed, "body", spread=False)
        made = {}
        while pairs.left:
            there = pairs.left[0].name
            field = placed[0].want.field(there)
            made[there] = read_pairs(there, pairs, field, style="json" if field.kinds == {"object"} else "form")
        return {placed[0].name: made}

    def _of_text(self, placed: Sequence[_Placed]) -> dict[str, Any]:
        return {self._whole(placed): self._text()}

    def _of_binary(self, placed: Sequence[_Placed]) -> dict[str, Any]:
        return {self._whole(placed): base64.b64encode(self.heard.body).decode()}

    def _whole(self, placed: Sequence[_Placed]) -> str:
        if not (placed and placed[0].told.get("whole")):
            raise Unread(f"{self.operation.slug} has no body.")
        return placed[0].name

    def _text(self) -> str:
        try:
            return self.heard.body.decode()
        except UnicodeDecodeError:
            raise Unread("The body is not UTF-8.") from None

    def _same_body(self, rendered: Rendered) -> bool:
        heard, form = self.heard.body, self.operation.body.get("form", "form")
        if not heard and form == "json":
            return self._without_key(loads(rendered.body or "{}")) in ({}, [])
        if form == "json":
            return same_json(self._without_key(loads(heard)), self._without_key(loads(rendered.body or "{}")))
        if form == "form":
            pairs = [pairs_of(one.decode()) for one in (heard, rendered.body)]
            one, other = ([pair for pair in some if pair.name != self.key_field] for some in pairs)
            return _told(one) == _told(other)
        return heard == rendered.body

    def _without_key(self, read: Any) -> Any:
        if self.key_field and isinstance(read, dict):
            return {name: value for name, value in read.items() if name != self.key_field}
        return read


def _given(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not NOTHING}


def _cookies(raw: str | None) -> list[Pair]:
    made = []
    for part in raw.split(";") if raw else ():
        name, _, value = part.strip(" \t").partition("=")
        made.append(Pair(name, value))
    return made


def _listed(value: str | None) -> str:
    return re.sub(r"[ \t]*,[ \t]*", ",", value or "")


def _told(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """In the order of names, as servers read them: those of one name stay in their own order."""
    return sorted(((pair.name, decode(pair.value, plus=True)) for pair in pairs), key=lambda pair: pair[0])
