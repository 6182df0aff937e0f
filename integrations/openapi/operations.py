"""The operations of an OpenAPI document, each as a description of ours or as a problem with its reason."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from integrations.openapi.naming import argument_slugs, operation_slugs, words
from integrations.openapi.proposals import propose
from integrations.openapi.report import Report
from integrations.openapi.schemas import Schemas, Unresolved, follow, is_read_only

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
MOST_FIELDS = 200  # of a body that become arguments of their own
LONGEST_TITLE = 200
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_RESERVED = {"accept", "content-type", "authorization"}  # OpenAPI: such header parameters are to be ignored
_STYLES = {"path": ("simple", "label", "matrix"), "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
           "header": ("simple",), "cookie": ("form",)}  # fmt: skip


class Unusable(Exception):
    """Why an operation cannot be called, with the code of its kind."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Found(NamedTuple):
    key: str  # `GET /customers/{id}`: what it is in this document
    method: str
    path: str
    item: Mapping[str, Any]
    operation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Imported:
    """`operations` by slug, as documents of descriptions. Their schemas refer to `definitions` by `definitions#/NAME`.
    `servers` and `security` are what the document proposes; a person binds."""

    title: str
    version: str
    operations: dict[str, dict[str, Any]]
    definitions: dict[str, Any]
    keys: dict[str, str]  # of operations, by slug
    identities: dict[str, str]  # their operationIds, by slug; "" where there is none
    servers: list[str]
    security: dict[str, dict[str, Any]]
    report: Report = field(default_factory=Report)


def import_document(document: Mapping[str, Any], known: Mapping[str, str] | None = None) -> Imported:
    """`known` are the slugs of an earlier import, by key: they stay. Never raises for what a document says."""
    report = Report()
    schemas = Schemas(document, report)
    found = list(_found(document, report))
    slugs = operation_slugs([(one.key, _text(one.operation, "operationId"), one.path) for one in found], known or {})
    operations: dict[str, dict[str, Any]] = {}
    keys: dict[str, str] = {}
    identities: dict[str, str] = {}
    for one in found:
        report.operations += 1
        slug = slugs[one.key]
        try:
            operations[slug] = _describe(one, document, schemas, report)
            keys[slug], identities[slug] = one.key, _text(one.operation, "operationId")
        except (Unusable, Unresolved) as reason:
            report.leave_out(one.key, getattr(reason, "code", "reference"), str(reason))
    information = document.get("info")
    title = _text(information, "title") if isinstance(information, Mapping) else ""
    version = _text(information, "version") if isinstance(information, Mapping) else ""
    servers = _server_list(document.get("servers"))
    return Imported(title, version, operations, schemas.definitions, keys, identities, servers, _security(document),
                    report)  # fmt: skip


def _found(document: Mapping[str, Any], report: Report) -> Iterator[Found]:
    paths = document.get("paths")
    for path, given in paths.items() if isinstance(paths, Mapping) else ():
        if path.startswith("x-"):
            continue
        try:
            item = follow(document, given)
        except Unresolved as fault:
            report.leave_out(path, "reference", str(fault))
            continue
        if not isinstance(item, Mapping):
            report.leave_out(path, "path", "this is no object")
            continue
        for method in METHODS:
            if isinstance(item.get(method), Mapping):
                yield Found(f"{method.upper()} {path}", method.upper(), path, item, item[method])
        if "trace" in item:
            report.leave_out(f"TRACE {path}", "method", "TRACE is not supported: it gives back what was sent")


def _describe(one: Found, document: Mapping[str, Any], schemas: Schemas, report: Report) -> dict[str, Any]:
    template, fixed = _address(one, report)
    parameters = [*_parameters(one, document, template, schemas, report)]
    body, fields = _body(one, document, schemas, report)
    arguments = parameters + fields
    names = argument_slugs([(str(argument["in"]), str(argument["name"])) for argument in arguments])
    summary = _text(one.operation, "summary") or _text(one.operation, "operationId") or one.key
    tags = one.operation.get("tags")
    about = [word for text in (template, *(tags if isinstance(tags, list) else [])) for word in words(str(text))]
    name = words(_text(one.operation, "operationId").removeprefix(f"{one.method}_") or summary)
    proposal = propose(one.method, name, about, one_of_many="#" in one.path or bool(fixed))
    if proposal.doubt:
        report.note(one.key, "effect", f"{proposal.doubt}; say what it does")
    if servers := one.operation.get("servers") or one.item.get("servers"):
        report.note(one.key, "server", f"is served elsewhere: {_server_list(servers)[:3]}")
    described: dict[str, Any] = {
        "title": summary.strip()[:LONGEST_TITLE] or one.key[:LONGEST_TITLE], "effect": proposal.effect,
        "categories": proposal.categories, "trust": "imported", "method": one.method, "path": template,
    }  # fmt: skip
    if fixed:
        described["fixed"] = fixed
    if body:
        described["body"] = body
    if arguments:
        described["arguments"] = dict(zip(names, arguments, strict=True))
    return described


def _address(one: Found, report: Report) -> tuple[str, list[list[str]]]:
    """The template, and query parameters that belong to the path, as in `/?Action=ListUsers`. A fragment only tells
    operations apart."""
    template, _, fragment = one.path.partition("#")
    template, query = _split_query(template)
    if not template.startswith("/"):
        report.note(one.key, "path", "does not begin with a slash; one was added")
        template = f"/{template}"
    if fragment:
        report.note(one.key, "fragment", "has a fragment, which is not sent")
    if template.count("{") != template.count("}") or "{}" in template:
        raise Unusable("path", "the braces of its path do not match")
    return template, [[name, value] for name, value in parse_qsl(query, keep_blank_values=True)]


def _split_query(path: str) -> tuple[str, str]:
    """At the first question mark that is not part of a placeholder."""
    depth = 0
    for at, letter in enumerate(path):
        depth += (letter == "{") - (letter == "}")
        if letter == "?" and depth == 0:
            return path[:at], path[at + 1 :]
    return path, ""


def _parameters(
    one: Found, document: Mapping[str, Any], template: str, schemas: Schemas, report: Report
) -> Iterator[dict[str, Any]]:
    given: dict[tuple[str, str], Mapping[str, Any]] = {}
    for listed in (one.item.get("parameters"), one.operation.get("parameters")):
        for reference in listed if isinstance(listed, list) else ():
            parameter = follow(document, reference)
            if isinstance(parameter, Mapping) and isinstance(parameter.get("name"), str):
                place, name = str(parameter.get("in")), parameter["name"]
                given[place, name.lower() if place == "header" else name] = parameter
            else:
                report.note(one.key, "parameter", "has a parameter that is none")
    placeholders = dict.fromkeys(_PLACEHOLDER.findall(template))
    for (place, _), parameter in given.items():
        name = parameter["name"]
        if place == "path" and name not in placeholders:
            report.note(one.key, "parameter", f"the path has no {{{name}}}; the parameter is left out")
        elif place not in _STYLES:
            report.note(one.key, "parameter", f"{name} is in {place!r:.40}, which is no place; it is left out")
        elif place == "header" and name.lower() in _RESERVED:
            report.note(one.key, "parameter", f"the header {name} is not for callers to set")
        else:
            placeholders.pop(name, None) if place == "path" else None
            yield _parameter(one, place, name, parameter, schemas, report)
    for name in placeholders:
        report.note(one.key, "parameter", f"{{{name}}} is not described; it is text")
        yield {"in": "path", "name": name, "required": True, "schema": {"type": "string", "minLength": 1}}


def _parameter(
    one: Found, place: str, name: str, parameter: Mapping[str, Any], schemas: Schemas, report: Report
) -> dict[str, Any]:
    made: dict[str, Any] = {"in": place, "name": name}
    if parameter.get("required") is True or place == "path":
        made["required"] = True
    content = parameter.get("content")
    if isinstance(content, Mapping) and content:
        media = next(iter(content.values()))
        schema = media.get("schema", {}) if isinstance(media, Mapping) else {}
        made["style"] = "json"
    else:
        schema = parameter.get("schema", {})
        default = _STYLES[place][0]
        style = parameter.get("style", default)
        if style not in _STYLES[place]:
            report.note(one.key, "style", f"{name} has the style {style!r:.40}, which {place} has not")
            style = default
        if style != default:
            made["style"] = style
        if type(parameter.get("explode")) is bool and parameter["explode"] != (style in ("form", "deepObject")):
            made["explode"] = parameter["explode"]
        if parameter.get("allowReserved") is True and place == "query":
            made["reserved"] = True
    made["schema"] = schemas.convert(schema, one.key)
    if isinstance(parameter.get("description"), str) and isinstance(made["schema"], dict):
        made["schema"] = {"description": parameter["description"][:500], **made["schema"]}
    return made


def _body(
    one: Found, document: Mapping[str, Any], schemas: Schemas, report: Report
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """How it is written, and its arguments: the fields of an object, or one that is the whole."""
    request = follow(document, one.operation.get("requestBody"))
    content = request.get("content") if isinstance(request, Mapping) else None
    if not isinstance(content, Mapping) or not content:
        return None, []
    required = request.get("required") is True
    media_type, form = _chosen(content)
    media = content[media_type]
    given = media.get("schema", {}) if isinstance(media, Mapping) else {}
    if one.method in ("GET", "HEAD") and not required:
        if _fields_of(given, document) != {}:
            report.note(one.key, "body", f"the body of {one.method} is left out; it is not needed")
        return None, []
    body: dict[str, Any] = {"form": form, "type": media_type.partition(";")[0].strip().lower()}
    if "*" in body["type"]:
        body["type"] = "application/json" if form == "json" else "application/octet-stream"
    if required:
        body["required"] = True
    fields = _fields_of(given, document) if form in ("json", "form", "multipart") else None
    if fields is None or len(fields) > MOST_FIELDS:
        whole: dict[str, Any] = {"in": "body", "name": "body", "whole": True}
        if required:
            whole["required"] = True
        schema = {"type": "string"} if form in ("text", "binary") else schemas.convert(given, one.key)
        return body, [whole | {"schema": schema}]
    object_ = follow(document, given)
    converted = schemas.convert({"type": "object", "properties": fields, "required": object_.get("required")}, one.key)
    needed = converted.get("required", [])
    encoding = media.get("encoding") if isinstance(media, Mapping) else None
    return body, [
        _field(name, schema, name in needed and required, encoding) for name, schema in converted["properties"].items()
    ] if fields else []


def _field(name: str, schema: Any, required: bool, encoding: object) -> dict[str, Any]:
    made: dict[str, Any] = {"in": "body", "name": name}
    if required:
        made["required"] = True
    told = encoding.get(name) if isinstance(encoding, Mapping) else None
    if isinstance(told, Mapping):
        if told.get("style") in _STYLES["query"]:
            made["style"] = told["style"]
        if type(told.get("explode")) is bool:
            made["explode"] = told["explode"]
        if isinstance(told.get("contentType"), str):
            made["type"] = told["contentType"].partition(",")[0].strip()
    return made | {"schema": schema}


def _chosen(content: Mapping[str, Any]) -> tuple[str, str]:
    """The media type of those offered that we write best, and its form."""

    def form(media_type: str) -> str:
        bare = media_type.partition(";")[0].strip().lower()
        if bare.endswith(("/json", "+json")) or bare in ("*/*", "application/*"):
            return "json"
        if bare == "application/x-www-form-urlencoded":
            return "form"
        if bare == "multipart/form-data":
            return "multipart"
        if bare.startswith("text/") or bare.endswith(("/xml", "+xml", "/yaml", "+yaml", "/graphql")):
            return "text"
        return "binary"

    forms = {media_type: form(media_type) for media_type in content}
    order = ("json", "form", "multipart", "text", "binary")
    return min(forms.items(), key=lambda one: (order.index(one[1]), "*" in one[0], one[0]))


def _fields_of(schema: Any, document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Of a plain object; None where the body is something else. What is required and not described may be anything."""
    try:
        found = follow(document, schema)
    except Unresolved:
        return None
    if not isinstance(found, Mapping) or found.keys() & {"allOf", "anyOf", "oneOf", "not", "$ref", "nullable", "if"}:
        return None
    properties = found.get("properties")
    if not isinstance(properties, Mapping) or found.get("type", "object") != "object":
        return None
    if found.get("additionalProperties") or found.get("minProperties") or not properties:
        return None
    needed = found.get("required")
    undescribed = [one for one in needed if isinstance(one, str)] if isinstance(needed, list) else []
    told = {**properties, **{name: {} for name in undescribed if name not in properties}}
    return {name: one for name, one in told.items() if not is_read_only(one, document)}


def _server_list(servers: object) -> list[str]:
    """With the defaults of their variables."""
    made = []
    for server in itertools.islice(servers if isinstance(servers, list) else (), 20):
        if isinstance(server, Mapping) and isinstance(server.get("url"), str):
            url = server["url"]
            variables = server.get("variables")
            for name, variable in variables.items() if isinstance(variables, Mapping) else ():
                default = variable.get("default", "") if isinstance(variable, Mapping) else ""
                url = url.replace(f"{{{name}}}", str(default))
            made.append(url[:500])
    return made


def _security(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    components = document.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, Mapping) else None
    made = {}
    for name, scheme in schemes.items() if isinstance(schemes, Mapping) else ():
        try:
            found = follow(document, scheme)
        except Unresolved:
            continue
        if isinstance(found, Mapping):
            made[name] = {key: found[key] for key in ("type", "scheme", "in", "name", "flows") if key in found}
    return made


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""
