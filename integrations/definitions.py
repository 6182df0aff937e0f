"""Schemas that the operations of an import have in common, and one digest of all that a schema reaches among them.

A schema refers to them by `definitions#/NAME`, and they refer to each other, in circles too.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from console.core.canonical import digest

PLACE = "definitions#/"
_TAG = "countersign/definitions/v1"


def reference(name: str) -> str:
    return PLACE + quote(name.replace("~", "~0"))


def references(schema: Any) -> Iterator[str]:
    """Whatever the schema refers to, in itself or elsewhere."""
    if isinstance(schema, Mapping):
        yield from (str(schema[name]) for name in ("$ref", "$dynamicRef") if name in schema)
        for inner in schema.values():
            yield from references(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from references(inner)


def names(schema: Any) -> frozenset[str]:
    """Of the definitions that it refers to itself."""
    return frozenset(
        unquote(one.removeprefix(PLACE)).replace("~1", "/").replace("~0", "~")
        for one in references(schema)
        if one.startswith(PLACE)
    )


def closure(schemas: Iterable[Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """All that they reach, by name; what there is not is left out."""
    left, found = list(schemas), dict[str, Any]()
    while left:
        for name in names(left.pop()) - found.keys():
            if name in definitions:
                found[name] = definitions[name]
                left.append(definitions[name])
    return found


class Reached:
    """Definitions that reach each other form a group, and the digest of a group holds those of the groups that it
    refers to: time and space are linear in the size of all, however entangled they are."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._digests: dict[str, str] = {}  # of its group, by name
        refers = {name: sorted(names(schema)) for name, schema in definitions.items()}
        for group in groups(refers):
            below = {name for member in group for name in refers[member]} - group
            members = {name: definitions[name] for name in group}
            told = digest(_TAG, {"members": members, "refers": self._of(below)}).hex()
            self._digests |= dict.fromkeys(group, told)

    def digest(self, schemas: Iterable[Any]) -> str:
        """64 hexadecimal digits; "" where they refer to no definition. Raises KeyError for one that there is not."""
        below = frozenset[str]().union(*map(names, schemas))
        return digest(_TAG, {"refers": self._of(below)}).hex() if below else ""

    def _of(self, some: Iterable[str]) -> dict[str, str]:
        return {name: self._digests[name] for name in some}


def groups(refers: Mapping[str, Iterable[str]]) -> Iterator[frozenset[str]]:
    """The strongly connected components, each after those that it refers to (Tarjan 1972, without recursion: chains of
    references are as long as documents). Raises KeyError for a name that there is not."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: dict[str, None] = {}  # in the order of their numbers
    for root in refers:
        if root in number:
            continue
        number[root] = lowest[root] = len(number)
        open_[root] = None
        path = [(root, iter(refers[root]))]
        while path:
            name, rest = path[-1]
            following = next(rest, None)
            if following is None:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[name])
                if lowest[name] == number[name]:
                    yield _taken(open_, name)
            elif following not in number:
                number[following] = lowest[following] = len(number)
                open_[following] = None
                path.append((following, iter(refers[following])))
            elif following in open_:
                lowest[name] = min(lowest[name], number[following])


def _taken(open_: dict[str, None], first: str) -> frozenset[str]:
    """The newest of those that are open, down to this one."""
    taken: set[str] = set()
    while first not in taken:
        taken.add(open_.popitem()[0])
    return frozenset(taken)
