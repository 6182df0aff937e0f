"""Whom a delivery woke. Steps live in a room above this one, which registers here what it knows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Woken:
    run: str
    step: str


WokenBy = Callable[[list[str]], Mapping[str, list[Woken]]]  # by delivery
_registered: list[WokenBy] = []


def register_woken(known: WokenBy) -> None:
    _registered[:] = [known]


def woken_by(deliveries: list[str]) -> Mapping[str, list[Woken]]:
    [known] = _registered
    return known(deliveries)
