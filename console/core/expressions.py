"""`${{ … }}` in YAML: JMESPath over a scope of plain values. Pure; no side effects can be written in it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from console.core.errors import Invalid

EXPRESSION = re.compile(r"\$\{\{((?:(?!\}\}).)*)\}\}", re.DOTALL)
STEP = re.compile(r"\bsteps\.([a-z][a-z0-9_]*)")


def fill(value: Any, scope: Mapping[str, Any]) -> Any:
    """`value` with each expression replaced. A text that is one expression yields the value itself, else text."""
    if isinstance(value, Mapping):
        return {key: fill(inner, scope) for key, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, scope) for inner in value]
    if not isinstance(value, str):
        return value
    whole = EXPRESSION.fullmatch(value.strip())
    if whole:
        return search(whole[1], scope)
    return EXPRESSION.sub(lambda found: _as_text(search(found[1], scope)), value)


def search(expression: str, scope: Any) -> Any:
    try:
        return jmespath.search(expression.strip(), scope)
    except JMESPathError as error:
        raise Invalid(f"The expression {expression.strip()!r} failed: {error}") from None
    except (TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        # The library's own, for values of another kind than the expression expects. Their text may hold the value.
        raise Invalid(f"The expression {expression.strip()!r} failed: {type(error).__name__}.") from None


def literal(value: Any) -> str:
    """The value as JMESPath writes it, safe within an expression whatever stands in it."""
    return "`" + json.dumps(value).replace("`", r"\u0060") + "`"


def expressions(value: Any) -> Iterator[str]:
    """Each expression inside `value`, wherever it is nested."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)
    elif isinstance(value, str):
        yield from (found[1].strip() for found in EXPRESSION.finditer(value))


def compile_all(value: Any, where: str) -> None:
    """Raises Invalid for the first expression that is not JMESPath."""
    for expression in expressions(value):
        check(expression, where)


def check(expression: str, where: str) -> None:
    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        raise Invalid(f"{where}: {expression!r} is not an expression: {str(error).splitlines()[0]}") from None


def steps_named(value: Any) -> frozenset[str]:
    """Names of the steps whose output the expressions inside `value` read."""
    return frozenset(name for expression in expressions(value) for name in STEP.findall(expression))


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
