"""From requests back to arguments: the inverse of rendering, and a refusal wherever there is none."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from console.core.errors import Invalid
from integrations.description import Description
from integrations.headers import says_nothing
from integrations.read_back import ANYWHERE, Understood, read_back
from integrations.recognise import Ambiguous, Heard, check_plain, has_fixed, how_exactly
from integrations.render import _climbs, render
from integrations.styles import PLACES
from integrations.wanted import Unread

STRING, INTEGER = {"type": "string"}, {"type": "integer"}


def described(method: str = "GET", path: str = "/things", **more: Any) -> Description:
    return Description("op", {"title": "Op", "effect": "write", "method": method, "path": path, **more})


def heard(method: str = "GET", url: str = "/things", body: bytes = b"", **headers: Any) -> Heard:
    path, _, query = url.partition("?")
    return Heard(method, path, query, [(name.replace("_", "-"), value) for name, value in headers.items()], body)


def as_heard(operation: Description, arguments: dict[str, Any], key: str = "k") -> Heard:
    made = render(operation, arguments, base_url=ANYWHERE, key=key)
    headers = [*made.headers, *([("Content-Type", made.content_type)] if made.content_type else [])]
    return Heard(made.method, made.path, made.query, headers, made.body)


SINGLE = [STRING, INTEGER, {"type": "boolean"}, {"type": "number"}]
# What a style has no way to tell apart is left out: `.` in a label, a space where spaces divide, commas in headers.
letters = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=".,;=%|+&/\\[]"), min_size=1,
                  max_size=8)  # fmt: skip
anything = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
OF_KIND: dict[str, st.SearchStrategy[Any]] = {
    "string": letters,
    "integer": st.integers(-(2**53), 2**53),
    "boolean": st.booleans(),
    "number": st.floats(allow_nan=False, allow_infinity=False),
}


@st.composite
def placed(draw: st.DrawFn) -> tuple[Description, dict[str, Any]]:
    """An operation with one argument in any place, style and shape, and a value for it."""
    place = draw(st.sampled_from(sorted(PLACES)))
    style = draw(st.sampled_from(PLACES[place]))
    inner = draw(st.sampled_from(SINGLE))
    one = OF_KIND[inner["type"]]
    shape = draw(st.sampled_from(["single", "list", "object"]))
    schema: dict[str, Any] = inner
    value = draw(one)
    if shape == "list":
        schema, value = {"type": "array", "items": inner}, draw(st.lists(one, min_size=1, max_size=4))
    elif shape == "object":
        schema = {"type": "object", "additionalProperties": inner}
        value = draw(st.dictionaries(letters, one, min_size=1, max_size=4))
    if style in ("label", "matrix") and inner["type"] == "number":
        assume(shape == "single")
    how: dict[str, Any] = {} if place == "cookie" else {"style": style}
    if place != "cookie" and style not in ("json", "deepObject"):
        how["explode"] = draw(st.booleans())
    more: dict[str, Any] = {"method": "POST", "body": "form"} if place == "body" else {}
    path = "/things/{x}" if place == "path" else "/things"
    return described(path=path, arguments={"x": {"in": place, "name": "x", "schema": schema, **how}}, **more), {
        "x": value
    }


@given(placed())
def test_what_was_rendered_is_read_back(given_: tuple[Description, dict[str, Any]]) -> None:
    operation, arguments = given_
    assert read_back(operation, as_heard(operation, arguments)).arguments == arguments


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(json_values, st.booleans())
def test_json_bodies_are_read_back(value: Any, whole: bool) -> None:
    argument = {"in": "body", "schema": {}, **({"whole": True} if whole else {})}
    operation = described("POST", body="json", arguments={"x": argument})
    assert read_back(operation, as_heard(operation, {"x": value})).arguments == {"x": value}


@given(anything, st.integers(-(2**53), 2**53), anything)
def test_several_places_at_once_are_read_back(text: str, number: int, other: str) -> None:
    operation = described(
        "POST", "/things/{id}.json/parts", body="form", fixed=[["Action", "Do it"]],
        arguments={"id": {"in": "path", "schema": STRING}, "q": {"in": "query", "name": "q[a]", "schema": STRING},
                   "n": {"in": "body", "name": "n[]", "schema": {"type": "array", "items": INTEGER}},
                   "o": {"in": "body", "schema": {"type": "object", "additionalProperties": STRING}}},
    )  # fmt: skip
    assume(text not in (".", ".."))
    assume(not text.endswith(".json"))
    assume(not _climbs(f"{text}.json"))  # that is refused, as other tests show
    arguments = {"id": text, "q": other, "n": [number, 1], "o": {text: other}}
    assert read_back(operation, as_heard(operation, arguments)).arguments == arguments


def test_text_and_bytes_are_read_back() -> None:
    for form, value in (("text", "<a>é</a>"), ("binary", "AP8=")):
        operation = described("PUT", body=form, arguments={"x": {"in": "body", "whole": True, "schema": STRING}})
        assert read_back(operation, as_heard(operation, {"x": value})).arguments == {"x": value}


QUERY: dict[str, Any] = {
    "limit": {"in": "query", "schema": INTEGER},
    "name": {"in": "query", "schema": STRING},
    "either": {"in": "query", "schema": {"anyOf": [{"type": "integer"}, {"type": "array", "items": INTEGER}]}},
    "when": {"in": "query", "style": "deepObject", "schema": {"anyOf": [
        INTEGER, {"type": "object", "properties": {"gte": INTEGER, "in": {"type": "array", "items": STRING}}}]}},
    "only": {"in": "query", "schema": {"enum": [1, "one"]}},
}  # fmt: skip
READ: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("limit=10&name=10", {"limit": 10, "name": "10"}),
    ("name=a+b%26c", {"name": "a b&c"}),
    ("name=a%20b:c", {"name": "a b:c"}),
    ("name=", {"name": ""}),
    ("either=1", {"either": 1}),
    ("either=1&either=2", {"either": [1, 2]}),
    ("when=7", {"when": 7}),
    ("when[gte]=7&when[in][0]=a&when[in][1]=b", {"when": {"gte": 7, "in": ["a", "b"]}}),
    ("when%5Bgte%5D=7", {"when": {"gte": 7}}),
    ("only=one", {"only": "one"}),
    ("only=1", {"only": 1}),
    ("name=x&limit=3", {"limit": 3, "name": "x"}),
]


@pytest.mark.parametrize(("query", "arguments"), READ)
def test_a_query_as_programs_write_it_is_understood(query: str, arguments: dict[str, Any]) -> None:
    assert read_back(described(arguments=QUERY), heard(url=f"/things?{query}")).arguments == arguments


@pytest.mark.parametrize(
    "query",
    ["limit=010", "limit=1.0", "limit=+1", "limit=1&limit=2", "unknown=1", "name", "limit=one", "name=a&name=a",
     "when[in][]=a", "when[in][1]=a&when[in][0]=b", "when[gte]=1&when[gte]=2", "when[gte=1", "when=7&when[gte]=7",
     "name=%zz", "name=%ff", "&", "limit=1&&name=a", "limit=", "whe%6e[gte]x=1"],
)  # fmt: skip
def test_a_query_of_two_meanings_is_refused(query: str) -> None:
    with pytest.raises(Unread):
        read_back(described(arguments=QUERY), heard(url=f"/things?{query}"))


def test_a_path_of_several_arguments_is_divided_only_where_it_can_be_in_one_way() -> None:
    operation = described(path="/{a}-{b}/{a}", arguments={
        "a": {"in": "path", "schema": STRING}, "b": {"in": "path", "schema": STRING}})  # fmt: skip
    assert read_back(operation, heard(url="/x-y/x")).arguments == {"a": "x", "b": "y"}
    for wrong in ("/x-y-z/x", "/x-y/z"):
        with pytest.raises(Unread):
            read_back(operation, heard(url=wrong))


BODIES: list[tuple[str, bytes]] = [
    ("application/json", b'{"a": 1, "a": 2}'), ("application/json", b"[1]"), ("application/json", b'{"b": 1}'),
    ("application/json", b'{"a": NaN}'), ("application/json", b'{"a": "\xff"}'), ("application/json", b'{"a": 1'),
    ("text/plain", b'{"a": 1}'), ("", b'{"a": 1}'), ("application/json; charset=utf-16", b'{"a": 1}'),
    ("multipart/form-data; boundary=x", b"--x--"), ("application/json", b"[" * 100_000),
    ("application/json", b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}"), ("application/json", b'{"a": 1e999}'),
    ("application/json", b'{"a": 0.12345678901234567890}'),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body"), BODIES)
def test_a_body_of_two_meanings_or_another_kind_is_refused(kind: str, body: bytes) -> None:
    operation = described("POST", body="json", arguments={"a": {"in": "body", "schema": {}}})
    with pytest.raises(Unread):
        read_back(operation, heard("POST", body=body, content_type=kind))


def test_a_body_where_there_is_none_is_refused() -> None:
    with pytest.raises(Unread):
        read_back(described(), heard(body=b"{}", content_type="application/json"))
    empty = described("POST", body="json", arguments={"a": {"in": "body", "schema": {}}})
    assert read_back(empty, heard("POST")).arguments == {}
    assert read_back(empty, heard("POST", body=b"{}", content_type="Application/JSON; charset=UTF-8")).arguments == {}


def test_bodies_of_several_parts_are_refused() -> None:
    operation = described("POST", body="multipart", arguments={"a": {"in": "body", "schema": STRING}})
    with pytest.raises(Unread):
        read_back(operation, as_heard(operation, {"a": "x"}))


HEADED: dict[str, Any] = {
    "version": {"in": "header", "name": "X-Version", "schema": INTEGER},
    "tags": {"in": "header", "name": "X-Tags", "schema": {"type": "array", "items": STRING}},
    "seen": {"in": "cookie", "schema": STRING},
    "match": {"in": "header", "name": "If-Match", "schema": STRING},
}  # fmt: skip


def test_headers_and_cookies_are_understood_and_what_is_not_described_is_left_out() -> None:
    given_ = heard(x_version="3", x_tags="a, b ,c", cookie="other=1; seen=a%20b", if_match='"e"', user_agent="sdk/1",
                   authorization="Bearer secret", accept="*/*")  # fmt: skip
    assert read_back(described(arguments=HEADED), given_).arguments == {
        "version": 3, "tags": ["a", "b", "c"], "seen": "a b", "match": '"e"'}  # fmt: skip


@pytest.mark.parametrize("headers", [{"x_version": "v3"}, {"x_tags": ""}, {"cookie": "seen=a; seen=b"},
                                     {"range": "bytes=0-1"}, {"X_HTTP_Method_Override": "DELETE"},
                                     {"content_encoding": "gzip"}, {"if_none_match": '"e"'}])  # fmt: skip
def test_headers_of_two_meanings_or_that_would_be_lost_are_refused(headers: dict[str, Any]) -> None:
    with pytest.raises(Unread):
        read_back(described(arguments=HEADED), heard(**headers))


@pytest.mark.parametrize(
    "name",
    ["Acme-Account", "X-Acme-User-Project", "Acme-Organization", "X-Acme-Target", "X-Tenant", "X-Team-Id", "Sudo",
     "X-On-Behalf-Of", "X-Client-Id", "X-Acme-Client-Context", "X-API-Key", "X-Original-URL", "X-Forwarded", "Version",
     "X-Acme-Client-Name", "Acme-Request-Id", "X-Forwarded-User", "X-Account-Real-Ip-Of"],
)  # fmt: skip
def test_a_header_that_nobody_knows_is_refused_by_name(name: str) -> None:
    """It may say whose account is meant."""
    given_ = Heard("GET", "/things", "", [(name, "v")], b"")
    with pytest.raises(Unread, match=f"no header '{name}'"):
        read_back(described(arguments=HEADED), given_)
    ignoring = described(arguments=HEADED, ignores=[name.upper()])
    assert read_back(ignoring, given_) == Understood({}, "")


ASIDE = """accept accept-encoding accept-language authorization b3 cache-control cdn-loop connection content-length
cookie countersign-says date expect forwarded host idempotency-key origin pragma prefer priority referer sec-fetch-site
te tracestate traceparent user-agent via x-acme-client-telemetry x-acme-client-user-agent x-acme-api-client x-acme-arch
x-acme-async x-acme-lang x-acme-os x-acme-package-version x-acme-read-timeout x-acme-retry-count x-acme-runtime
x-acme-runtime-version x-acme-trace-id x-b3-spanid x-correlation-id x-forwarded-for x-forwarded-proto x-real-ip
x-request-id"""


def test_headers_that_say_nothing_of_what_is_asked_for_are_left_out() -> None:
    given_ = Heard("GET", "/things", "", [(name, "v") for name in ASIDE.split()], b"")
    assert read_back(described(), given_) == Understood({}, "")


@given(st.text(st.characters(codec="ascii", categories=["Ll", "Nd"], include_characters="-"), max_size=30))
def test_no_header_that_names_an_account_is_left_out(around: str) -> None:
    for name in ("account", "organization", "project", "tenant", "workspace", "impersonate"):
        assert not says_nothing(f"x-{around}{name}")


def test_what_would_be_written_otherwise_is_refused() -> None:
    argument = {"in": "query", "style": "json", "schema": {"type": "object"}}
    operation = described(arguments={"x": argument})
    assert read_back(operation, heard(url='/things?x={"a":1}')).arguments == {"x": {"a": 1}}
    with pytest.raises(Unread, match="written otherwise"):
        read_back(operation, heard(url='/things?x={"a":+1}'))


def test_a_header_that_matters_is_given_once() -> None:
    twice = Heard("GET", "/things", "", [("X-Version", "3"), ("x-version", "3")], b"")
    with pytest.raises(Ambiguous):
        read_back(described(arguments=HEADED), twice)


@pytest.mark.parametrize(
    "path",
    ["/a%2Fb", "/a%2fb", "/a%5Cb", "/a\\b", "/../a", "/a/./b", "/%2e%2e/a", "/a%252Fb", "/a//b", "//a", "/a%00",
     "/a%0d%0aX-Evil:1", "/a%7f", "a", "", "/a b", "/é", "/a?b#c", "/" + "a" * 5_000, "/a\r\n"],
)  # fmt: skip
def test_a_path_that_servers_read_in_two_ways_is_refused(path: str) -> None:
    with pytest.raises(Ambiguous):
        check_plain(Heard("GET", path, "", [], b""))


@pytest.mark.parametrize("query", ["a=b c", "a=é", "a=\r\n", "a=\x00"])
def test_a_query_that_is_not_encoded_is_refused(query: str) -> None:
    with pytest.raises(Ambiguous):
        check_plain(Heard("GET", "/a", query, [], b""))


@pytest.mark.parametrize("path", ["/", "/a", "/a/", "/a/b:c@d,e;f=g", "/%C3%A9/x%20y", "/a..b"])
def test_a_plain_path_is_taken(path: str) -> None:
    check_plain(Heard("GET", path, "a=b%20c&d[e]=/f?", [], b""))


def test_what_a_path_says_itself_is_meant_before_an_argument() -> None:
    templates = ["/users/{id}", "/users/me", "/users/{id}.json", "/users/{id}/parts", "/{any}/me"]
    found = {one: how for one in templates if (how := how_exactly(one, "/users/me"))}
    assert max(found, key=lambda one: found[one]) == "/users/me"
    assert found.keys() == {"/users/{id}", "/users/me", "/{any}/me"}
    assert how_exactly("/users/{id}.json", "/users/7.json") == (2, 2, 1)
    assert how_exactly("/caf%C3%A9", "/caf%c3%a9") == (2, 2)


def test_operations_at_one_address_are_told_apart_by_what_they_always_say() -> None:
    by_query = {"fixed": [["Action", "List"], ["Version", "1"]]}
    by_body = {"body": {"form": "form", "fixed": [["Action", "List"]]}}
    assert has_fixed(by_query, heard(url="/?Version=1&Action=List&More=2"))
    assert not has_fixed(by_query, heard(url="/?Version=1&Action=Make"))
    assert has_fixed(by_body, heard(body=b"Action=List&x=1"))
    assert not has_fixed(by_body, heard(body=b"Action=Make"))
    assert not has_fixed(by_body, heard(body=b"\xff"))
    assert has_fixed({}, heard())


def test_the_key_of_the_request_is_ours_to_replace_and_the_agents_to_ask_by() -> None:
    in_header = described("POST", idempotency={"mode": "native_key", "header": "X-Key"})
    assert read_back(in_header, heard("POST", x_key="k1")) == Understood({}, "k1")
    in_json = described("POST", body="json", idempotency={"mode": "native_key", "body": "token"},
                        arguments={"a": {"in": "body", "schema": {}}})  # fmt: skip
    given_ = heard("POST", body=b'{"token": "k2", "a": 1}', content_type="application/json")
    assert read_back(in_json, given_) == Understood({"a": 1}, "k2")
    in_form = described("POST", body="form", idempotency={"mode": "native_key", "body": "token"},
                        arguments={"a": {"in": "body", "schema": INTEGER}})  # fmt: skip
    given_ = heard("POST", body=b"a=1&token=k3", content_type="application/x-www-form-urlencoded")
    assert read_back(in_form, given_) == Understood({"a": 1}, "k3")


def test_schemas_that_refer_to_each_other_in_circles_end() -> None:
    tree = {"oneOf": [{"$ref": "definitions#/T"}, {"$ref": "definitions#/T"}, {"type": "object", "properties": {
        "n": INTEGER, "t": {"$ref": "definitions#/T"}}}]}  # fmt: skip
    document = {**described().document, "arguments": {"t": {
        "in": "query", "style": "deepObject", "schema": {"$ref": "definitions#/T"}}}}  # fmt: skip
    operation = Description("op", document, {"T": tree})
    found = read_back(operation, heard(url="/things?t[n]=1&t[t][t][n]=2")).arguments
    assert found == {"t": {"n": 1, "t": {"t": {"n": 2}}}}


@given(st.binary(max_size=60), st.text(max_size=40), st.sampled_from(["json", "form", "text", "binary"]))
def test_whatever_comes_is_understood_or_refused(body: bytes, query: str, form: str) -> None:
    whole = {"whole": True} if form in ("text", "binary") else {}
    operation = described("POST", body=form, arguments={**QUERY, "x": {"in": "body", "schema": {}, **whole}})
    kind = {"json": "application/json", "form": "application/x-www-form-urlencoded", "text": "text/plain",
            "binary": "application/octet-stream"}[form]  # fmt: skip
    given_ = Heard("POST", "/things", query, [("Content-Type", kind)], body)
    try:
        check_plain(given_)
        understood = read_back(operation, given_)
    except Invalid:
        return
    made = render(operation, understood.arguments, base_url=ANYWHERE, key="k")
    assert read_back(operation, as_heard(operation, understood.arguments)) == understood
    assert urlsplit(made.url).path == "/things"
