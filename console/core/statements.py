"""SQL on its way from the room that writes it to the one that sends it."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Statement(NamedTuple):
    """One INSERT, UPDATE or DELETE without RETURNING, with a value for each `%s`."""

    sql: str
    values: Sequence[Any]
