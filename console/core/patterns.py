"""Patterns that others write, tried for a moment at most: one of ten letters can take years on a text of forty."""

import re
from collections.abc import Callable

import regex

from console.core.errors import Invalid

MOMENT = 0.05  # seconds


def check_pattern(pattern: str) -> None:
    """Raises Invalid with what is wrong about it."""
    try:
        re.compile(pattern)
        regex.compile(pattern)
    except (re.error, regex.error, OverflowError, RecursionError) as error:
        raise Invalid(str(error)) from None


def fits(pattern: str, text: str) -> bool:
    """Whether all of the text is like it. False also where that cannot be told in a moment."""
    return _tried(pattern, text, regex.Pattern.fullmatch)


def found(pattern: str, text: str) -> bool:
    """The same of any part of it, as JSON Schema has it."""
    return _tried(pattern, text, regex.Pattern.search)


def _tried(pattern: str, text: str, attempt: Callable[..., object]) -> bool:
    try:
        return attempt(regex.compile(pattern), text, timeout=MOMENT) is not None
    except (TimeoutError, regex.error, OverflowError, RecursionError):
        return False
