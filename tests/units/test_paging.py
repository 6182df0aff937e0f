"""Answers that come in pages, read to their end."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.paging import MOST_PAGES, Endless, read_whole
from console.core.errors import Invalid
from integrations.description import Description, parse

CURSOR = {"argument": "after", "items": "data", "next": "more && data[-1].id"}
PAGES = {"argument": "page", "items": "@", "first": 1, "counts": "pages"}
OFFSET = {"argument": "start", "items": "found.rows", "first": 0, "counts": "items"}


class Listing:
    """Three ways of giving out the same rows, so many at a time."""

    def __init__(self, rows: list[int], size: int) -> None:
        self.rows, self.size, self.asked = rows, size, list[Mapping[str, Any]]()

    def cursor(self, given: Mapping[str, Any]) -> Any:
        self.asked.append(given)
        begin = self.rows.index(given["after"]) + 1 if "after" in given else 0
        page = self.rows[begin : begin + self.size]
        return {"data": [{"id": row} for row in page], "more": begin + self.size < len(self.rows), "kind": "list"}

    def pages(self, given: Mapping[str, Any]) -> Any:
        self.asked.append(given)
        begin = (given.get("page", 1) - 1) * self.size
        return self.rows[begin : begin + self.size]

    def offset(self, given: Mapping[str, Any]) -> Any:
        self.asked.append(given)
        begin = given.get("start", 0)
        return {"found": {"rows": self.rows[begin : begin + self.size], "of": len(self.rows)}}


@given(st.integers(0, 40), st.integers(1, 7))
def test_every_row_is_there_once_and_in_order(count: int, size: int) -> None:
    listing = Listing([100 + row for row in range(count)], size)
    by_cursor = read_whole(CURSOR, {"of": "x"}, listing.cursor)
    assert by_cursor["kind"] == "list"
    assert [row["id"] for row in by_cursor["data"]] == listing.rows
    assert {asked["of"] for asked in listing.asked} == {"x"}
    assert read_whole(PAGES, {}, listing.pages) == listing.rows
    assert read_whole(OFFSET, {}, listing.offset) == {"found": {"rows": listing.rows, "of": count}}


def test_whoever_asks_for_one_page_gets_it() -> None:
    listing = Listing([1, 2, 3], 1)
    assert read_whole(PAGES, {"page": 2}, listing.pages) == [2]
    assert read_whole(None, {}, listing.pages) == [1]
    assert len(listing.asked) == 2


@pytest.mark.parametrize(
    ("told", "answer", "why"),
    [
        (CURSOR, {"more": True, "data": [{"id": "same"}]}, "read already"),
        (CURSOR, {"more": False}, "no list of items"),
        (PAGES, {"not": "a list"}, "no list of items"),
        (PAGES, ["never", "ends"], f"more than {MOST_PAGES} pages"),
    ],
)
def test_what_does_not_come_to_an_end_is_told(told: dict[str, Any], answer: Any, why: str) -> None:
    with pytest.raises(Endless, match=why):
        read_whole(told, {}, lambda _: answer)


def described(pagination: dict[str, Any], effect: str = "read") -> Description:
    argument = {"in": "query", "schema": {}}
    operation = {
        "title": "List", "effect": effect, "method": "GET" if effect == "read" else "POST", "path": "/rows",
        "arguments": {"after": argument, "page": argument, "start": argument}, "pagination": pagination,
    }  # fmt: skip
    return parse(str({"integration": "rows", "title": "Rows", "operations": {"list": operation}}))[1][0]


@pytest.mark.parametrize("told", [CURSOR, PAGES, OFFSET])
def test_a_description_says_how_it_goes_on(told: dict[str, Any]) -> None:
    assert described(told).document["pagination"] == told


@pytest.mark.parametrize(
    "wrong",
    [
        {**CURSOR, "argument": "another"},
        {**CURSOR, "next": "data[-1"},
        {**CURSOR, "first": 1, "counts": "pages"},
        {**CURSOR, "items": "data[*]"},
        {"argument": "page", "items": "@", "first": 1},
        {"argument": "page", "items": "@"},
    ],
)
def test_what_would_lead_nowhere_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="pagination"):
        described(wrong)


def test_only_reads_have_pages() -> None:
    with pytest.raises(Invalid, match="is for what is read"):
        described(PAGES, effect="write")
