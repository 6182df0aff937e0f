"""An operation with the schemas that it refers to, as they were when it was described."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

from console.core.errors import Tampered
from integrations.definitions import Reached
from integrations.description import Description
from integrations.models import Definitions, Operation


def complete(operation: Operation) -> Description:
    """Raises Tampered when the schemas are not those that the description was made with."""
    described = Description(operation.slug, operation.description)
    expected = described.document.get("definitions", "")
    if operation.definitions_id is None and not expected:
        return described
    held = _held(operation.definitions_id)
    if reached(held.reached, described) != expected:
        raise Tampered(f"The schemas of {operation.slug} were altered.")
    return Description(operation.slug, operation.description, held.content)


def reached(definitions: Reached | None, described: Description) -> str:
    """The digest of what its schemas reach; "" where they reach nothing, or where it cannot be found."""
    schemas = [argument["schema"] for argument in described.arguments.values()]
    try:
        return definitions.digest(schemas) if definitions else ""
    except KeyError:
        return ""


def definitions_of(identity: str | None) -> Mapping[str, Any]:
    """By name. Loaded once: they may be some megabytes."""
    return _held(identity).content if identity else {}


class _Held(NamedTuple):
    content: Mapping[str, Any]
    reached: Reached | None


@functools.lru_cache(maxsize=16)  # of some megabytes each; rows never change
def _held(identity: str | None) -> _Held:
    row = Definitions.objects.filter(pk=identity).first()
    content = row.content if row else {}
    try:
        return _Held(content, Reached(content))
    except KeyError:
        return _Held(content, None)
