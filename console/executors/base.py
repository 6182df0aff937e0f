"""What an adapter gets and returns. Executors know nothing of runs."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """The step as written, its expressions still open, and the values they may read."""

    spec: Mapping[str, Any]
    scope: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settled:
    """How a proposed action ended."""

    state: str
    outcome: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a step wants done outside."""

    operation: str
    arguments: Mapping[str, Any]
    says: str = ""
    evidence: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Awaited:
    """Of this webhook, an event of this type ("" for any), in whose body each pointer leads to its value."""

    webhook: str
    type: str
    where: Mapping[str, Any]


class Context(Protocol):
    """The step's way out. `act` may be called again after a crash: a step proposes one action in its life."""

    def act(self, proposed: Proposed) -> Settled | None:
        """None while it is not settled; the executor then returns Parked."""
        ...

    def due_at(self) -> dt.datetime | None:
        """When the step's timer ends, if it has set one."""
        ...

    def webhook(self, name: str) -> str:
        """The id of `integration.webhook`. Raises NotFound where the team has none of this name."""
        ...

    def caught(self) -> Mapping[str, Any] | None:
        """The event that this step has waited for, once it is there."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    output: Any


@dataclass(frozen=True, slots=True)
class Failed:
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Parked:
    """Wait for the proposed action; waiting frees the worker."""


@dataclass(frozen=True, slots=True)
class Sleep:
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait for an event, until then at most. One that came after the run began counts."""

    awaited: Awaited
    until: dt.datetime


Outcome = Done | Failed | Parked | Sleep | Listen
