"""YAML that people write (workflows, integrations, policies): parsed safely, checked, with a place for each error."""

from collections.abc import Hashable, Mapping
from typing import Any

import jsonschema
import yaml
from jsonschema.exceptions import best_match

from console.core.canonical import SAFE_INTEGER
from console.core.errors import Invalid

MAX_BYTES = 1_000_000


class _Loader(yaml.SafeLoader):
    """Refuses what YAML allows and people do not mean: keys given twice, and aliases (which can blow up)."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs leave it bare
            raise Invalid(f"line {mark.line + 1}: aliases are not supported; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise Invalid(f"line {key_node.start_mark.line + 1}: the key {key!r} must be text; quote it")
            if key in seen:
                raise Invalid(f"line {key_node.start_mark.line + 1}: {key!r} is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _as_text(loader: _Loader, node: yaml.ScalarNode) -> str:
    """A date without quotes is text, as JSON has no dates."""
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def load(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The document as plain values. Raises Invalid naming path and line; nothing is half-read."""
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise Invalid(f"The document is larger than {MAX_BYTES:,} bytes.")
    try:
        document = yaml.load(text, _Loader)  # noqa: S506  (derives from SafeLoader)
        lines = _lines(yaml.compose(text, yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise Invalid(_yaml_text(error)) from None
    except RecursionError:
        raise Invalid("The document is nested too deeply.") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # What the parser's own constructors raise for `!!int x`, `0x_` and the like.
        raise Invalid("A value is not what its tag or form says it is; quote it.") from None
    _check_plain(document, lines)
    _check(document, schema, lines)
    return document  # type: ignore[no-any-return]


def place(path: tuple[str | int, ...], lines: Mapping[tuple[str | int, ...], int]) -> str:
    """`steps.pay.call (line 12)`; the line is that of the nearest part that exists."""
    near = path
    while near not in lines and near:
        near = near[:-1]
    name = ".".join(str(part) for part in path) or "document"
    return f"{name} (line {lines.get(near, 1)})"


def _check_plain(value: object, lines: Mapping[tuple[str | int, ...], int], path: tuple[str | int, ...] = ()) -> None:
    """Only what canonical JSON can carry: documents are digested, and stored as JSON."""
    match value:
        case dict():
            for key, inner in value.items():
                _check_plain(inner, lines, (*path, key))
        case list():
            for index, inner in enumerate(value):
                _check_plain(inner, lines, (*path, index))
        case None | bool():
            return
        case str() if "\0" not in value:
            return
        case int() | float() if abs(value) <= SAFE_INTEGER:
            return
        case _:
            raise Invalid(f"{place(path, lines)}: {value!r:.80} cannot be stored; write it as text, in quotes")


def _check(document: object, schema: Mapping[str, Any], lines: Mapping[tuple[str | int, ...], int]) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    error = best_match(validator.iter_errors(document))
    if error is not None:
        raise Invalid(f"{place(tuple(error.absolute_path), lines)}: {error.message:.300}")


def _lines(node: yaml.Node | None, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], int]:
    if node is None:
        return {}
    found = {path: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            found |= _lines(value, (*path, str(key.value)))
            found[(*path, str(key.value))] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found |= _lines(value, (*path, index))
    return found


def _yaml_text(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    return f"{where}{getattr(error, 'problem', None) or 'this is not YAML'}"
