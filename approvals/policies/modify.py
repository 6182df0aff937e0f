"""What a rule changes of an action's arguments before the policy is asked again. Pure.

Doing it twice is doing it once: a rule that finds nothing to change is passed over.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from console.core.errors import Invalid

MOST_ROUNDS = 5  # rules that change what others change back would go on for ever


@dataclass(frozen=True, slots=True)
class Modification:
    """`cap` is the most that a number may be, `drop` what is left out, `set` what takes the place of what was there, or
    is added."""

    cap: Mapping[str, int | float] = field(default_factory=dict)
    drop: Collection[str] = ()
    set: Mapping[str, Any] = field(default_factory=dict)

    def of(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as they are then, in their order. Raises Invalid where something to be capped is no number."""
        kept = {name: self._capped(name, value) for name, value in arguments.items() if name not in self.drop}
        return {**kept, **self.set}

    def _capped(self, name: str, value: Any) -> Any:
        if name not in self.cap:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Invalid(f"the argument {name} is no number, so it cannot be capped")
        return min(value, self.cap[name])


def read_modification(told: Mapping[str, Any]) -> Modification:
    return Modification(dict(told.get("cap", {})), tuple(told.get("drop", ())), dict(told.get("set", {})))
