"""What a value looks like where a text is not enough: long texts, lists and tables, each with a fold. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from approvals.text_diff import Diff
from approvals.web_address import Address
from console.core.text import pretty
from integrations.explain import plain

FEW_LINES = 12
FEW_CHARACTERS = 1_200
FEW_ROWS = 10
MOST_COLUMNS = 50  # what has more is no table, and is shown as JSON


@dataclass(frozen=True, slots=True)
class Folded:
    """A text whose `rest` is folded; `size` says how much that is."""

    head: str
    rest: str
    size: str


@dataclass(frozen=True, slots=True)
class Items:
    shown: tuple[str, ...]
    rest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[str, ...]
    shown: tuple[tuple[str | None, ...], ...]  # None where a row has no such field
    rest: tuple[tuple[str | None, ...], ...]


Form = Folded | Items | Table | Diff | Address


def folded(text: str, most: int = FEW_CHARACTERS) -> Folded:
    """After some lines, or within a line that is long."""
    written = text.split("\n")
    head = "\n".join(written[:FEW_LINES])[:most]
    rest = text[len(head) :]
    return Folded(head, rest, size_of(rest))


def size_of(text: str) -> str:
    """`3 lines, 1,204 characters`."""
    lines = text.strip("\n").count("\n") + 1
    many = f"{len(text):,} character{'s' * (len(text) != 1)}"
    return f"{lines:,} lines, {many}" if lines > 1 else many


def items_of(said: Sequence[str]) -> Items:
    return Items(tuple(said[:FEW_ROWS]), tuple(said[FEW_ROWS:]))


def table_of(value: Any) -> Table | None:
    """Of a list of objects: a column for each field that one of them has, in the order of their coming."""
    if not isinstance(value, list) or not value or not all(isinstance(one, Mapping) for one in value):
        return None
    names = list(dict.fromkeys(str(name) for one in value for name in one))
    if len(names) > MOST_COLUMNS:
        return None
    rows = [tuple(_cell(one[name]) if name in one else None for name in names) for one in value]
    return Table(_titles(names), tuple(rows[:FEW_ROWS]), tuple(rows[FEW_ROWS:]))


def _titles(names: list[str]) -> tuple[str, ...]:
    """Two fields that would be called the same keep their own names."""
    titles = [plain(name) for name in names]
    return tuple(name if titles.count(title) > 1 else title for name, title in zip(names, titles, strict=True))


def _cell(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
    return pretty(value)
