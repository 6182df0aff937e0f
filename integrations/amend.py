"""Changing an operation's description: what a person says themselves rules at once, what a document says waits."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from audit.move import begin, move
from console.core.actor import Actor, Role
from console.core.attest import attest, verify
from console.core.clock import now
from console.core.errors import Conflict, Invalid
from integrations.description import Description, check_said, check_way_back
from integrations.description_schema import REVIEWED
from integrations.grantees import short_name
from integrations.limits import named
from integrations.models import Amendment, Grant, Integration, Operation

AT_ONCE = 50  # decided together


class Wanted(NamedTuple):
    """An amendment by its id, and the digest of the description that the person was shown."""

    id: str
    digest: str


def review_operation(operation: Operation, said: Mapping[str, Any], *, seen: str, actor: Actor) -> Operation:
    """Replace what a person says of an imported operation (effect, categories, idempotency, probe …) and trust it from
    now on. `seen` is the hexadecimal digest of the description they had before them. Raises Conflict when there is
    another by now, Invalid with a place."""
    actor.require(Role.ADMIN)
    with transaction.atomic():
        locked = _lock(operation.pk)
        if bytes(locked.digest).hex() != seen:
            raise Conflict("The operation has been described otherwise meanwhile. Look at it again.")
        if waiting(locked):
            raise Conflict("A newer description of this operation waits for a decision. Decide on that first.")
        kept = {name: value for name, value in locked.description.items() if name not in REVIEWED}
        described = Description(locked.slug, {**kept, "trust": "reviewed", **said})
        check_said(described, _effects(locked.integration))
        _check_way_back(described, locked.integration)
        if described.digest != bytes(locked.digest):
            replace_description(locked, described, locked.definitions_id, cause="review", actor=actor)
        return locked


def replace_description(
    operation: Operation, described: Description, definitions: str | None, *, cause: str, actor: Actor
) -> None:
    """At once, inside the caller's transaction, which holds the lock on the operation. `definitions` are named by their
    id: they are large, and nothing here reads them."""
    for waits in operation.amendments.select_for_update().filter(state="quarantined"):
        _settle(waits, "superseded", operation, actor)
    amendment = _amendment(operation, described, definitions, cause, state="adopted")
    amendment.settled_at, amendment.settled_by = now(), actor.id
    begin(amendment, actor=actor, detail=_told(amendment))
    _put(operation, described, definitions)


def changes_in(
    integration: Integration, described: Mapping[Operation, Description], *, actor: Actor
) -> dict[Operation, Description]:
    """Those of a newer document that nobody has decided on yet, and as what. One that waits and that the document has
    taken back, or describes in a third way, waits no more."""
    newest = Amendment.objects.filter(operation__integration=integration, cause="import").order_by("made_at", "pk")
    newest = newest.select_for_update(of=("self",)).defer("before", "after")
    last = {one.operation_id: one for one in newest}
    changed = {}
    for operation, given in described.items():
        operation.integration, known = integration, last.get(operation.pk)
        same = _source(operation.description, operation) == _source(given.document, operation)
        becomes = carried(operation, given)
        if not same and known and known.state in ("quarantined", "declined") and _is(known, becomes):
            continue
        if known and known.state == "quarantined":
            _settle(known, "superseded", operation, actor)
        if not same:
            changed[operation] = becomes
    return changed


def quarantine(operation: Operation, described: Description, definitions: str | None, *, actor: Actor) -> None:
    amendment = _amendment(operation, described, definitions, "import", state="quarantined")
    begin(amendment, actor=actor, detail=_told(amendment))


@transaction.atomic
def decide_amendments(integration: Integration, wanted: Iterable[Wanted], *, adopt: bool, actor: Actor) -> list[str]:
    """The slugs of the operations; all of the amendments are decided, or none. Raises Conflict when one no longer waits
    or is not what was shown, Tampered when it was altered, Invalid when one does not fit what people said before."""
    actor.require(Role.ADMIN)
    shown = dict(wanted)
    if not 0 < len(shown) <= AT_ONCE:
        raise Invalid(f"Choose one to {AT_ONCE} changes.")
    found = Amendment.objects.filter(pk__in=shown, operation__integration=integration, state="quarantined")
    operations = {one.pk: one for one in _locked(found.values_list("operation", flat=True))}
    amendments = list(found.select_for_update(of=("self",)).order_by("pk"))
    if {one.pk: bytes(one.digest).hex() for one in amendments} != shown:
        raise Conflict("One of these no longer waits, or is not what you were shown. Look at them again.")
    effects = _effects(integration)
    for amendment in amendments:
        _decide(amendment, operations[amendment.operation_id], effects, adopt, actor)
    return sorted(operations[one.operation_id].slug for one in amendments)


def _decide(amendment: Amendment, operation: Operation, effects: dict[str, str], adopt: bool, actor: Actor) -> None:
    if adopt:
        described = Description(operation.slug, amendment.after)
        verify("amendment", amendment.attested(), amendment.attestation)
        if described.digest != bytes(amendment.digest):
            raise Conflict("The change was altered after it was imported. Import the document again.")
        check_said(described, effects)
        _check_way_back(described, operation.integration)
        _put(operation, described, amendment.after_definitions_id)
        effects[operation.slug] = described.effect
    _settle(amendment, "adopted" if adopt else "declined", operation, actor)


def quarantined(operation: str) -> Exists:
    """For a query: whether an amendment waits for the operation under this name."""
    return Exists(Amendment.objects.filter(operation=OuterRef(operation), state="quarantined"))


def amended(operation: str, since: str) -> Exists:
    """For a query: whether the description was amended since then, or an amendment waits."""
    either = Q(state="quarantined") | Q(made_at__gte=OuterRef(since))
    return Exists(Amendment.objects.filter(either, operation=OuterRef(operation)))


def amended_since(operation: Operation, since: dt.datetime) -> bool:
    return operation.amendments.filter(Q(state="quarantined") | Q(made_at__gte=since)).exists()


def waiting(operation: Operation) -> Amendment | None:
    return operation.amendments.filter(state="quarantined").first()


def carried(operation: Operation, described: Description) -> Description:
    """What people said of the operation stays; everything else is as the newer document has it."""
    before = operation.description
    if before.get("trust", "imported") == "imported":
        return described
    told = {name: value for name, value in described.document.items() if name not in REVIEWED}
    return Description(operation.slug, told | {name: before[name] for name in REVIEWED if name in before})


def fill_operation(operation: Operation, description: Description) -> None:
    """All columns that follow from the description, and the console's signature."""
    operation.title = description.document["title"]
    operation.effect = description.effect
    operation.categories = description.document.get("categories", [])
    operation.trust = description.document.get("trust", "imported")
    operation.idempotency = description.mode
    operation.description = dict(description.document)
    operation.digest = description.digest
    operation.attestation = attest("operation", operation.attested())


def _source(document: Mapping[str, Any], operation: Operation) -> Mapping[str, Any]:
    """Without the overlay's digest where a person has reviewed the operation: what an overlay says, they have said."""
    source: Mapping[str, Any] = document.get("source", {})
    reviewed = operation.description.get("trust", "imported") != "imported"
    return {name: value for name, value in source.items() if name != "overlay" or not reviewed}


def _is(amendment: Amendment, described: Description) -> bool:
    return bytes(amendment.digest) == described.digest


def _put(operation: Operation, described: Description, definitions: str | None) -> None:
    _check_limits(operation, described)
    operation.definitions_id = definitions
    fill_operation(operation, described)
    operation.save()


def _check_limits(operation: Operation, described: Description) -> None:
    """A limit on an argument that there is no more would limit nothing. Raises Conflict."""
    gone = set(operation.description.get("arguments", {})) - set(described.arguments)
    grants = Grant.objects.filter(integration=operation.integration_id, operations__contains=[operation.slug])
    for grant in grants.filter(Q(until=None) | Q(until__gt=now()), revoked_at=None) if gone else ():
        if lost := sorted(named(grant.limits) & gone):
            raise Conflict(
                f"{short_name(grant.grantee)} may use {operation.slug} only within limits on {', '.join(lost)}, which "
                f"it would have no more. Give that grant anew without {operation.slug}, or end it, before.",
                code="limits_lost",
            )


def _amendment(
    operation: Operation, described: Description, definitions: str | None, cause: str, *, state: str
) -> Amendment:
    amendment = Amendment(
        operation=operation, state=state, cause=cause, before=operation.description,
        before_definitions_id=operation.definitions_id, after=dict(described.document),
        after_definitions_id=definitions, digest=described.digest,
    )  # fmt: skip
    amendment.attestation = attest("amendment", amendment.attested())
    return amendment


def _settle(amendment: Amendment, state: str, operation: Operation, actor: Actor) -> None:
    amendment.operation = operation
    move(amendment, state, actor=actor, detail=_told(amendment), settled_at=now(), settled_by=actor.id)


def _told(amendment: Amendment) -> dict[str, object]:
    operation = amendment.operation
    return {"operation": operation.id, "name": f"{operation.integration.slug}.{operation.slug}",
            "cause": amendment.cause, "to": bytes(amendment.digest).hex()}  # fmt: skip


def _lock(operation: str) -> Operation:
    return _locked([operation]).get()


def _locked(operations: Iterable[str]) -> QuerySet[Operation]:
    locked = Operation.objects.select_for_update(of=("self",)).select_related("integration")
    return locked.filter(pk__in=operations).order_by("pk")


def _check_way_back(described: Description, integration: Integration) -> None:
    if back := described.document.get("compensation"):
        named = Operation.objects.filter(integration=integration, slug=back["operation"])
        check_way_back(described, dict(named.values_list("slug", "description__arguments")))


def _effects(integration: Integration) -> dict[str, str]:
    """What its operations do, by slug."""
    return dict(Operation.objects.filter(integration=integration).values_list("slug", "effect"))
