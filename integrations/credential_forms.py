"""The ways to sign in, as a page asks for them: one to choose, and under each what it has to know."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from integrations.credential_parts import Part
from integrations.credential_types import TYPES, CredentialType


class Kind(Protocol):
    """One of several ways, of which a person chooses one and says its settings."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def settings(self) -> tuple[Part, ...]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    name: str  # of the field in the form
    part: Part
    value: str


@dataclass(frozen=True, slots=True)
class Way:
    kind: Kind
    chosen: bool
    asked: list[Asked]


def ways(given: Mapping[str, str], chosen: str, kinds: Mapping[str, Kind] = TYPES) -> list[Way]:
    return [
        Way(
            kind, kind.name == chosen, [Asked(name, part, given.get(name, part.default)) for name, part in _named(kind)]
        )
        for kind in kinds.values()
    ]


def settings_given(given: Mapping[str, str], chosen: str, kinds: Mapping[str, Kind] = TYPES) -> dict[str, str]:
    """Of the chosen type alone: what was typed under another one is left where it is."""
    return {part.name: given.get(name, "").strip() for name, part in _named(kinds[chosen])}


def parts_asked(kind: CredentialType) -> list[Asked]:
    """Never with what was typed before: a secret is not given back to anybody."""
    return [Asked(f"part-{part.name}", part, "") for part in kind.parts]


def parts_given(kind: CredentialType, given: Mapping[str, str]) -> dict[str, str]:
    """A browser ends lines as HTTP does, and people paste a newline behind a key."""
    return {part.name: given.get(f"part-{part.name}", "").replace("\r\n", "\n").strip() for part in kind.parts}


def _named(kind: Kind) -> list[tuple[str, Part]]:
    return [(f"{kind.name}-{part.name}", part) for part in kind.settings]
