"""Who waits at a webhook, and whom a delivery woke. Steps live in a room above this one, which registers here what it
knows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Woken:
    run: str
    step: str


WokenBy = Callable[[list[str]], Mapping[str, list[Woken]]]  # by delivery
WaitingAt = Callable[[str], int]  # a webhook
_registered: list[tuple[WokenBy, WaitingAt]] = []


def register_listeners(woken: WokenBy, waiting: WaitingAt) -> None:
    _registered[:] = [(woken, waiting)]


def woken_by(deliveries: list[str]) -> Mapping[str, list[Woken]]:
    [(woken, _)] = _registered
    return woken(deliveries)


def waiting_at(webhook: str) -> int:
    """How many steps."""
    [(_, waiting)] = _registered
    return waiting(webhook)
