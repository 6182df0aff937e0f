"""Arguments that want to be more than arguments, in each place of a request, up to the bytes that arrive."""

import json
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from console.core.errors import Invalid
from integrations.description import Description
from integrations.render import render
from tests.attacks.peer import SECRET, ask, saying, serving

EVIL = {
    "a header": "x\r\nX-Evil: 1",
    "a header after a line feed": "x\nX-Evil: 1",
    "a header after a return": "x\rX-Evil: 1",
    "another request": " HTTP/1.1\r\nHost: evil.test\r\n\r\nGET /evil HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    "another length": "x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
    "another parameter": "x&admin=1;admin=1#admin",
    "a query": "x?admin=1",
    "another cookie": "x; admin=1",
    "a zero": "x\0X-Evil: 1",
    "another part": 'x\r\n--boundary\r\nContent-Disposition: form-data; name="admin"\r\n\r\n1\r\n--boundary--',
    "the end of a string": 'x","admin":"1',
    "wide letters that lower to a line end": "x\u560d\u560aX-Evil: 1",
    "a line of another alphabet": "x\u2028X-Evil: 1\x85X-Evil: 1",
}


def operation(place: str, form: str, schema: dict[str, Any]) -> Description:
    document = {
        "title": "Make", "effect": "write", "method": "POST", "path": "/things/{id}" if place == "path" else "/things",
        "body": {"form": form, "required": True}, "arguments": {"id": {"in": place, "name": "id", "schema": schema}},
    }  # fmt: skip
    return Description("make", document)


def arrived(place: str, form: str, value: Any) -> tuple[str, dict[str, str], bytes]:
    """Target, headers and body of the only request that came."""
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    with serving(saying(answer)) as peer:
        made = operation(place, form, {"type": ["string", "object"]})
        ask(render(made, {"id": value}, base_url=peer.base_url, key="act_1"))
    [heard] = peer.heard
    head, _, body = heard.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    method, target, version = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    assert (method, version, len(headers)) == ("POST", "HTTP/1.1", len(lines))
    assert headers.pop("Authorization") == f"Bearer {SECRET}"
    assert int(headers.pop("Content-Length")) == len(body)
    assert headers.keys() <= {"Host", "Accept", "Accept-Encoding", "User-Agent", "Content-Type", "Cookie", "id"}
    return target, headers, body


def each(place: str, form: str = "json") -> dict[str, tuple[str, dict[str, str], bytes]]:
    return {name: arrived(place, form, value) for name, value in EVIL.items()}


def test_in_the_path_it_stays_one_segment() -> None:
    for name, (target, _, _) in each("path").items():
        assert (target.count("/"), set("?#;") & set(target)) == (2, set())
        assert unquote(target.removeprefix("/things/")) == EVIL[name]


def test_in_the_query_it_stays_one_value() -> None:
    got = {name: parse_qsl(urlsplit(target).query) for name, (target, _, _) in each("query").items()}
    assert got == {name: [("id", value)] for name, value in EVIL.items()}


def test_in_a_header_it_is_refused_or_stays_one_line() -> None:
    for value in EVIL.values():
        try:
            _, headers, _ = arrived("header", "json", value)
        except Invalid:
            assert not (value.isascii() and value.isprintable())
        else:
            assert headers["id"] == value


def test_in_a_cookie_it_stays_one_cookie() -> None:
    got = {name: parse_qsl(headers["Cookie"], separator=";") for name, (_, headers, _) in each("cookie").items()}
    assert got == {name: [("id", value)] for name, value in EVIL.items()}


def test_in_a_body_it_stays_one_field() -> None:
    got = {name: parse_qsl(body.decode()) for name, (_, _, body) in each("body", "form").items()}
    assert got == {name: [("id", value)] for name, value in EVIL.items()}
    got_json = {name: json.loads(body) for name, (_, _, body) in each("body").items()}
    assert got_json == {name: {"id": value} for name, value in EVIL.items()}


def test_in_parts_it_stays_one_part() -> None:
    for name, (_, headers, body) in each("body", "multipart").items():
        boundary = headers["Content-Type"].partition("boundary=")[2].encode()
        before, part, end = body.split(b"--" + boundary)
        assert (before, end) == (b"", b"--\r\n")
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        assert BytesParser().parsebytes(head + b"\r\n\r\n").items() == [("Content-Disposition", 'form-data; name="id"')]
        assert content.removesuffix(b"\r\n").decode() == EVIL[name]


@pytest.mark.parametrize("place", ["query", "cookie", "body"])
def test_the_names_of_an_objects_fields_are_no_way_in_either(place: str) -> None:
    for value in EVIL.values():
        target, headers, body = arrived(place, "form", {value: "1"})
        said = {"query": urlsplit(target).query, "cookie": headers.get("Cookie", ""), "body": body.decode()}[place]
        assert {"\r", "\n", "\0", " "}.isdisjoint(said)
        assert (said.count("="), said.count(";"), said.count("&")) == (1, 0, 0)


@pytest.mark.parametrize("place", ["path", "header"])
def test_a_secret_of_the_credential_cannot_be_asked_for(place: str) -> None:
    """No place in an argument is filled in with anything."""
    for text in ("{token}", "{{token}}", "${token}", "%(token)s"):
        target, headers, _ = arrived(place, "json", text)
        assert SECRET not in target + json.dumps(headers)
