"""The inverse of `styles`: from what stands in addresses, headers and bodies back to values. Pure.

Texts come as they were sent, encoded. What two values would be written as is read as the one that the schema names, and
refused where it names both.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_plus

from integrations.wanted import COMPOSITE, SINGLE, Unread, Wanted, loads

_BETWEEN = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}
_AHEAD = {"simple": ("", ","), "label": (".", "."), "matrix": (";", ";")}
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_WRONG = re.compile(r"%(?![0-9A-Fa-f]{2})")
DEEPEST = 32


class Pair(NamedTuple):
    """Of a query or a form. `value` is still encoded, `name` is not."""

    name: str
    value: str


def decode(raw: str, *, plus: bool = False) -> str:
    """Raises Unread for what is not percent-encoded UTF-8."""
    if _WRONG.search(raw):
        raise Unread("A percent sign is not followed by two hexadecimal digits.")
    try:
        return unquote_plus(raw, errors="strict") if plus else unquote(raw, errors="strict")
    except UnicodeDecodeError:
        raise Unread("An encoded text is not UTF-8.") from None


def pairs_of(raw: str) -> list[Pair]:
    """Of `name=value&…`. Raises Unread for a part without `=`: servers differ about what it means."""
    made = []
    for part in raw.split("&") if raw else ():
        name, equals, value = part.partition("=")
        if not equals:
            raise Unread(f"{decode(name, plus=True)!r:.80} is given without a value. Write an equals sign after it.")
        made.append(Pair(decode(name, plus=True), value))
    return made


def read_path(name: str, raw: str, want: Wanted, *, style: str = "simple", explode: bool = False) -> Any:
    if style == "json":
        return loads(decode(raw))
    ahead, between = _AHEAD[style]
    if not raw.startswith(ahead):
        raise Unread(f"{name!r:.80} has to begin with {ahead!r}.")
    rest = raw.removeprefix(ahead)
    between = between if explode else ","
    kind = _kind(want, between in rest)
    if style == "matrix" and not (explode and kind == "object"):
        begins = f"{name}="
        parts = rest.split(";") if explode and kind == "array" else [rest]
        if not all(decode(part.partition("=")[0]) == name and "=" in part for part in parts):
            raise Unread(f"{name!r:.80} has to begin with {begins!r:.90}.")
        parts = [part.partition("=")[2] for part in parts]
        rest = between.join(parts)
    if kind == "single":
        return want.read(decode(rest))
    return _listed(name, rest.split(between), kind, want, explode=explode)


def _kind(want: Wanted, divided: bool) -> str:
    """single, array or object. A schema that lets it be one text or a list of them is answered by the delimiter."""
    kinds = want.kinds
    may_be = kinds & COMPOSITE
    if not may_be:
        return "single"
    if may_be == COMPOSITE:
        raise Unread("Its schema lets it be a list and an object, which look alike here.")
    return next(iter(may_be)) if divided or not kinds & SINGLE else "single"


def _listed(name: str, parts: Sequence[str], kind: str, want: Wanted, *, explode: bool, plus: bool = False) -> Any:
    if list(parts) == [""]:
        raise Unread(f"{name!r:.80} is empty: leave it out.")
    if kind == "array":
        return [want.item(at).read(decode(part, plus=plus)) for at, part in enumerate(parts)]
    if explode:
        split = [part.partition("=") for part in parts]
        if not all(equals for _, equals, _ in split):
            raise Unread(f"{name!r:.80} has to be made of names and values.")
        read = [(decode(key, plus=plus), decode(value, plus=plus)) for key, _, value in split]
    else:
        if len(parts) % 2:
            raise Unread(f"{name!r:.80} has to be made of names and values.")
        told = [decode(part, plus=plus) for part in parts]
        read = list(zip(told[::2], told[1::2], strict=True))
    made = {key: want.field(key).read(value) for key, value in read}
    if len(made) < len(read):
        raise Unread(f"{name!r:.80} names a field twice.")
    return made


class Pairs:
    """Of a query or a form, taken by one argument after the other; what is left is nobody's."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.left = list(pairs)

    def take(self, name: str) -> list[Pair]:
        return self._take([pair for pair in self.left if pair.name == name])

    def take_within(self, name: str) -> list[Pair]:
        return self._take([pair for pair in self.left if pair.name.startswith(f"{name}[")])

    def take_any(self, names: frozenset[str], more: bool) -> list[Pair]:
        return self._take([pair for pair in self.left if more or pair.name in names])

    def take_pair(self, name: str, value: str) -> bool:
        found = [pair for pair in self.left if pair.name == name and decode(pair.value, plus=True) == value]
        return bool(self._take(found[:1]))

    def _take(self, taken: list[Pair]) -> list[Pair]:
        for pair in taken:
            self.left.remove(pair)
        return taken


NOTHING = object()


def read_pairs(
    name: str, pairs: Pairs, want: Wanted, *, style: str = "form", explode: bool | None = None, reserved: bool = False
) -> Any:
    """The value of an argument, taken out of the pairs; NOTHING where it is not there. Objects of which each field is a
    pair of its own come last, by `read_spread`."""
    explode = style in ("form", "deepObject") if explode is None else explode
    if style == "deepObject" and (found := pairs.take_within(name)):
        return _deep(name, found, want, reserved)
    found = pairs.take(name)
    if not found:
        return NOTHING
    if style == "json":
        return loads(decode(_only(name, found), plus=not reserved))
    if explode:
        if len(found) > 1 or ("array" in want.kinds and not want.kinds & SINGLE):
            if "array" not in want.kinds:
                raise Unread(f"{name!r:.80} is given twice.")
            return [want.item(at).read(decode(pair.value, plus=not reserved)) for at, pair in enumerate(found)]
        return want.read(decode(_only(name, found), plus=not reserved))
    between, raw = _BETWEEN[style], _only(name, found).replace("%7c", "%7C").replace("|", "%7C")
    if between == "%20" and "+" in raw:
        raise Unread(f"{name!r:.80} is divided by %20; a plus sign could mean the same.")
    kind = _kind(want, between in raw)
    if kind == "single":
        return want.read(decode(raw, plus=not reserved))
    return _listed(name, raw.split(between), kind, want, explode=False, plus=not reserved)


def read_spread(pairs: Pairs, want: Wanted, *, reserved: bool = False) -> Any:
    """An object whose fields stand beside the other arguments, under names of their own."""
    found = pairs.take_any(want.names(), want.is_open)
    made = {pair.name: want.field(pair.name).read(decode(pair.value, plus=not reserved)) for pair in found}
    if len(made) < len(found):
        raise Unread("A field is given twice.")
    return made or NOTHING


def _only(name: str, found: Sequence[Pair]) -> str:
    if len(found) > 1:
        raise Unread(f"{name!r:.80} is given twice.")
    return found[0].value


def _deep(name: str, found: Sequence[Pair], want: Wanted, reserved: bool) -> Any:
    tree: dict[str, Any] = {}
    for pair in found:
        keys = _BRACKETS.findall(rest := pair.name[len(name) :])
        if "".join(f"[{key}]" for key in keys) != rest or len(keys) > DEEPEST:
            raise Unread(f"{pair.name!r:.80} is not a name within {name!r:.80}.")
        place = tree
        for key in keys[:-1]:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise Unread(f"{pair.name!r:.80} is a value and holds values.")
        if keys[-1] in place:
            raise Unread(f"{pair.name!r:.80} is given twice.")
        place[keys[-1]] = decode(pair.value, plus=not reserved)
    return _grown(name, tree, want)


def _grown(name: str, tree: Mapping[str, Any], want: Wanted) -> Any:
    kinds = want.kinds & COMPOSITE
    if kinds == {"array"}:
        if list(tree) != [str(at) for at in range(len(tree))]:
            raise Unread(f"{name!r:.80} is a list: number its items from [0] on, in their order.")
        return [_one(f"{name}[{at}]", one, want.item(at)) for at, one in enumerate(tree.values())]
    if kinds == COMPOSITE:
        raise Unread(f"The schema of {name!r:.80} lets it be a list and an object, which look alike here.")
    return {key: _one(f"{name}[{key}]", one, want.field(key)) for key, one in tree.items()}


def _one(name: str, value: Any, want: Wanted) -> Any:
    return _grown(name, value, want) if isinstance(value, dict) else want.read(value)


def read_header(name: str, raw: str, want: Wanted, *, style: str = "simple", explode: bool = False) -> Any:
    """Nothing is encoded in a header: an item that holds a comma cannot be told from two."""
    if style == "json":
        return loads(raw)
    kind = _kind(want, "," in raw)
    if kind == "single":
        return want.read(raw)
    parts = [part.strip(" \t") for part in raw.split(",")]
    if parts == [""]:
        raise Unread(f"{name!r:.80} is empty: leave it out.")
    return _listed(name, [part.replace("%", "%25") for part in parts], kind, want, explode=explode)
