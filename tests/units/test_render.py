"""From arguments to the bytes on the wire: what is digested is what is written."""
# ruff: noqa: E501  (a row of a table is one line)

import dataclasses
import ssl
from typing import Any

import httpcore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from console.core.errors import Invalid, Tampered
from integrations.description import Description
from integrations.injection import Injected
from integrations.outbound import _AgreedPool, _lines, _request
from integrations.render import Rendered, Tool, _climbs, render, request_digest
from integrations.styles import query_parts

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
plain = (
    text.filter(lambda said: said != "" and not _climbs(said))
    | st.integers()
    | st.booleans()
    | st.floats(allow_nan=False)
)
TLS = ssl.create_default_context()  # made once: reading all authorities takes longer than any of these tests
BASE = "http://127.0.0.1:4242/base"


def operation(method: str = "POST", body: str = "form", path: str = "/x/{p}/y") -> Description:
    return Description("op", {"title": "Op", "effect": "write", "method": method, "path": path, "body": body, "arguments": {
        "p": {"in": "path", "schema": {}}, "q": {"in": "query", "schema": {}}, "r": {"in": "query", "name": "r[a]", "schema": {}},
        "b": {"in": "body", "name": "meta[b]", "schema": {}}, "c": {"in": "body", "schema": {}},
        "h": {"in": "header", "name": "X-Version", "schema": {}}}})  # fmt: skip


def rendered(arguments: dict[str, Any], **given_: Any) -> Rendered:
    return render(operation(**given_), arguments, base_url=BASE, key="act_1")


class _Written(Exception):
    """The request passed the transport's check."""


def transport_lets_pass(request: httpcore.Request) -> bool:
    """Asks the real pool, with a network that stops at the first byte."""

    class Stop(httpcore.NetworkBackend):
        def connect_tcp(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
            raise _Written

    with _AgreedPool(ssl_context=TLS, network_backend=Stop()) as pool:
        try:
            pool.handle_request(request)
        except _Written:
            return True
        except Tampered:
            return False
    raise AssertionError("neither written nor refused")


def as_sent(given_: Rendered) -> httpcore.Request:
    return _request(given_, _lines(given_, {}), Injected(), given_.digest)


@given(plain, plain, plain, plain, st.sampled_from(["form", "json"]), st.sampled_from(["GET", "POST", "DELETE"]))
@example("a b", "%2F..%00", "+&=;", "é\U0001f600\u202e", "form", "POST")
@example("/.../etc", "?x#y", "\x00\n\r", "'\"<>", "json", "POST")
@example("...", "~-_.!*'()", "[]{}|\\^`", " ", "form", "GET")
def test_what_is_digested_is_what_the_transport_is_about_to_write(
    p: Any, q: Any, r: Any, b: Any, body: str, method: str
) -> None:
    agreed = rendered({"p": p, "q": q, "r": r, "b": b}, body=body, method=method)
    request = as_sent(agreed)
    assert (dict(request.headers)[b"Host"], request.url.target) == (b"127.0.0.1:4242", agreed.target.encode())
    assert transport_lets_pass(request)
    assert agreed.path.startswith("/base/x/")
    assert agreed.path.count("/") == 4


@given(plain, plain, st.sampled_from(["p", "q", "b"]))
def test_another_argument_is_another_digest(one: Any, other: Any, name: str) -> None:
    first, second = (rendered({"p": "x", name: value}) for value in (one, other))
    said = ["true" if v is True else "false" if v is False else str(v) for v in (one, other)]
    assert (first.digest == second.digest) == (said[0] == said[1])


PARTS: dict[str, Any] = {"method": "PUT", "scheme": "https", "host": "example.org", "port": 81, "path": "/base/x/b/y", "query": "q=2",
         "content_type": "text/plain", "headers": (("X-Version", "2"),), "body": b"other",
         "tool": Tool("send", "0" * 64)}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_request_is_in_the_digest(part: str) -> None:
    agreed = rendered({"p": "a", "q": 1, "b": "v", "h": 1})
    assert {field.name for field in dataclasses.fields(Rendered)} == {*PARTS, "template"}  # that one is not sent
    assert dataclasses.replace(agreed, **{part: PARTS[part]}).digest != agreed.digest


@pytest.mark.parametrize("part", PARTS)
def test_the_transport_refuses_a_request_of_which_any_part_was_changed(part: str) -> None:
    agreed = rendered({"p": "a", "q": 1, "b": "v", "h": 1})
    changed = as_sent(dataclasses.replace(agreed, **{part: PARTS[part]}))
    changed.extensions["countersign_digest"] = agreed.digest
    assert not transport_lets_pass(changed)


def test_fixed_fields_of_a_form_stand_ahead_of_all_others() -> None:
    told = {"form": "form", "fixed": [["Action", "a b"], ["V", "1"]]}
    fixed = Description("op", {**operation().document, "body": told})
    assert render(fixed, {"p": "a", "b": "v"}, base_url=BASE, key="k").body == b"Action=a+b&V=1&meta%5Bb%5D=v"
    alone = render(fixed, {"p": "a"}, base_url=BASE, key="k")
    assert (alone.content_type, alone.body) == ("application/x-www-form-urlencoded", b"Action=a+b&V=1")


def test_parts_cannot_borrow_from_each_other() -> None:
    assert request_digest("GET", "http", "h", 80, "/a", "b", "", (), b"") != request_digest(
        "GET", "http", "h", 80, "/ab", "", "", (), b""
    )


def test_the_order_of_the_query_is_that_of_the_description() -> None:
    assert rendered({"r": 2, "q": 1, "p": "a"}).query == rendered({"q": 1, "p": "a", "r": 2}).query == "q=1&r%5Ba%5D=2"


FORMS: list[tuple[Any, bytes]] = [
    ("a b", b"meta%5Bb%5D=a+b"), ("é", b"meta%5Bb%5D=%C3%A9"), (True, b"meta%5Bb%5D=true"), (12, b"meta%5Bb%5D=12"),
    ("a&c=d", b"meta%5Bb%5D=a%26c%3Dd"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "body"), FORMS)
def test_form_fields_are_encoded(value: Any, body: bytes) -> None:
    assert (rendered({"p": "a", "b": value}).content_type, rendered({"p": "a", "b": value}).body) == (
        "application/x-www-form-urlencoded", body)  # fmt: skip


def test_json_bodies_keep_types() -> None:
    assert (
        rendered({"p": "a", "b": {"x": [1, None]}, "c": "é"}, body="json").body
        == '{"meta[b]":{"x":[1,null]},"c":"é"}'.encode()
    )


@pytest.mark.parametrize("value", ["", ".", "..", None, [], {}, [".."]])
def test_a_path_argument_that_would_change_the_path_is_refused(value: Any) -> None:
    with pytest.raises(Invalid):
        rendered({"p": value})


@pytest.mark.parametrize("path", ["/{p}{q2}", "/a/{p}{q2}/b"])
def test_arguments_that_climb_only_together_are_refused(path: str) -> None:
    described = operation(path=path)
    described.document["arguments"]["q2"] = {"in": "path", "schema": {}}
    with pytest.raises(Invalid, match="would change the path"):
        render(described, {"p": ".", "q2": "."}, base_url=BASE, key="k")


@pytest.mark.parametrize(
    "value",
    ["../x", "a/../b", "a/..", "./a", "..%2f", "%2e%2e", "%2E%2E/x", "%252e%252e", "%25252e.", "..\\", "a\\..\\b", "..;/a",
     "a/%2e%2e;x=1/b", "..%5cx"],
)  # fmt: skip
def test_a_path_argument_that_some_servers_would_climb_by_is_refused(value: str) -> None:
    with pytest.raises(Invalid, match="would change the path"):
        rendered({"p": value})


@pytest.mark.parametrize("value", [".../x", "team/site", "a\\b", "..a", "a..", "1.5", "%2fa", "50%", "a;b=.."])
def test_a_path_argument_stays_one_segment(value: str) -> None:
    assert rendered({"p": value}).path.count("/") == 4
    assert transport_lets_pass(as_sent(rendered({"p": value})))


@pytest.mark.parametrize("base_url", ["ftp://h", "//h", "http://", "http://u:p@h", "http://h?x=1", "http://h#f", "h"])
def test_a_base_url_of_another_form_is_refused(base_url: str) -> None:
    with pytest.raises(Invalid, match="base URL"):
        render(operation(), {"p": "a"}, base_url=base_url, key="k")


def test_an_ipv6_address_keeps_its_brackets() -> None:
    given_ = render(operation(), {"p": "a"}, base_url="http://[::1]:81", key="k")
    assert (given_.url, transport_lets_pass(as_sent(given_))) == ("http://[::1]:81/x/a/y", True)


@pytest.mark.parametrize("base_url", ["http://H.Example", "https://h.example:443/", "http://h.example:80"])
def test_forms_of_the_same_base_url_are_written_as_agreed(base_url: str) -> None:
    given_ = render(operation(), {"p": "a"}, base_url=base_url, key="k")
    assert (given_.url.endswith("h.example/x/a/y"), transport_lets_pass(as_sent(given_))) == (True, True)


def test_the_key_is_part_of_what_is_agreed_where_it_travels_in_the_body() -> None:
    described = operation()
    described = Description("op", {**described.document, "idempotency": {"mode": "natural_key", "body": "meta[key]"}})
    one, other = (render(described, {"p": "a"}, base_url=BASE, key=key) for key in ("act_1", "act_2"))
    assert (one.body, one.digest != other.digest) == (b"meta%5Bkey%5D=act_1", True)


def spread(place: str, **more: Any) -> Description:
    """An object whose fields are written as arguments, beside an amount that a grant may limit."""
    arguments = {"extra": {"in": place, "schema": {}, "style": "form", "explode": True},
                 "amount": {"in": place, "schema": {}}}  # fmt: skip
    return Description("op", {"title": "Op", "effect": "write", "method": "POST", "path": "/x", "arguments": arguments,
                              **more})  # fmt: skip


SPELLINGS = ("amount", "Amount", "AMOUNT", "amount[]", "amount[x]", " amount", "amount ")


@pytest.mark.parametrize("place", ["query", "body"])
@pytest.mark.parametrize("given_", [{}, {"amount": 5}])
@pytest.mark.parametrize("name", [*SPELLINGS, "Action", "action"])
def test_a_field_of_an_object_never_stands_for_another_argument(name: str, given_: dict[str, Any], place: str) -> None:
    fixed = (
        {"fixed": [["Action", "Look"]]}
        if place == "query"
        else {"body": {"form": "form", "fixed": [["Action", "Look"]]}}
    )
    described = spread(place, **fixed)
    with pytest.raises(Invalid, match="another argument"):
        render(described, {"extra": {name: 9_999}, **given_}, base_url=BASE, key="act_1")
    render(described, {"extra": {"note": 1}, **given_}, base_url=BASE, key="act_1")


@pytest.mark.parametrize("name", ["unit_amount", " unit.amount", "unit[amount", "Unit Amount", "unit_amount[0]"])
def test_nor_does_one_that_lenient_servers_take_for_it(name: str) -> None:
    arguments = {"extra": {"in": "body", "schema": {}, "style": "form", "explode": True},
                 "unit_amount": {"in": "body", "schema": {}}}  # fmt: skip
    described = spread("body", arguments=arguments, body={"form": "form"})
    with pytest.raises(Invalid, match="another argument"):
        render(described, {"extra": {name: 9_999}, "unit_amount": 5}, base_url=BASE, key="act_1")
    render(described, {"extra": {"unit": 1, "amount": 1}, "unit_amount": 5}, base_url=BASE, key="act_1")


@pytest.mark.parametrize("form", ["form", "multipart"])
def test_a_body_given_whole_replaces_nothing_that_is_fixed_and_not_the_key(form: str) -> None:
    arguments = {"all": {"in": "body", "whole": True, "schema": {}}}
    described = Description("op", {
        "title": "Op", "effect": "write", "method": "POST", "path": "/x", "arguments": arguments,
        "body": {"form": form, "fixed": [["Action", "Look"]]}, "idempotency": {"mode": "client_id", "body": "Token"},
    })  # fmt: skip
    for name in ("Action", "action", "Action[0]", "token"):
        with pytest.raises(Invalid, match="another argument"):
            render(described, {"all": {name: "x"}}, base_url=BASE, key="act_1")
    body = render(described, {"all": {"Token": "mine", "a": "b"}}, base_url=BASE, key="act_1").body
    assert (b"act_1" in body, b"mine" in body) == (True, False)


@given(text, text)
def test_a_reserved_value_makes_no_other_argument_and_no_other_item(one: str, other: str) -> None:
    for value, explode in ((one, True), ([one, other], False), ([one, other], True)):
        parts = query_parts("at", value, explode=explode, reserved=True)
        assert len(parts) == (2 if value != one and explode else 1)
        for part in parts:
            assert part.startswith("at=")
            assert not set(part.removeprefix("at=")) & set("&#;+ ")
        if not explode and value != one:
            assert parts[0].count(",") == 1
