"""An integration's YAML, read into frozen values. Pure; unknown keys, effects and modes are errors with a place."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from console.core import expressions
from console.core.canonical import digest
from console.core.documents import load
from console.core.errors import Invalid
from console.core.patterns import check_pattern, found
from integrations.credential_types import check_settings
from integrations.definitions import references
from integrations.description_schema import KEPT, LOOKING, REVIEWED, SCHEMA
from integrations.headers import OURS, TOKEN
from integrations.styles import PLACES

_FORMATS = jsonschema.FormatChecker([])


@_FORMATS.checks("regex", raises=Invalid)
def _is_pattern(value: object) -> bool:
    if isinstance(value, str):
        check_pattern(value)
    return True


def _like(validator: Any, pattern: str, value: object, _: object) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and not found(pattern, str(value)):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _named_like(validator: Any, patterns: Mapping[str, Any], value: object, _: object) -> Iterator[ValidationError]:
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        for pattern, schema in patterns.items():
            if found(pattern, name):
                yield from validator.descend(inner, schema, path=name, schema_path=pattern)


def _others(validator: Any, told: Any, value: object, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    if not isinstance(value, Mapping):
        return
    patterns, others = schema.get("patternProperties", {}), value.keys() - schema.get("properties", {}).keys()
    for name in sorted(other for other in others if not any(found(pattern, other) for pattern in patterns)):
        if told is False:
            yield ValidationError(f"{name!r} is not one of its fields")
        elif told is not True:
            yield from validator.descend(value[name], told, path=name)


# The library's own would try patterns for as long as they take.
_KEYWORDS = {"pattern": _like, "patternProperties": _named_like, "additionalProperties": _others}
_Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, _KEYWORDS)  # type: ignore[no-untyped-call]
_ARGUMENT_NAMED = re.compile(r"\barguments\.([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Description:
    """One operation as described, with the questions that the door and the gate ask of it. Schemas refer to
    `definitions`, which operations of an import have in common, by `definitions#/NAME`."""

    slug: str
    document: Mapping[str, Any]
    definitions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        return digest("countersign/description/v1", {"slug": self.slug, **self.document})

    @property
    def effect(self) -> str:
        return str(self.document["effect"])

    @property
    def mode(self) -> str:
        return str(self.document.get("idempotency", {}).get("mode", "unknown"))

    @property
    def retention(self) -> dt.timedelta | None:
        """How long the other side keeps our key or id; None where nobody has said."""
        told = self.document.get("idempotency", {}).get("retention")
        return dt.timedelta(seconds=told) if told else None

    @property
    def arguments(self) -> Mapping[str, Any]:
        return self.document.get("arguments", {})  # type: ignore[no-any-return]

    @property
    def body(self) -> Mapping[str, Any]:
        """`form` and where told `type`, `required` and `fixed`; empty where nothing is said of a body."""
        told = self.document.get("body", {})
        return {"form": told} if isinstance(told, str) else told

    @property
    def reads(self) -> Mapping[str, Any]:
        return self.document.get("reads", {})  # type: ignore[no-any-return]

    @property
    def probe(self) -> Mapping[str, Any] | None:
        return self.document.get("probe")

    def check_arguments(self, given: Mapping[str, Any]) -> None:
        """Raises Invalid naming the argument; arguments that the description does not know are refused."""
        unknown = given.keys() - self.arguments.keys()
        if unknown:
            raise Invalid(f"{self.slug} has no argument {sorted(unknown)[0]!r}.", code="invalid_arguments")
        registry: Registry[Any] = Registry()
        if self.definitions:
            registry = registry.with_resource("definitions", DRAFT202012.create_resource(self.definitions))
        for name, argument in self.arguments.items():
            if name in given:
                _check_value(self.slug, name, given[name], argument["schema"], registry)
            elif argument.get("required"):
                raise Invalid(f"{self.slug} needs the argument {name!r}.", code="invalid_arguments")


def _check_value(slug: str, name: str, value: Any, schema: Mapping[str, Any] | bool, registry: "Registry[Any]") -> None:
    try:
        error = best_match(_Validator(schema, registry=registry).iter_errors(value))
    except RecursionError:
        raise Invalid(f"{slug}: argument {name!r}: its schema has no end", code="invalid_arguments") from None
    if error is not None:
        raise Invalid(f"{slug}: argument {name!r}: {error.message:.200}", code="invalid_arguments")


def parse(text: str) -> tuple[Mapping[str, Any], list[Description]]:
    """The integration's head (slug, title, credential) and its operations. Raises Invalid with a place."""
    document = load(text, SCHEMA)
    operations = [Description(slug, body) for slug, body in document["operations"].items()]
    effects = {operation.slug: operation.effect for operation in operations}
    described = {operation.slug: operation.arguments for operation in operations}
    for operation in operations:
        _check_written(operation)
        check_said(operation, effects)
        check_way_back(operation, described)
    credential = {"type": "none"} | document.get("credential", {})
    kind = credential.pop("type")
    head = {"slug": document["integration"], "title": document["title"], "credential_type": kind,
            "credential_settings": check_settings(kind, credential)}  # fmt: skip
    return head, operations


def _check_written(operation: Description) -> None:
    """What an importer answers for by itself: arguments that have a place, and schemas that lead nowhere else."""
    where = f"operations.{operation.slug}"
    headers = [argument.get("name", name).lower() for name, argument in operation.arguments.items()
               if argument["in"] == "header"]  # fmt: skip
    if len(set(headers)) < len(headers):
        raise Invalid(f"{where}.arguments: two of them are one header")
    for name, argument in operation.arguments.items():
        _check_schema(argument["schema"], f"{where}.arguments.{name}.schema")
        _check_place(operation, argument.get("name", name), argument, f"{where}.arguments.{name}")
    if operation.body.get("fixed") and operation.body["form"] != "form":
        raise Invalid(f"{where}.body.fixed: is for a form")


def check_said(operation: Description, effects: Mapping[str, str]) -> None:
    """What a person says of an operation fits it, and the others of its integration, whose effects these are. Raises
    Invalid with a place."""
    where, document = f"operations.{operation.slug}", operation.document
    said = {name: document[name] for name in REVIEWED if name in document}
    expressions.compile_all(said, where)
    for index, required in enumerate(said.get("requires", [])):
        expressions.check(required["that"], f"{where}.requires.{index}.that")
    for name in {"when", "refused"} & said.get("success", {}).keys():
        expressions.check(said["success"][name], f"{where}.success.{name}")
    for name, read in operation.reads.items():
        for pinned in read["pin"]:
            expressions.check(pinned, f"{where}.reads.{name}.pin")
    if (back := said.get("compensation")) and effects.get(back["operation"], "read") == "read":
        raise Invalid(
            f"{where}.compensation: {back['operation']!r} is not an operation in this document that changes something"
        )
    _check_named_arguments(operation, said, where)
    _check_key(operation, where)
    _check_pages(operation, where)
    _check_read(operation, effects, where)


def check_way_back(operation: Description, described: Mapping[str, Mapping[str, Any]]) -> None:
    """What takes it back is given all that it needs, and nothing that it does not know. `described` are the arguments
    of the operations beside it; one that is not there is not checked."""
    back = operation.document.get("compensation")
    if not back or back["operation"] not in described:
        return
    where, known, given = (
        f"operations.{operation.slug}.compensation",
        described[back["operation"]],
        back.get("arguments", {}),
    )
    if unknown := sorted(given.keys() - known.keys()):
        raise Invalid(f"{where}: {back['operation']} has no argument {unknown[0]!r:.80}")
    if missing := sorted(name for name, one in known.items() if one.get("required") and name not in given):
        raise Invalid(f"{where}: {back['operation']} needs the argument {missing[0]!r:.80}")


def _check_read(operation: Description, effects: Mapping[str, str], where: str) -> None:
    inner = [*((f"reads.{name}", read) for name, read in operation.reads.items())]
    if operation.probe:
        inner.append(("probe", operation.probe))
        _check_happened(operation, f"{where}.probe.happened")
    for name, read in inner:
        if effects.get(read["operation"]) != "read":
            raise Invalid(f"{where}.{name}: {read['operation']!r} is not an operation of effect read in this document")
    looks = operation.document["method"] in LOOKING
    if operation.effect == "read" and not looks and operation.document.get("trust", "imported") == "imported":
        text = "only GET is known to change nothing, until a person has reviewed it"
        raise Invalid(f"{where}: effect read with {operation.document['method']}; {text}")


def _check_named_arguments(operation: Description, said: Mapping[str, Any], where: str) -> None:
    """An expression that reads an argument that there is not would show nothing to whoever signs."""
    named = {name for text in expressions.expressions(said) for name in _ARGUMENT_NAMED.findall(text)}
    named |= {fact["shows"] for fact in said.get("facts", []) if "shows" in fact}
    if unknown := sorted(named - operation.arguments.keys()):
        raise Invalid(f"{where}: there is no argument {unknown[0]!r:.80}")


def _check_key(operation: Description, where: str) -> None:
    told = operation.document.get("idempotency", {})
    header = told.get("header", "")
    if header and (header.lower() in OURS or not TOKEN.fullmatch(header)):
        raise Invalid(f"{where}.idempotency.header: {header!r:.80} is no header that could carry the key")
    taken = {argument.get("name", name).lower() for name, argument in operation.arguments.items()
             if argument["in"] == "header"}  # fmt: skip
    if header.lower() in taken:
        raise Invalid(f"{where}: {header!r:.80} is no header that callers set")
    if header and "tool" in operation.document:
        raise Invalid(f"{where}.idempotency.header: a tool has no headers; say the argument that carries the key")
    if "retention" in told and told.get("mode") not in KEPT:
        raise Invalid(f"{where}.idempotency.retention: nothing is kept in the mode {told.get('mode')}")
    if told.get("mode") == "native_key" and not (header or told.get("body")):
        raise Invalid(f"{where}.idempotency: say the header or the field of the body that carries the key")
    whole = any(argument.get("whole") for argument in operation.arguments.values())
    if told.get("body") and whole and operation.body.get("form") not in ("form", "multipart"):
        raise Invalid(f"{where}.idempotency.body: the body is one argument, to which no field is added")


def _check_pages(operation: Description, where: str) -> None:
    told = operation.document.get("pagination")
    if not told:
        return
    if operation.effect != "read":
        raise Invalid(f"{where}.pagination: is for what is read")
    if told["argument"] not in operation.arguments:
        raise Invalid(f"{where}.pagination: there is no argument {told['argument']!r:.80}")
    if "next" in told:
        expressions.check(told["next"], f"{where}.pagination.next")


def _check_happened(operation: Description, where: str) -> None:
    happened = operation.probe["happened"] if operation.probe else ""
    known = {"key", *(f"arguments.{name}" for name in operation.arguments)}
    if unknown := set(expressions.expressions(happened)) - known:
        raise Invalid(f"{where}: {min(unknown)!r} is neither key nor an argument")
    expressions.check(expressions.EXPRESSION.sub("key", happened), where)


def _check_place(operation: Description, name: str, argument: Mapping[str, Any], where: str) -> None:
    place = argument["in"]
    if place == "path" and f"{{{name}}}" not in operation.document["path"]:
        raise Invalid(f"{where}: the path has no {{{name}}}")
    if place == "header" and (name.lower() in OURS or not TOKEN.fullmatch(name)):
        raise Invalid(f"{where}: {name!r:.80} is no header that callers set")
    if place == "cookie" and not TOKEN.fullmatch(name):
        raise Invalid(f"{where}: {name!r:.80} is no name of a cookie")
    if "style" in argument and argument["style"] not in PLACES[place]:
        raise Invalid(f"{where}: the style {argument['style']} is not for {place}")
    if argument.get("whole") and (place != "body" or "form" not in operation.body):
        raise Invalid(f"{where}: the body has to say its form")


def _check_schema(schema: Mapping[str, Any], where: str) -> None:
    """Raises Invalid also for references that lead outside of it: nothing is ever fetched."""
    try:
        jsonschema.Draft202012Validator.check_schema(schema, format_checker=_FORMATS)
        resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
        for reference in references(schema):
            resolver.lookup(reference)
    except SchemaError as error:
        raise Invalid(f"{where}: {error.message:.200}") from None
    except Unresolvable as error:
        raise Invalid(f"{where}: {error.ref!r:.200} is not in this schema") from None
