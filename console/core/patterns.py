"""Patterns that others write, tried for a moment at most: one of ten letters can take years on a text of forty."""

import re
from collections.abc import Callable
from typing import Any

import regex

from console.core.errors import Invalid

MOMENT = 1.0  # seconds: a machine that is busy must not make an honest one late
_BRACES = re.compile(r"\\N\{[^}]*\}|\\.|\{(?![0-9]*,?[0-9]*\})", re.DOTALL)


class TooSlow(Invalid):
    code = "pattern_too_slow"


def check_pattern(pattern: str) -> None:
    """Raises Invalid with what is wrong about it."""
    try:
        re.compile(pattern)
        _compiled(pattern)
    except (re.error, regex.error, OverflowError, RecursionError) as error:
        raise Invalid(str(error)) from None


def fits(pattern: str, text: str) -> bool:
    """Whether all of the text is like it. False also where that cannot be told in a moment."""
    try:
        return _tried(pattern, text, regex.Pattern.fullmatch)
    except TooSlow:
        return False


def found(pattern: str, text: str) -> bool:
    """The same of any part of it, as JSON Schema has it. Raises TooSlow, as there it may be what must not be."""
    return _tried(pattern, text, regex.Pattern.search)


def _tried(pattern: str, text: str, attempt: Callable[..., object]) -> bool:
    try:
        return attempt(_compiled(pattern), text, timeout=MOMENT) is not None
    except TimeoutError:
        raise TooSlow(f"the pattern {pattern!r:.80} takes too long") from None
    except (regex.error, OverflowError, RecursionError):
        return False


def _compiled(pattern: str) -> Any:
    """Braces that count nothing stand for themselves: to this library `{e}` is whatever looks nearly like it."""
    return regex.compile(_BRACES.sub(lambda one: r"\{" if one[0] == "{" else one[0], pattern))
