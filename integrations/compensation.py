"""The way back: which operation takes back what another one did, with which arguments, and what that does not restore.
Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.core.errors import Invalid
from console.core.expressions import fill


@dataclass(frozen=True, slots=True)
class WayBack:
    """`arguments` hold expressions over `arguments`, `reads`, `answer` and `key` of the action that is taken back."""

    operation: str
    arguments: Mapping[str, Any]
    hours: int | None = None  # after which the other side does not take it back any more
    loses: str = ""
    costs: str = ""

    @property
    def given(self) -> dt.timedelta | None:
        return dt.timedelta(hours=self.hours) if self.hours else None


def way_back(description: Mapping[str, Any]) -> WayBack | None:
    """None where it is final, or nothing is said."""
    told = description.get("compensation")
    if not isinstance(told, Mapping):
        return None
    return WayBack(
        told["operation"], told.get("arguments", {}), told.get("hours"), told.get("loses", ""), told.get("costs", "")
    )


def arguments_back(back: WayBack, scope: Mapping[str, Any]) -> dict[str, Any]:
    """Raises Invalid where what was done does not say enough to take it back."""
    filled: dict[str, Any] = fill(back.arguments, scope)
    if lacking := sorted(name for name, value in filled.items() if value is None):
        raise Invalid(f"Nothing that is known of it says the {lacking[0]} that {back.operation} needs.")
    return filled
