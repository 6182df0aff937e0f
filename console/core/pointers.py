"""JSON Pointers (RFC 6901): where in a document a value stands. Pure."""

import re
from collections.abc import Mapping
from typing import Any

POINTER = re.compile(r"(/([^~/]|~[01])*)+")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


class Missing(Exception):
    """There is nothing at this place, which is another thing than null."""


def point(document: Any, pointer: str) -> Any:
    """Raises Missing. "" is the document itself."""
    found = document
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and _INDEX.fullmatch(name) and int(name) < len(found):
            found = found[int(name)]
        else:
            raise Missing(pointer)
    return found
