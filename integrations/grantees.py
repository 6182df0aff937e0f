"""Whom a grant may be given to, and what they have asked for.

Workflows, agents and actions live in rooms above this one, which register here what they know.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from console.core.errors import Invalid

PEOPLE = "people"  # as a grantee: whoever signs in, and never an agent

Exists = Callable[[str, str], bool]  # for a team and a name


@dataclass(frozen=True, slots=True)
class Asked:
    """One action of the past. `counts` unless nothing came of it, whatever its grant was."""

    action: str
    operation: str
    arguments: Mapping[str, Any]
    at: dt.datetime
    counts: bool


# For team, grantee and integration: what was asked for since then, the newest first, at most so many.
Past = Callable[[str, str, str, dt.datetime, int], list[Asked]]
# By grant: the operations that were asked for by it since then, and when last.
Used = Callable[[Iterable[str], dt.datetime], Mapping[str, Mapping[str, dt.datetime]]]


@dataclass(frozen=True, slots=True)
class Using:
    """An action that has no end yet, and may need its credential."""

    action: str
    says: str  # what it does, or its operation
    grantee: str
    run: str
    state: str
    since: dt.datetime
    lease: str  # "live" or "revoked" where a request is under way or in doubt, else ""


# Of a credential: the newest of them, at most so many, and how many there are.
InUse = Callable[[str, int], tuple[list[Using], int]]

_kinds: dict[str, Exists] = {}
_past: list[tuple[Past, Used, InUse]] = []


def short_name(grantee: str) -> str:
    """Without its kind, for people."""
    return grantee.partition(":")[2] or grantee


def register_grantees(kind: str, exists: Exists) -> None:
    _kinds[kind] = exists


def register_past(asked: Past, used: Used, in_use: InUse) -> None:
    _past[:] = [(asked, used, in_use)]


def check_grantee(team: str, grantee: str) -> None:
    """Raises Invalid: a name that nobody has would be granted to whoever takes it next."""
    kind, _, name = grantee.partition(":")
    if kind not in _kinds or not _kinds[kind](team, name):
        raise Invalid(f"Your team has no {kind if kind in _kinds else 'grantee'} {name or grantee!r:.100}.")


def asked_by(team: str, grantee: str, integration: str, since: dt.datetime, most: int) -> list[Asked]:
    [(asked, _, _)] = _past
    return asked(team, grantee, integration, since, most)


def used_since(grants: Iterable[str], since: dt.datetime) -> Mapping[str, Mapping[str, dt.datetime]]:
    [(_, used, _)] = _past
    return used(grants, since)


def in_use(credential: str, most: int) -> tuple[list[Using], int]:
    [(_, _, using)] = _past
    return using(credential, most)
