"""The form by which a reviewer changes an action's arguments, one field for each that is given. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from approvals.models import Action
from console.core.errors import Invalid
from console.core.strict_json import read_json
from console.core.text import money, pretty

VALUE, WITHOUT = "argument.", "without."  # before the names of its fields


@dataclass(frozen=True, slots=True)
class Field:
    """One argument. What is no text is written as JSON; `hint` says what a number means."""

    name: str
    text: str
    is_text: bool
    optional: bool
    left_out: bool = False
    hint: str = ""

    @property
    def is_long(self) -> bool:
        return len(self.text) > 60 or "\n" in self.text


def fields_of(action: Action, typed: Mapping[str, str]) -> list[Field]:
    """As they are, or as somebody typed them already."""
    described = action.operation.description.get("arguments", {})
    return [_field(action, name, described.get(name, {}), typed) for name in action.arguments]


def _field(action: Action, name: str, described: Mapping[str, Any], typed: Mapping[str, str]) -> Field:
    value = action.arguments[name]
    is_text = isinstance(value, str)
    text = typed.get(VALUE + name, value if is_text else pretty(value))
    return Field(name, text, is_text, not described.get("required"), WITHOUT + name in typed, _hint(action, value))


def _hint(action: Action, value: Any) -> str:
    if type(value) is not int or value != action.amount_minor:
        return ""
    return f"In the smallest unit of its currency: {value} is {money(value, action.currency)}."


def arguments_of(action: Action, typed: Mapping[str, str]) -> dict[str, Any]:
    """All of them, as the form has them. Raises Invalid naming the one that cannot be read."""
    kept = [name for name in action.arguments if WITHOUT + name not in typed]
    return {name: _value(action.arguments[name], name, typed) for name in kept}


def _value(before: Any, name: str, typed: Mapping[str, str]) -> Any:
    text = typed.get(VALUE + name)
    if text is None:
        return before
    if isinstance(before, str):
        return text if "\r" in before else text.replace("\r\n", "\n")
    try:
        return read_json(text)
    except (ValueError, RecursionError):
        raise Invalid(f"{name} cannot be read: write it as it stands there, as JSON.", code="unreadable") from None
