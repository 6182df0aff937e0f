"""What YAML by hand would change, before it does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from console.core.actor import Actor, Role
from console.core.canonical import digest
from integrations.describe import read_written
from integrations.described import definitions_of
from integrations.description import Description
from integrations.difference import Described, Line, difference
from integrations.lint import Finding, lint
from integrations.models import Integration, Operation


@dataclass(frozen=True, slots=True)
class Becomes:
    """One operation. `lines` are empty where nothing is said otherwise than before."""

    slug: str
    title: str
    effect: str
    lines: list[Line]
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Preview:
    """`head` says what changes around the operations; `left` are those that stay as they were. `seen` names the text,
    the address, and what they would change."""

    slug: str
    title: str
    is_new: bool
    head: list[Line]
    added: list[Becomes]
    changed: list[Becomes]
    same: int
    left: list[str]
    seen: str

    @property
    def all(self) -> list[Becomes]:
        return [*self.changed, *self.added]


def preview(text: str, *, base_url: str, actor: Actor) -> Preview:
    """Raises Invalid with a place."""
    actor.require(Role.ADMIN)
    head, descriptions = read_written(text, base_url)
    integration = Integration.objects.filter(team_id=actor.team, slug=head["slug"]).first()
    rows = {row.slug: row for row in integration.operations.all()} if integration else {}
    becomes = [(one, rows.get(one.slug)) for one in descriptions]
    changed = [(one, row) for one, row in becomes if row and bytes(row.digest) != one.digest]
    before = {slug: bytes(row.digest).hex() for slug, row in rows.items()}
    bound = dict(_bound(integration)) if integration else {}
    return Preview(
        slug=head["slug"], title=head["title"], is_new=integration is None,
        head=difference(Described(bound, {}), Described(_told(head, base_url), {})),
        added=[_becomes(one, []) for one, row in becomes if row is None],
        changed=[_becomes(one, _lines(row, one)) for one, row in changed],
        same=len(becomes) - len(changed) - sum(row is None for _, row in becomes),
        left=sorted(rows.keys() - {one.slug for one in descriptions}),
        seen=digest("countersign/preview/v1", [text, base_url, before, bound]).hex(),
    )  # fmt: skip


def _bound(integration: Integration) -> Iterator[tuple[str, Any]]:
    yield from {"title": integration.title, "base_url": integration.base_url,
                "credential": integration.credential}.items()  # fmt: skip


def _told(head: Any, base_url: str) -> dict[str, Any]:
    credential = {"type": head["credential_type"], **head["credential_settings"]}
    return {"title": head["title"], "base_url": base_url, "credential": credential}


def _lines(row: Operation, one: Description) -> list[Line]:
    return difference(Described(row.description, definitions_of(row.definitions_id)), Described(one.document, {}))


def _becomes(one: Description, lines: list[Line]) -> Becomes:
    return Becomes(one.slug, one.document["title"], one.effect, lines, lint(one))
