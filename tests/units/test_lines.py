"""Decoded lines as a page shows them: each format whole, what is long folded, what differs from the last time."""
# ruff: noqa: E501  (a row of a table is one line)

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.facts import decode
from approvals.forms import Folded, Items, Table, folded, table_of
from approvals.lines import Line, lines, marked
from approvals.text_diff import Diff, Piece, diff_of
from approvals.web_address import Address, address_of
from console.core.chips import exact
from console.core.skeleton import skeleton
from integrations.description import Description


def line(kind: str, becomes: Any, was: Any = None, **more: Any) -> Line:
    [made] = lines([{"label": "x", "was": was, "becomes": becomes, "format": kind, **more}])
    return made


SHOWN = {
    "identity": (
        line("identity", "cus_1", name="Zoë, zoe@a.example", critical=True),
        Line("x", "–", "cus_1", "identity", False, name="Zoë, zoe@a.example", critical=True),
    ),
    "url": (
        line("url", "https://a.example/b?c=d"),
        Line("x", "–", "https://a.example/b?c=d", "url", False, Address("https://", "a.example", "/b?c=d", "", "", "")),
    ),
    "no url": (line("url", "over there"), Line("x", "–", "over there", "text", False)),
    "list": (line("list", ["a", 1, True]), Line("x", "–", "a, 1, yes", "list", False, Items(("a", "1", "yes"), ()))),
    "table": (
        line("table", [{"item_id": 1, "ok": True}, {"note": None}]),
        Line("x", "–", '[\n  {\n    "item_id": 1,\n    "ok": true\n  },\n  {\n    "note": null\n  }\n]', "table", False,
             Table(("Item id", "Ok", "Note"), (("1", "yes", None), (None, None, "null")), ())),
    ),
    "diff": (
        line("diff", "a\nc", "a\nb"),
        Line("x", "a\nb", "a\nc", "diff", False, Diff((Piece("same", ("a",)), Piece("gone", ("b",)), Piece("new", ("c",))), 1, 1)),
    ),
    "lines": (line("lines", "a\nb"), Line("x", "–", "a\nb", "lines", False, Folded("a\nb", "", "0 characters"))),
    "no list": (
        line("list", {"a": 1}), Line("x", "–", '{\n  "a": 1\n}', "json", False, Folded('{\n  "a": 1\n}', "", "0 characters")),
    ),
    "a very long text": (
        line("text", "y" * 1_202), Line("x", "–", "y" * 1_202, "text", False, Folded("y" * 1_200, "yy", "2 characters")),
    ),
    "bytes": (line("bytes", {"bytes": 1200, "sha256": "ab"}), Line("x", "–", "1,200 bytes, SHA-256 ab", "bytes", False)),
    "nothing": (line("nothing", []), Line("x", "–", "sent as an empty list", "nothing", False)),
    "by its schema": (line("text", "a", by="schema"), Line("x", "–", "a", "text", False, by_schema=True)),
}  # fmt: skip


def test_what_is_sent_is_not_taken_for_nothing_and_no_part_of_a_second_is_lost() -> None:
    assert (line("text", "–", "a").becomes, line("text", None, "a").becomes) == ("“–”", "–")
    assert (line("time", 60).becomes, line("time", 60.5).becomes) == (
        "1970-01-01 00:01:00 UTC", "1970-01-01 00:01:00 UTC (60.5)",
    )  # fmt: skip


@pytest.mark.parametrize("kind", SHOWN)
def test_each_format_is_shown_whole(kind: str) -> None:
    made, expected = SHOWN[kind]
    assert made == expected


def test_bytes_are_shown_by_their_number_and_digest_and_never_stored() -> None:
    fact = {"label": "File", "shows": "it", "format": "base64", "becomes": "${{ arguments.it }}"}
    document = {"title": "Put", "effect": "write", "arguments": {"it": {"in": "body", "schema": {}}}, "facts": [fact]}
    told = decode(Description("put", document), {"it": "aGk="}, {}, "key").lines
    digest = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"
    assert told == [{"label": "File", "was": None, "becomes": {"bytes": 2, "sha256": digest}, "format": "bytes"}]


def test_the_critical_comes_first_and_the_rest_keeps_its_order() -> None:
    facts = [{"label": label, "becomes": 1, "critical": label in "bd"} for label in "abcd"]
    assert [one.label for one in lines(facts)] == ["b", "d", "a", "c"]


def test_what_differs_from_the_last_time_is_said_beside_it() -> None:
    now: list[dict[str, Any]] = [{"label": "Sum", "becomes": 12_000, "format": "money", "currency": "eur"}, {"label": "To", "becomes": "a", "format": "text"},
           {"label": "Text", "becomes": "y" * 300, "format": "lines"}, {"label": "New", "becomes": 1, "format": "text"}]  # fmt: skip
    before: list[dict[str, Any]] = [{"label": "Sum", "becomes": 12_000, "format": "money", "currency": "usd"}, {"label": "To", "becomes": "a", "format": "text"},
              {"label": "Text", "becomes": "x" * 300, "format": "lines"}]  # fmt: skip
    assert [(one.last, one.same_as_last) for one in lines(now, before)] == [
        ("$120.00", False), ("", True), ("something else", False), ("", False),
    ]  # fmt: skip


def test_another_name_for_one_id_is_said() -> None:
    now = [{"label": "To", "becomes": "cus_1", "format": "identity", "name": "Zoe"}]
    assert lines(now, [{**now[0], "name": "Zoë"}])[0].last == "Zoë (cus_1)"


def test_names_that_look_like_others_are_marked_where_they_stand() -> None:
    facts = [{"label": "a", "becomes": "acme", "format": "identity"}, {"label": "b", "becomes": "https://ACME.example/", "format": "url"},
             {"label": "c", "becomes": "acme", "format": "text"}]  # fmt: skip
    said = {"acme": "one", "acme.example": "two"}
    assert [one.alike for one in marked(lines(facts), said)] == ["one", "two", ""]


ADDRESSES = {
    "https://xn--80ak6aa92e.example/a": Address("https://", "xn--80ak6aa92e.example", "/a", "аррӏе.example", "Cyrillic and Latin", ""),
    "https://a.example@b.example:80/x": Address("https://a.example@", "b.example", ":80/x", "", "", "What stands before the @ is not where it leads."),
    "https://b.example\\@a.example/": Address("https://b.example\\@", "a.example", "/", "", "", "It holds a backslash, which programs read in different ways."),
    "http://[::1]:8000/a": Address("http://", "[::1]", ":8000/a", "", "", ""),
    "mailto:a@b.example": Address("mailto:", "", "a@b.example", "", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_shown_by_where_it_leads(text: str) -> None:
    assert address_of(text) == ADDRESSES[text]


@given(st.text("abc:/@?#[]%\\.-x\n", max_size=40).map(lambda rest: f"https:{rest}"))
def test_the_parts_of_an_address_are_the_address(text: str) -> None:
    if found := address_of(text):
        assert f"{found.before}{found.host}{found.rest}" == text


@given(st.text("ab\n", max_size=40), st.text("ab\n", max_size=40))
def test_a_diff_holds_both_texts(was: str, becomes: str) -> None:
    pieces = diff_of(was, becomes).pieces
    sides = {
        kind: "\n".join(text for piece in pieces if piece.kind in ("same", "folded", kind) for text in piece.lines)
        for kind in ("gone", "new")
    }
    assert sides == {"gone": was, "new": becomes}


def test_what_stays_far_from_a_change_is_folded() -> None:
    was = "\n".join(map(str, range(20)))
    assert diff_of(was, f"{was}\n20").pieces == (
        Piece("same", ("0", "1")), Piece("folded", tuple(map(str, range(2, 18)))), Piece("same", ("18", "19")),
        Piece("new", ("20",)),
    )  # fmt: skip


@given(st.text(max_size=60), st.integers(1, 20))
def test_a_fold_cuts_nothing_off(text: str, most: int) -> None:
    found = folded(text, most)
    assert found.head + found.rest == text


def test_a_fold_says_how_much_is_in_it() -> None:
    assert folded("\n".join("abcdefghijklmno")).size == "3 lines, 6 characters"
    assert folded("x" * 1_201) == Folded("x" * 1_200, "x", "1 character")


def test_columns_of_one_name_keep_their_own() -> None:
    table = table_of([{"a_b": 1, "a-b": 2}])
    assert table is not None
    assert table.columns == ("a_b", "a-b")
    assert table_of([1]) is None
    assert table_of([{str(number): 1 for number in range(51)}]) is None


def test_texts_of_many_lines_are_shown_as_gone_and_new() -> None:
    was, becomes = "a\n" * 400, "b\n" * 400
    assert [(piece.kind, len(piece.lines)) for piece in diff_of(was, becomes).pieces] == [("gone", 401), ("new", 401)]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", '<span class="chip">empty</span>'), (" ", '<span class="chip">space</span>'),
     (" a\n", '<span class="chip">space</span>a<span class="chip">new line</span>'), ("a b", "a b"),
     ("a\u202eb\U000e0041\ue000", 'a<span class="chip">U+202E</span>b<span class="chip">U+E0041</span><span class="chip">U+E000</span>')],
)  # fmt: skip
def test_each_character_of_a_value_can_be_seen(text: str, said: str) -> None:
    assert exact(text) == said


ALIKE = [("paypal", "раураӏ"), ("PaypaI", "paypal"), ("modern", "rnodern"), ("a-b", "a\u2010b"), ("c10", "cl0"),
         ("ABC", "ＡＢＣ"), ("ab", "a\u200bb"), ("acme.example", "аcme.example"), ("ACME", "acme")]  # fmt: skip
UNLIKE = [("paypal", "payfal"), ("Zoë", "Zoe"), ("vv", "w"), ("acme", "acne")]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_names_that_look_alike_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), UNLIKE)
def test_names_that_do_not_have_two(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@given(st.text(max_size=20))
def test_a_skeleton_is_its_own(text: str) -> None:
    assert skeleton(skeleton(text)) == skeleton(text)
