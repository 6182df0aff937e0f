"""From the bytes of a document to plain values, whoever wrote them: JSON or YAML, large, and careless."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from console.core.errors import Invalid

MAX_BYTES = 64 * 2**20
DEEPEST = 200
MOST_VALUES = 5_000_000  # with every YAML alias written out; the largest documents that vendors publish have 2 million

_UNFIT = re.compile("[\0\ud800-\udfff]")  # what neither the database nor canonical JSON can hold

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_LOADER):  # type: ignore[misc, valid-type]  # the one in C, where there is one
    """Dates stay text, as JSON has none."""


_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: str(loader.construct_scalar(node)))


def read(data: bytes) -> dict[str, Any]:
    """Raises Invalid. Keys are text; zero characters and halves of surrogate pairs are not kept."""
    if len(data) > MAX_BYTES:
        raise Invalid(f"The document has {len(data):,} bytes; {MAX_BYTES:,} is the most.")
    try:
        document = _parse(data.removeprefix(b"\xef\xbb\xbf"))
        if not isinstance(document, dict):
            raise Invalid("This is not an OpenAPI document: it is no object.")
        if (count := _values(document)) > MOST_VALUES:
            raise Invalid(f"The document has {count:,} values; {MOST_VALUES:,} is the most.")
        return _plain(document)  # type: ignore[no-any-return]
    except RecursionError:
        raise Invalid("The document is nested too deeply.") from None


def check_version(document: Mapping[str, Any]) -> None:
    """Raises Invalid unless it is OpenAPI 3.0 or 3.1."""
    if "swagger" in document:
        raise Invalid("This is Swagger 2.0. Convert it to OpenAPI 3 first, for example with swagger2openapi, and look "
                      "at what the conversion changed.", code="swagger_2")  # fmt: skip
    version = str(document.get("openapi", ""))
    if not version.startswith(("3.0", "3.1")):
        raise Invalid(f"This is not OpenAPI 3.0 or 3.1: `openapi` is {version!r:.40}.")


def _parse(data: bytes) -> Any:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Invalid("The document is not UTF-8.") from None
    if not text.lstrip().startswith(("{", "[")):
        return _parse_yaml(text)
    try:
        return json.loads(text)
    except ValueError as error:
        raise Invalid(f"This is not JSON: {error}.") from None


def _parse_yaml(text: str) -> Any:
    try:
        _check_depth(text)
        return yaml.load(text, _Loader)  # noqa: S506  (derives from a safe loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise Invalid(f"{where}{getattr(error, 'problem', None) or 'this is neither JSON nor YAML'}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise Invalid("A value is not what its tag or form says it is; quote it.") from None


def _check_depth(text: str) -> None:
    """Ahead of the loader in C, which a deep document brings down with the whole process."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise Invalid("The document is nested too deeply.")


def _values(value: object) -> int:
    """How many there are when aliases are written out. Each is looked at once: a few lines cannot cost hours."""
    counted: dict[int, int] = {}

    def count(inner: object) -> int:
        if not isinstance(inner, dict | list):
            return 1
        if id(inner) not in counted:
            counted[id(inner)] = MOST_VALUES + 1  # of one that holds itself
            counted[id(inner)] = 1 + sum(map(count, _children(inner)))
        return counted[id(inner)]

    return count(value)


def _children(value: dict[Any, Any] | list[Any]) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, str):
        return _text(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _text(value: str) -> str:
    return _UNFIT.sub(lambda found: "" if found[0] == "\0" else "\ufffd", value)


def _key(key: object) -> str:
    """Of a response `200` that YAML reads as a number, or a `no` that it reads as false."""
    match key:
        case str():
            return _text(key)
        case bool():
            return str(key).lower()
    return str(key)
