"""Reading OpenAPI documents: what strangers write becomes descriptions, or a reason why not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.errors import Invalid
from integrations.description import Description
from integrations.openapi.naming import argument_slugs, operation_slugs, slug
from integrations.openapi.operations import Imported, import_document
from integrations.openapi.proposals import propose
from integrations.openapi.reading import MAX_BYTES, check_version, read
from integrations.openapi.report import Problem
from integrations.render import Rendered, render

BASE = "https://api.example.com/v1"


def document(paths: dict[str, Any], version: str = "3.0.3", **more: Any) -> dict[str, Any]:
    return {"openapi": version, "info": {"title": "Pets", "version": "7"}, "paths": paths, **more}


def imported(paths: dict[str, Any], **more: Any) -> Imported:
    return import_document(document(paths, **more))


def only(paths: dict[str, Any], **more: Any) -> Description:
    found = imported(paths, **more)
    ((name, made),) = found.operations.items()
    return Description(name, made, found.definitions)


def called(paths: dict[str, Any], arguments: dict[str, Any], **more: Any) -> Rendered:
    described = only(paths, **more)
    described.check_arguments(arguments)
    return render(described, arguments, base_url=BASE, key="act_1")


def body(schema: Any, media_type: str = "application/json", **more: Any) -> dict[str, Any]:
    return {"requestBody": {"content": {media_type: {"schema": schema}}, **more}}


# Reading


def test_json_and_yaml_are_one_document() -> None:
    given_ = document({"/pets": {"get": {"responses": {"200": {"description": "2026-11-20"}}}}})
    as_yaml = """
openapi: 3.0.3
info: {title: Pets, version: "7"}
paths:
  /pets:
    get:
      responses:
        200: {description: 2026-11-20}
"""
    assert read(json.dumps(given_).encode()) == read(b"\xef\xbb\xbf" + as_yaml.encode()) == given_


REFUSED: dict[bytes, str] = {
    b"": "it is no object",
    b"[1]": "it is no object",
    b"\xff": "not UTF-8",
    b"{": "This is not JSON",
    b"a: [": "line 2: ",
    b"a: !!int x": "not what its tag",
    b"a: !!python/object:os.system {}": "could not determine a constructor",
    b"[" * 100_000: "nested too deeply",
    b"a: " + b"[" * 100_000: "nested too deeply",
    b"a: " + b"{b: " * 50_000: "nested too deeply",
    b"a: &a [*a]": "values; ",
    b"\n".join([b"a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
               + [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 9)]): "values; ",
}  # fmt: skip


@pytest.mark.parametrize("data", REFUSED)
def test_what_is_no_document_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(Invalid, match=REFUSED[data]):
        read(data)


def test_too_large_a_document_is_refused_unread() -> None:
    with pytest.raises(Invalid, match="is the most"):
        read(b" " * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("given_", "says"), [({"swagger": "2.0"}, "Convert it"), ({"openapi": "4.0"}, "'4.0'"), ({}, "''")]
)
def test_other_versions_are_refused(given_: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        check_version(given_)


WORDS = st.sampled_from([
    "paths", "/a", "/a/{b}", "get", "post", "parameters", "requestBody", "content", "application/json", "schema",
    "$ref", "in", "name", "path", "type", "properties", "required", "allOf", "items", "components", "schemas", "enum",
    "servers",
])  # fmt: skip


def holding(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), holding, max_leaves=30))
def test_rubbish_never_fails_the_import(rubbish: Any) -> None:
    import_document(
        {"paths": {"/a/{b}": {"get": rubbish, "parameters": [rubbish]}, "/c": rubbish}, "components": rubbish}
    )


# Operations


def test_an_operation_is_described() -> None:
    parameters = [
        {"name": "petId", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Which"},
        {"name": "tags", "in": "query", "explode": False, "schema": {"type": "array", "items": {"type": "string"}}},
        {"name": "X-Version", "in": "header", "schema": {"type": "integer"}},
        {"name": "Accept", "in": "header", "schema": {"type": "string"}},
    ]
    properties = {"name": {"type": "string", "nullable": True}, "id": {"type": "string", "readOnly": True},
                  "pet_id": {"type": "integer", "minimum": 0, "exclusiveMinimum": True}}  # fmt: skip
    pet = {"type": "object", "required": ["name", "id"], "properties": properties}
    patch = {"operationId": "updatePet", "tags": ["pets"], "summary": "Change a pet", **body(pet, required=True)}
    described = only({"/pets/{petId}": {"parameters": parameters, "patch": patch}})
    assert (described.slug, dict(described.document)) == ("update_pet", {
        "title": "Change a pet", "effect": "write", "categories": ["other"], "trust": "imported", "method": "PATCH",
        "path": "/pets/{petId}", "body": {"form": "json", "type": "application/json", "required": True},
        "arguments": {
            "pet_id": {"in": "path", "name": "petId", "required": True,
                       "schema": {"description": "Which", "type": "string"}},
            "tags": {"in": "query", "name": "tags", "explode": False,
                     "schema": {"type": "array", "items": {"type": "string"}}},
            "x_version": {"in": "header", "name": "X-Version", "schema": {"type": "integer"}},
            "name": {"in": "body", "name": "name", "required": True, "schema": {"type": ["null", "string"]}},
            "pet_id_body": {"in": "body", "name": "pet_id", "schema": {"type": "integer", "exclusiveMinimum": 0}},
        },
    })  # fmt: skip


def test_it_is_called_as_described() -> None:
    paths = {"/pets/{petId}": {"post": {"parameters": [
        {"name": "petId", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "filter", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
        {"name": "X-Version", "in": "header", "schema": {"type": "integer"}},
        {"name": "session", "in": "cookie", "schema": {"type": "string"}},
    ], **body({"type": "object", "properties": {"name": {"type": "string"}}})}}}  # fmt: skip
    arguments = {"pet_id": "a/b", "filter": {"age": {"min": 1}}, "x_version": 2, "session": "s", "name": "é"}
    made = called(paths, arguments)
    assert (made.url, made.headers, made.content_type, made.body) == (
        "https://api.example.com/v1/pets/a%2Fb?filter[age][min]=1", (("X-Version", "2"), ("Cookie", "session=s")),
        "application/json", '{"name":"é"}'.encode(),
    )  # fmt: skip


def test_parameters_of_the_path_are_overridden_by_those_of_the_operation() -> None:
    def parameter(kind: str) -> dict[str, Any]:
        return {"name": "id", "in": "query", "schema": {"type": kind}}

    described = only({"/a": {"parameters": [parameter("string")], "get": {"parameters": [parameter("integer")]}}})
    assert described.arguments["id"]["schema"] == {"type": "integer"}


def test_what_the_path_holds_beside_the_path_is_sent_or_told() -> None:
    described = only({"/?Action=ListUsers&Version=2#v2": {"get": {}}})
    assert (described.document["path"], described.document["fixed"]) == (
        "/",
        [["Action", "ListUsers"], ["Version", "2"]],
    )
    assert render(described, {}, base_url=BASE, key="").url == f"{BASE}/?Action=ListUsers&Version=2"


def test_two_operations_that_only_a_fragment_tells_apart_are_two() -> None:
    found = imported({"/files/{id}": {"put": {}}, "/files/{id}#add": {"put": {}}})
    assert sorted(found.keys.values()) == ["PUT /files/{id}", "PUT /files/{id}#add"]
    assert len(found.operations) == 2


def test_placeholders_that_nobody_described_are_text() -> None:
    found = imported({"/a/{b}": {"get": {}}})
    (made,) = found.operations.values()
    assert made["arguments"] == {
        "b": {"in": "path", "name": "b", "required": True, "schema": {"type": "string", "minLength": 1}}}  # fmt: skip
    assert found.report.notes == [Problem("GET /a/{b}", "parameter", "{b} is not described; it is text")]


def test_one_bad_operation_is_left_out_with_its_reason() -> None:
    found = imported({"/a/{b": {"get": {}}, "/c": {"get": {"parameters": [{"$ref": "#/nowhere"}]}, "trace": {}},
                      "/d": {"$ref": "https://example.com/other.json"}, "/e": {"get": {}}})  # fmt: skip
    assert [*found.keys.values()] == ["GET /e"]
    assert found.report.operations == 3
    assert found.report.left_out == [
        Problem("TRACE /c", "method", "TRACE is not supported: it gives back what was sent"),
        Problem("/d", "reference", "'https://example.com/other.json' is not in this document"),
        Problem("GET /a/{b", "path", "the braces of its path do not match"),
        Problem("GET /c", "reference", "'#/nowhere' leads nowhere"),
    ]


def test_a_document_cannot_say_where_secrets_go() -> None:
    variables = {"region": {"default": "eu"}, "path": {"default": "v1"}}
    servers = [{"url": "https://{region}.example.com/{path}", "variables": variables}]
    found = imported({"/a": {"get": {"servers": [{"url": "https://evil.example"}]}}}, servers=servers)
    assert found.servers == ["https://eu.example.com/v1"]
    described = Description("a", found.operations["get_a"])
    assert render(described, {}, base_url=BASE, key="").url == f"{BASE}/a"
    assert [problem.code for problem in found.report.notes] == ["server"]


# Bodies


FORMS: dict[str, tuple[Any, dict[str, Any], str, bytes]] = {
    "form": ({"type": "object", "properties": {"a": {"type": "object"}, "b": {"type": "array", "items": {}}}},
             {"a": {"x": 1}, "b": [1, 2]}, "application/x-www-form-urlencoded", b"a=%7B%22x%22%3A1%7D&b=1&b=2"),
    "whole": ({"type": "array", "items": {"type": "integer"}}, {"body": [1]}, "application/json", b"[1]"),
    "whole form": ({"allOf": [{"type": "object"}]}, {"body": {"a": 1, "b": {"c": 2}}},
                   "application/x-www-form-urlencoded", b"a=1&b=%7B%22c%22%3A2%7D"),
    "merge patch": ({"type": "object", "properties": {"a": {}}}, {"a": None}, "application/merge-patch+json",
                    b'{"a":null}'),
    "text": ({"type": "object"}, {"body": "<a/>"}, "application/xml", b"<a/>"),
    "file": ({"type": "string", "format": "binary"}, {"body": "aGk="}, "image/png", b"hi"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_bodies_are_written_in_their_form(name: str) -> None:
    schema, arguments, media_type, written = FORMS[name]
    made = called({"/a": {"post": body(schema, media_type)}}, arguments)
    assert (made.content_type, made.body) == (media_type, written)


def test_a_body_in_parts_is_an_object() -> None:
    paths = {"/a": {"post": body({"oneOf": [{"type": "object"}, {"type": "string"}]}, "multipart/form-data")}}
    assert b'name="a"\r\n\r\n1\r\n' in called(paths, {"body": {"a": 1}}).body
    with pytest.raises(Invalid, match="is not an object"):
        called(paths, {"body": "text"})


def test_the_encoding_of_a_form_says_how_objects_are_written() -> None:
    content = {"schema": {"type": "object", "properties": {"a": {"type": "object"}}},
               "encoding": {"a": {"style": "deepObject", "explode": True}}}  # fmt: skip
    made = called({"/a": {"post": {"requestBody": {"content": {"application/x-www-form-urlencoded": content}}}}},
                  {"a": {"b": {"c": "d"}}})  # fmt: skip
    assert made.body == b"a[b][c]=d"


def test_a_body_that_has_to_be_there_is_sent_without_fields() -> None:
    paths = {"/a": {"post": body({"type": "object", "properties": {"b": {"type": "string"}}}, required=True)}}
    assert called(paths, {}).body == b"{}"


def test_a_field_that_is_required_and_not_described_can_be_given() -> None:
    hook = body({"type": "object", "required": ["to"], "properties": {"events": {"type": "string"}}}, required=True)
    rendered = called({"/hooks": {"post": hook}}, {"events": "all", "to": "https://example.com"})
    assert json.loads(rendered.body) == {"events": "all", "to": "https://example.com"}
    with pytest.raises(Invalid, match="needs the argument 'to'"):
        called({"/hooks": {"post": hook}}, {"events": "all"})


def test_a_field_that_only_answers_hold_is_none_also_where_a_reference_says_so() -> None:
    schemas = {"Id": {"type": "string", "readOnly": True}, "Name": {"type": "string"}}
    properties = {"id": {"$ref": "#/components/schemas/Id"}, "name": {"$ref": "#/components/schemas/Name"}}
    pet = {"type": "object", "required": ["id", "name"], "properties": properties}
    described = only({"/pets": {"post": body(pet, required=True)}}, components={"schemas": schemas})
    assert described.arguments.keys() == {"name"}


def test_the_body_of_a_get_that_need_not_be_there_is_not() -> None:
    assert "body" not in only({"/a": {"get": body({"type": "object", "properties": {"b": {}}})}}).document


# Schemas


def test_cyclic_schemas_are_checked_to_any_depth() -> None:
    nodes = {"type": "array", "items": {"$ref": "#/components/schemas/No~1de 1"}}
    node = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "children": nodes}}
    described = only({"/a": {"post": body(nodes)}}, components={"schemas": {"No/de 1": node}})
    described.check_arguments({"body": [{"name": "a", "children": [{"name": "b"}]}]})
    with pytest.raises(Invalid, match="'name' is a required property"):
        described.check_arguments({"body": [{"name": "a", "children": [{}]}]})


def test_a_schema_that_only_leads_to_itself_ends() -> None:
    circle = {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}}
    described = only({"/a": {"post": body({"$ref": "#/components/schemas/A"})}}, components={"schemas": circle})
    with pytest.raises(Invalid, match="its schema has no end"):
        described.check_arguments({"body": 1})


CONVERTED: list[tuple[Any, Any]] = [
    ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["null", "string"], "enum": ["a", None]}),
    ({"nullable": True, "allOf": [{"type": "string"}]}, {"anyOf": [{"allOf": [{"type": "string"}]}, {"type": "null"}]}),
    ({"type": "integer", "maximum": 2**63 - 1, "minimum": 0}, {"type": "integer", "minimum": 0}),
    ({"type": "number", "minimum": 1, "exclusiveMinimum": False}, {"type": "number", "minimum": 1}),
    ({"type": "number", "exclusiveMaximum": 5}, {"type": "number", "exclusiveMaximum": 5}),
    ({"type": "string", "pattern": "(a+)+$"}, {"type": "string", "x-pattern": "(a+)+$"}),
    ({"type": "string", "enum": [False, "yes"]}, {"type": "string"}),
    ({"type": "Integer"}, {"type": "integer"}),
    ({"type": "file"}, {"type": "string"}),
    ({"type": "object", "required": True, "properties": []}, {"type": "object"}),
    ({"type": "object", "required": ["a", "b", "a"], "properties": {"b": {"readOnly": True}}},
     {"type": "object", "properties": {"b": {"readOnly": True}}, "required": ["a"]}),
    ({"discriminator": {"propertyName": "x"}, "example": 1, "xml": {}, "type": None}, {}),
    ({"minLength": -1, "multipleOf": 0, "maxItems": "3"}, {}),
    ("rubbish", {}),
]  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), CONVERTED)
def test_schemas_are_read_as_they_are_meant(written: Any, meant: Any) -> None:
    assert only({"/a": {"get": {"parameters": [{"name": "q", "in": "query", "schema": written}]}}}).arguments["q"][
        "schema"] == meant  # fmt: skip


# Names


def test_names_stay_whatever_the_order() -> None:
    operations = [("GET /a/b", "a/b", "/a/b"), ("GET /a-b", "a-b", "/a-b"), ("GET /c", "", "/c")]
    there = operation_slugs(operations, {})
    assert operation_slugs(operations[::-1], {}) == there
    assert (there["GET /c"], len(set(there.values()))) == ("get_c", 3)
    assert operation_slugs([*operations, ("POST /c", "get_c", "/c")], there) == there | {
        "POST /c": operation_slugs([("POST /c", "get_c", "/c")], {"GET /c": "get_c"})["POST /c"]}  # fmt: skip


@given(st.text(max_size=80))
def test_slugs_are_slugs(text: str) -> None:
    assert slug(text)[0] in "abcdefghijklmnopqrstuvwxyz"
    assert set(slug(text)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert len(slug(text)) <= 64


@given(
    st.lists(
        st.tuples(st.sampled_from(["path", "query", "header", "body"]), st.text("aA_-1", max_size=70)), unique=True
    )
)
def test_arguments_have_names_of_their_own(names: list[tuple[str, str]]) -> None:
    chosen = argument_slugs(names)
    assert len(set(chosen)) == len(names)
    assert all(len(one) <= 64 for one in chosen)


# Proposals


PROPOSED: list[tuple[str, str, str, str, str]] = [  # method, name, about, effect, categories
    ("GET", "list customers", "", "read", "personal_data"),
    ("GET", "delete session", "", "destructive", "security"),
    ("POST", "search pets", "", "write", "other"),
    ("POST", "create refund", "payments", "write", "financial"),
    ("POST", "cancel subscription", "", "destructive", "financial"),
    ("DELETE", "", "repos keys", "destructive", "code_change security"),
    ("PUT", "set policy", "", "write", "security"),
]


@pytest.mark.parametrize(("method", "name", "about", "effect", "categories"), PROPOSED)
def test_what_an_operation_does_is_proposed_with_care(
    method: str, name: str, about: str, effect: str, categories: str
) -> None:
    made = propose(method, name.split(), about.split())
    assert (made.effect, made.categories) == (effect, categories.split())


@pytest.mark.parametrize(
    ("path", "identity", "effect"),
    [
        ("/#Action=RunInstances", "GET_RunInstances", "write"),
        ("/#Action=TerminateInstances", "GET_TerminateInstances", "destructive"),
        ("/?Action=AssociateAddress", "GET_AssociateAddress", "write"),
        ("/?Action=AssociateAddress", "AssociateAddress", "write"),
        ("/?Action=DescribeInstances", "GET_DescribeInstances", "read"),
        ("/?Action=GetRunStatus", "GetRunStatus", "read"),
        ("/addresses/{id}", "associateAddress", "read"),
    ],
)
def test_one_of_many_actions_at_one_address_is_a_read_only_where_its_name_says_so(
    path: str, identity: str, effect: str
) -> None:
    found = imported({path: {"get": {"operationId": identity}}})
    ((_, made),) = found.operations.items()
    assert made["effect"] == effect
    assert found.report.counted["effect"] == (effect != "read")
