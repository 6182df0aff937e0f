"""What an amendment changes, line by line as YAML, with every schema that it reaches. Pure."""

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from integrations.definitions import closure

AROUND = 3  # lines that stay, for orientation
MOST = 2_000  # lines
HIDDEN = ("source", "definitions")  # digests that follow from the rest


class Line(NamedTuple):
    """`sign` is + or -, " " for what stays, or @ where lines were left out."""

    sign: str
    text: str


class Described(NamedTuple):
    document: Mapping[str, Any]
    definitions: Mapping[str, Any]


def difference(before: Described, after: Described) -> list[Line]:
    """Never longer than MOST lines and a last one that says so."""
    old, new = _written(before, after), _written(after, before)
    found: list[Line] = []
    for text in difflib.unified_diff(old, new, lineterm="", n=AROUND):
        if text.startswith(("---", "+++")) and not found:
            continue
        found.append(Line("@", "") if text.startswith("@@") else Line(text[0], text[1:]))
        if len(found) > MOST:
            return [*found[:MOST], Line("@", "There is more. Decline it, or look at the whole document.")]
    return found[1:]


def _written(one: Described, other: Described) -> list[str]:
    """The description, then those of its schemas that the other side has not, or has otherwise."""
    told = {name: value for name, value in one.document.items() if name not in HIDDEN}
    here, there = _reached(one), _reached(other)
    differing = {name: here[name] for name in sorted(here) if name not in there or here[name] != there[name]}
    return _yaml(told | ({"schemas": differing} if differing else {}))


def _yaml(value: Mapping[str, Any]) -> list[str]:
    dumped: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return dumped.splitlines()


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _reached(described: Described) -> dict[str, Any]:
    schemas = [argument["schema"] for argument in described.document.get("arguments", {}).values()]
    return closure(schemas, described.definitions)
