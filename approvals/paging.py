"""Answers that come page by page, read to their end: a probe that saw the first page alone could miss what happened."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from console.core.expressions import search

MOST_PAGES = 50
LONGEST = 60.0  # seconds, for all of them


class Endless(Exception):
    """It has more pages than are read, or does not say how it goes on; the text says which."""


def read_whole(
    told: Mapping[str, Any] | None, given: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Any]
) -> Any:
    """The first page with the items of all. `told` is the `pagination` of a description; whoever gives the argument
    of the page wants that one page. Raises Endless, and what `read` raises."""
    if not told or told["argument"] in given:
        return read(given)
    began, page = time.monotonic(), told.get("first")
    first, items, seen = None, list[Any](), set[str]()
    for _ in range(MOST_PAGES):
        answer = read({**given, **({} if page is None else {told["argument"]: page})})
        first = answer if first is None else first
        new = search(told["items"], answer)
        if not isinstance(new, list):
            raise Endless("has no list of items in its answer")
        items += new
        page = _next(told, answer, page, new)
        if page is None:
            return _with_items(first, told["items"], items)
        if str(page) in seen:
            raise Endless("leads to a page that was read already")
        seen.add(str(page))
        if time.monotonic() - began > LONGEST:
            raise Endless(f"takes longer than {LONGEST:g} seconds to be read as a whole")
    raise Endless(f"has more than {MOST_PAGES} pages")


def _next(told: Mapping[str, Any], answer: Any, page: Any, new: list[Any]) -> Any:
    """What the argument is for the next page; None at the end."""
    if "next" in told:
        return search(told["next"], answer) or None
    return page + (1 if told["counts"] == "pages" else len(new)) if new else None


def _with_items(answer: Any, place: str, items: list[Any]) -> Any:
    """The answer with its list replaced; the place is `@` for the answer itself, or names with dots between them."""
    if place == "@":
        return items
    name, _, rest = place.partition(".")
    return {**answer, name: _with_items(answer[name], rest or "@", items)}
