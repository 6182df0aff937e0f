"""Operations by the hundred: from a vendor's OpenAPI document, each as far as it can be called."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.canonical import digest
from console.core.errors import Conflict, Invalid
from integrations.amend import changes_in, fill_operation, quarantine
from integrations.credential_types import check_settings
from integrations.definitions import Reached
from integrations.describe import check_base_url
from integrations.described import reached
from integrations.description import Description
from integrations.description_schema import INTEGRATION_SLUG
from integrations.lint import counted
from integrations.models import Definitions, Integration, Operation
from integrations.openapi.operations import Imported, import_document
from integrations.openapi.reading import check_version, read
from integrations.openapi.report import Report
from integrations.overlay import Overlay, lay_over, read_overlay

AT_ONCE = 500  # rows
EXAMPLES = 5  # of what is counted


@dataclass(frozen=True, slots=True)
class Outcome:
    """`changed` are operations that the document describes otherwise than an earlier one: each is quarantined until a
    person decides, unless one declined just that before. `gone` are those of earlier ones that it has no more.
    `overlaid` counts those of which the overlay says something; `findings` count what signers of the new ones would
    miss."""

    integration: Integration
    added: list[str]
    changed: list[str]
    gone: list[str]
    overlaid: int
    report: Report
    findings: list[dict[str, Any]] = field(default_factory=list)


def import_openapi(
    data: bytes, *, slug: str, title: str, base_url: str, credential_type: str,
    credential_settings: Mapping[str, str] | None = None, overlay: str = "", actor: Actor,
    then: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:  # fmt: skip
    """Create an integration of the actor's team, or add what a newer document has more. Where it is served and who it
    belongs to is said by the actor and never taken from the document. `overlay` is YAML with facts that the document
    lacks; `then` is called in the same transaction. Raises Invalid for what is no OpenAPI document or no overlay,
    Conflict where the integration is bound to another address."""
    bound = check_bound(slug, title, base_url, credential_type, credential_settings or {}, actor=actor)
    document = read(data)
    check_version(document)
    over = read_overlay(overlay) if overlay.strip() else None
    files = {"document": hashlib.sha256(data).hexdigest(),
             "overlay": hashlib.sha256(overlay.encode()).hexdigest() if over else ""}  # fmt: skip
    with transaction.atomic():
        integration, _ = Integration.objects.select_for_update().get_or_create(
            team_id=actor.team, slug=slug, defaults=bound
        )
        _check_same(integration, bound)
        outcome = _store(integration, document, over, files, actor)
        then(outcome)
        return outcome


def check_bound(
    slug: str, title: str, base_url: str, credential_type: str, credential_settings: Mapping[str, str], *, actor: Actor
) -> dict[str, Any]:
    """What a person says of a system that a document describes, as it is stored. Raises Invalid, and Conflict where
    something else was said before."""
    actor.require(Role.ADMIN)
    check_base_url(base_url)
    check_named(slug, title)
    settings = check_settings(credential_type, credential_settings)
    bound = {"title": title.strip(), "base_url": base_url, "credential_type": credential_type,
             "credential_settings": settings}  # fmt: skip
    if before := Integration.objects.filter(team_id=actor.team, slug=slug).first():
        _check_same(before, bound)
    return bound


def _check_same(integration: Integration, bound: Mapping[str, Any]) -> None:
    if integration.protocol != "http":
        raise Conflict(f"{integration.slug} is an MCP server, which no OpenAPI document describes.")
    wanted = {"type": bound["credential_type"], **bound["credential_settings"]}
    if (integration.base_url, integration.credential) != (bound["base_url"], wanted):
        told = ", ".join(f"{name} {value}" for name, value in integration.credential.items())
        raise Conflict(f"{integration.slug} is bound to {integration.base_url}, with a credential of {told}. "
                       "An import does not change that.")  # fmt: skip


def check_named(slug: str, title: str) -> None:
    if not re.fullmatch(INTEGRATION_SLUG, slug) or not title.strip():
        raise Invalid("Give the integration a short name of a-z, 0-9 and hyphens, and a title.")


def _store(
    integration: Integration, document: dict[str, Any], overlay: Overlay | None, files: dict[str, str], actor: Actor
) -> Outcome:
    rows = rows_of(integration)
    imported = import_document(document, sources_of(rows))
    if not imported.operations:
        raise Invalid("Not one operation of this document can be called.")
    facts = lay_over(overlay, imported) if overlay else {}
    return store_imported(integration, rows, imported, facts, files, actor)


def rows_of(integration: Integration) -> dict[str, Operation]:
    """Its operations by slug, locked."""
    known = Operation.objects.filter(integration=integration).select_for_update().order_by("pk")
    return {row.slug: row for row in known}


def sources_of(rows: Mapping[str, Operation]) -> dict[str, str]:
    """What each was in its document, to its slug, which stays."""
    return {row.description.get("source", {}).get("key", f"described {name}"): name for name, row in rows.items()}


def store_imported(
    integration: Integration, rows: Mapping[str, Operation], imported: Imported,
    facts: Mapping[str, Mapping[str, Any]], files: Mapping[str, str] | None, actor: Actor,
) -> Outcome:  # fmt: skip
    """What is described otherwise is quarantined, what is new is added; without `files`, the digests of where it was
    read, nothing is added. Inside the caller's transaction, which holds the locks on the `rows`."""
    described = described_in(imported, facts)
    added = {one.slug: one for one in described if files is not None and one.slug not in rows}
    changed = changes_in(integration, {rows[one.slug]: one for one in described if one.slug in rows}, actor=actor)
    shared = _kept(integration, imported, [*added.values(), *changed.values()])
    _insert(integration, shared, list(added.values()))
    for row, one in changed.items():
        quarantine(row, one, shared.pk if shared and "definitions" in one.document else None, actor=actor)
    gone = sorted(slug for slug, row in rows.items() if "source" in row.description and slug not in imported.operations)
    outcome = Outcome(integration, list(added), [row.slug for row in changed], gone, len(facts), imported.report,
                      counted(added.values(), imported.definitions, EXAMPLES))  # fmt: skip
    if files is not None:
        _record(outcome, {one.slug: one.digest.hex() for one in added.values()}, files, actor)
    return outcome


def _record(outcome: Outcome, told: Mapping[str, str], files: Mapping[str, str], actor: Actor) -> None:
    integration, report = outcome.integration, outcome.report
    record(
        Kind.INTEGRATION_IMPORTED, subject=integration.id, actor=actor,
        detail={"slug": integration.slug, "base_url": integration.base_url, **files,
                "credential": integration.credential, "operations": len(outcome.added),
                "changed": len(outcome.changed), "left_out": len(report.left_out),
                "unapplied": len(report.unapplied),
                "descriptions": digest("countersign/descriptions/v1", told).hex()},
    )  # fmt: skip


def described_in(imported: Imported, facts: Mapping[str, Mapping[str, Any]] | None = None) -> list[Description]:
    """Each with its place in the document, the digest of what its schemas reach, and where an overlay has `facts` of
    it, those and their digest."""
    schemas = Reached(imported.definitions)
    made = []
    for slug, document in imported.operations.items():
        told = dict(document)
        if below := reached(schemas, Description(slug, document)):
            told["definitions"] = below
        source = {"key": imported.keys[slug], "digest": digest("countersign/imported/v1", told).hex()}
        if more := (facts or {}).get(slug):
            source["overlay"] = digest("countersign/overlay/v1", more).hex()
        made.append(Description(slug, {**told, **(more or {}), "source": source}))
    return made


def _kept(integration: Integration, imported: Imported, described: list[Description]) -> Definitions | None:
    if any("definitions" in one.document for one in described):
        return Definitions.objects.create(integration=integration, content=imported.definitions)
    return None


def _insert(integration: Integration, shared: Definitions | None, described: list[Description]) -> None:
    rows = []
    for one in described:
        row = Operation(integration=integration, slug=one.slug)
        row.definitions = shared if "definitions" in one.document else None
        fill_operation(row, one)
        rows.append(row)
    Operation.objects.bulk_create(rows, batch_size=AT_ONCE)
