"""In which words a receiver gets a leaf."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from audit.exports.leaves import Row
from audit.exports.ocsf import Events
from audit.streams.base import Event


class Form(NamedTuple):
    name: str
    text: Callable[[Event], str]


def _leaf(event: Event) -> str:
    """Exactly as it was hashed."""
    return event.text


def _ocsf(event: Event) -> str:
    """What was altered in the database, and cannot be told in these words, goes as it is: nothing is held up."""
    if event.gone:
        return event.text
    row = Row(event.index, event.leaf.encode(), bytes.fromhex(event.hash))
    try:
        return Events(event.origin).line(row).decode().rstrip("\n")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return event.text


FORMS: Mapping[str, Form] = {form.name: form for form in (Form("leaf", _leaf), Form("ocsf", _ocsf))}
