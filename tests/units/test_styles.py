"""How values are written: against the table of OpenAPI 3.1 ("Style Examples"), and against parsers of other people."""

import base64
import io
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.formparser import parse_form_data

from console.core.errors import Invalid
from integrations.styles import header_value, multipart, path_part, query_parts

LIST = ["blue", "black", "brown"]
MAP = {"R": 100, "G": 200, "B": 150}

PATHS: list[tuple[str, bool, str, str, str]] = [  # style, explode, of one value, of a list, of an object
    ("simple", False, "blue", "blue,black,brown", "R,100,G,200,B,150"),
    ("simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
    ("label", False, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
    ("label", True, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
    ("matrix", False, ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
    ("matrix", True, ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
]


@pytest.mark.parametrize(("style", "explode", "one", "several", "pairs"), PATHS)
def test_paths_are_those_of_the_specification(style: str, explode: bool, one: str, several: str, pairs: str) -> None:
    written = [path_part("color", value, style=style, explode=explode) for value in ("blue", LIST, MAP)]
    assert written == [one, several, pairs]


def test_a_path_may_hold_json() -> None:
    assert path_part("color", {"a": ["/"]}, style="json") == "%7B%22a%22%3A%5B%22%2F%22%5D%7D"


QUERIES: list[tuple[str, bool, Any, str]] = [
    ("form", True, "blue", "color=blue"),
    ("form", True, "", "color="),
    ("form", True, LIST, "color=blue&color=black&color=brown"),
    ("form", True, MAP, "R=100&G=200&B=150"),
    ("form", False, LIST, "color=blue,black,brown"),
    ("form", False, MAP, "color=R,100,G,200,B,150"),
    ("spaceDelimited", False, LIST, "color=blue%20black%20brown"),
    ("spaceDelimited", False, MAP, "color=R%20100%20G%20200%20B%20150"),
    ("pipeDelimited", False, LIST, "color=blue%7Cblack%7Cbrown"),
    ("deepObject", True, MAP, "color[R]=100&color[G]=200&color[B]=150"),
    ("deepObject", True, {"a": {"b": [1, 2]}}, "color[a][b][0]=1&color[a][b][1]=2"),
    ("json", True, MAP, "color=%7B%22R%22%3A100%2C%22G%22%3A200%2C%22B%22%3A150%7D"),
    ("form", True, [], ""),
    ("deepObject", True, {}, ""),
]


@pytest.mark.parametrize(("style", "explode", "value", "written"), QUERIES)
def test_queries_are_those_of_the_specification(style: str, explode: bool, value: Any, written: str) -> None:
    assert "&".join(query_parts("color", value, style=style, explode=explode)) == written


def test_what_a_query_reserves_is_left_as_it_is_on_demand() -> None:
    assert query_parts("at", "/a:b c") == ["at=%2Fa%3Ab+c"]
    assert query_parts("at", "/a:b c", reserved=True) == ["at=/a:b%20c"]


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(words, st.lists(words, min_size=1, max_size=4))
def test_a_query_is_read_as_it_was_meant(name: str, values: list[str]) -> None:
    query = "&".join(query_parts(name, values))
    assert parse_qsl(query, keep_blank_values=True) == [(name, value) for value in values]


HEADERS: list[tuple[bool, Any, str]] = [
    (False, "blue", "blue"), (False, LIST, "blue,black,brown"), (False, MAP, "R,100,G,200,B,150"),
    (True, MAP, "R=100,G=200,B=150"), (False, True, "true"), (False, 1.5, "1.5"),
]  # fmt: skip


@pytest.mark.parametrize(("explode", "value", "written"), HEADERS)
def test_headers_are_those_of_the_specification(explode: bool, value: Any, written: str) -> None:
    assert header_value("color", value, explode=explode) == written


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\0", "é", "", " a", ["a", "\r\n"], {"a\r\n": 1}])
def test_a_header_stays_one_line(value: Any) -> None:
    with pytest.raises(Invalid):
        header_value("color", value)


# Browsers write a backslash as it is; this parser takes it for an escape.
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), min_size=1, max_size=12)


@given(st.lists(st.tuples(names, words), min_size=1, max_size=4, unique_by=lambda one: one[0]), st.binary(max_size=40))
def test_a_multipart_body_is_read_as_it_was_meant(fields: list[tuple[str, str]], file: bytes) -> None:
    arguments: list[tuple[str, Any, dict[str, Any]]] = [(name, value, {"schema": {}}) for name, value in fields]
    arguments.append(
        ("the file", base64.b64encode(file).decode(), {"schema": {"format": "binary"}, "type": "image/png"})
    )
    kind, body = multipart(arguments)
    environment = {"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    _, form, files = parse_form_data(environment, stream_factory=lambda *_, **__: io.BytesIO())
    assert list(form.items(multi=True)) == fields
    (found,) = files.values()
    assert (found.read(), found.content_type) == (file, "image/png")


def test_the_boundary_follows_from_the_content() -> None:
    arguments: list[tuple[str, Any, dict[str, Any]]] = [("a", {"b": [1]}, {"schema": {}})]
    assert multipart(arguments) == multipart(arguments)
    assert json.dumps({"b": [1]}, separators=(",", ":")).encode() in multipart(arguments)[1]


@pytest.mark.parametrize("value", ["not base64!", "YQ", 1, None])
def test_a_file_is_base64(value: Any) -> None:
    with pytest.raises(Invalid, match="not in base64"):
        multipart([("a", value, {"schema": {"format": "byte"}})])
