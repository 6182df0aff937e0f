"""Connecting a system: its description, its base URL as a person binds it, its secret, and who may use it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.attest import attest
from console.core.clock import now
from console.core.errors import Conflict, Invalid
from console.core.sealing import seal
from console.core.wake import wake
from integrations.amend import fill_operation, replace_description
from integrations.credential_types import pack, unpack
from integrations.description import Description, parse
from integrations.expiry import known_end
from integrations.grantees import PEOPLE, check_grantee
from integrations.here import DESCRIBED, HERE, SLUG, described, is_here, is_taken
from integrations.leases import revoke_leases
from integrations.limits import named
from integrations.models import Call, Credential, Grant, Integration, Operation
from integrations.permission import AGENT, check_own, is_agents_own, is_at_agent
from integrations.prints import prints_of
from integrations.sweep import END_TOKENS

LONGEST_NAME = 100


@transaction.atomic
def describe_integration(text: str, *, base_url: str, actor: Actor) -> Integration:
    """Create or replace the description of an integration of the actor's team. Operations that are no longer described
    stay as they were: actions and calls refer to them. Raises Conflict where it would leave some of them bound to
    another address, or signing in another way, than was signed with them."""
    actor.require(Role.ADMIN)
    return _describe(*read_written(text, base_url), base_url, actor)


def read_written(text: str, base_url: str) -> tuple[Mapping[str, Any], list[Description]]:
    """As `parse`, of a system at this address or of what agents do themselves. Raises Invalid with a place."""
    if base_url != AGENT:
        check_base_url(base_url)
        return parse(text)
    head, descriptions = parse(text)
    check_own(head["credential_type"], descriptions)
    return head, descriptions


def _describe(head: Mapping[str, Any], descriptions: Sequence[Description], base_url: str, actor: Actor) -> Integration:
    _check_bound(head, base_url, {one.slug for one in descriptions}, actor)
    integration, _ = Integration.objects.update_or_create(
        team_id=actor.team, slug=head["slug"], defaults={**head, "base_url": base_url}
    )
    for description in descriptions:
        _store_operation(integration, description, actor)
    record(
        Kind.INTEGRATION_DESCRIBED,
        subject=integration.id,
        actor=actor,
        detail={
            "slug": head["slug"],
            "base_url": base_url,
            "credential": integration.credential,
            "operations": {d.slug: d.digest.hex() for d in descriptions},
        },
    )
    return integration


def _check_bound(head: Mapping[str, Any], base_url: str, described: set[str], actor: Actor) -> None:
    before = Integration.objects.select_for_update().filter(team_id=actor.team, slug=head["slug"]).first()
    if before is None:
        return
    if before.protocol != "http":
        raise Conflict(f"{before.slug} is an MCP server, whose tools describe it.")
    told = {"type": head["credential_type"], **head["credential_settings"]}
    left = sorted(set(before.operations.values_list("slug", flat=True)) - described)
    if left and (before.base_url, before.credential) != (base_url, told):
        raise Conflict(f"{before.slug} is bound to {before.base_url} and signs in by {before.signs_in_by}. That may "
                       f"change only where all of its operations are described anew; {left[0]} is not.")  # fmt: skip


def _store_operation(integration: Integration, described: Description, actor: Actor) -> None:
    operation = Operation.objects.select_for_update().filter(integration=integration, slug=described.slug).first()
    if operation and (operation.definitions_id or bytes(operation.digest) != described.digest):
        operation.integration = integration
        replace_description(operation, described, None, cause="description", actor=actor)
        return
    operation = operation or Operation(integration=integration, slug=described.slug)
    operation.integration = integration
    fill_operation(operation, described)
    operation.save()


def check_base_url(base_url: str) -> None:
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Invalid("The base URL must be http(s)://host[:port][/path], without a user, query or fragment.")
    if is_taken(base_url):
        raise Invalid("This is the console's own place. Bind another address.")
    if is_at_agent(base_url):
        raise Invalid(f"What agents do themselves is described by hand, at {AGENT}.")


@transaction.atomic
def built_in(actor: Actor) -> Integration:
    """What the team's console can do itself, described and granted to its people when it is asked for first. Raises
    Conflict where the team has given its name to another system."""
    actor.require(Role.ADMIN)
    found = Integration.objects.filter(team_id=actor.team, slug=SLUG).first()
    if found and not is_here(found):
        raise Conflict(f"The name {SLUG} is the console's own, and an integration of yours has it.")
    stored = {one.slug: bytes(one.digest) for one in found.operations.all()} if found else {}
    wanted = {slug: one.digest for slug, one in described().items()}
    if found is None or any(stored.get(slug) != digest for slug, digest in wanted.items()):
        found = _describe(*parse(DESCRIBED), HERE, actor)
    credential = found.credentials.filter(revoked_at=None).first()
    if credential is None:
        credential = store_credential(found, name=f"none {found.credentials.count() + 1}", secret={}, actor=actor)
    given = Grant.objects.filter(integration=found, grantee=PEOPLE, revoked_at=None, credential=credential, until=None)
    if not any(wanted.keys() <= set(one.operations) and not one.limits for one in given):
        give_grant(grantee=PEOPLE, operations=sorted(wanted), credential=credential, actor=actor)
    return found


@transaction.atomic
def store_credential(
    integration: Integration, *, name: str, secret: str | Mapping[str, str], actor: Actor,
    expires_at: dt.datetime | None = None,
) -> Credential:  # fmt: skip
    """Seals the secret to the door; from here on nothing but the door can read it. It is the parts of the integration's
    credential type by name, or a text where there is one. `expires_at` is when it ends at the other side, where
    somebody knows: it is told ahead. Raises Invalid, which quotes no value, and Conflict for the name of another, also
    of one that was revoked."""
    actor.require(Role.ADMIN)
    if not name.strip() or len(name) > LONGEST_NAME:
        raise Invalid(f"Give the credential a name of at most {LONGEST_NAME} characters.")
    if integration.credentials.filter(name=name).exists():
        raise Conflict(f"{integration.slug} has, or had, a credential of this name.")
    how = integration.credential_type, integration.credential_settings
    packed = pack(*how, secret)
    credential = Credential(integration=integration, name=name, expires_at=known_end(secret, expires_at))
    credential.seal = seal(packed, place=credential.place)
    credential.prints = prints_of(*unpack(*how, packed).secrets)
    credential.attestation = attest("credential", credential.attested())
    credential.save(force_insert=True)
    ends = {"expires_at": credential.expires_at.isoformat()} if credential.expires_at else {}
    detail = {"integration": integration.id, "name": name, **ends}
    record(Kind.CREDENTIAL_SEALED, subject=credential.id, actor=actor, detail=detail)
    return credential


@transaction.atomic
def revoke_credential(credential: Credential, *, actor: Actor) -> Credential:
    """For good. What waits for a signature and rests on it is void; what is being sent ends by itself."""
    actor.require(Role.ADMIN)
    locked = Credential.objects.select_for_update(of=("self",)).select_related("integration").get(pk=credential.pk)
    if locked.revoked_at is not None:
        raise Conflict("This credential has been revoked already.")
    _revoke(locked, actor)
    return locked


@transaction.atomic
def revoke_opened(credential: Credential, *, actor: Actor) -> bool:
    """What was opened and not replaced in time. Whether it was there to be revoked."""
    rows = Credential.objects.select_for_update(of=("self",)).select_related("integration")
    locked = rows.filter(pk=credential.pk, revoked_at=None).first()
    if locked:
        _revoke(locked, actor)
    return locked is not None


def _revoke(locked: Credential, actor: Actor) -> None:
    locked.revoked_at = now()
    locked.save(update_fields=["revoked_at"])
    team, detail = locked.integration.team_id, {"integration": locked.integration_id, "name": locked.name}
    record(Kind.CREDENTIAL_REVOKED, subject=locked.id, actor=actor, team=team, detail=detail)
    revoke_leases(Call.objects.filter(credential=locked), "credential_revoked", actor=actor)
    wake(END_TOKENS, "actions", locked.id)


@transaction.atomic
def revoke_grant(grant: Grant, *, actor: Actor) -> Grant:
    """For good; the same may be given again, as another grant."""
    actor.require(Role.ADMIN)
    locked = Grant.objects.select_for_update(of=("self",)).select_related("integration").get(pk=grant.pk)
    if locked.revoked_at is not None:
        raise Conflict("This grant has been taken back already.")
    locked.revoked_at = now()
    locked.save(update_fields=["revoked_at"])
    record(Kind.GRANT_REVOKED, subject=locked.id, actor=actor, detail=locked.attested())
    revoke_leases(Call.objects.filter(grant=locked.pk), "grant_revoked", actor=actor)
    return locked


@transaction.atomic
def give_grant(
    *,
    grantee: str,
    operations: list[str],
    credential: Credential,
    until: dt.datetime | None = None,
    limits: Mapping[str, Any] | None = None,
    actor: Actor,
) -> Grant:
    """`limits` as `read_limits` gives them. Raises Invalid for a grantee that the team does not have, for operations
    that the integration does not have, and for a limit on an argument that none of them has; Conflict for a credential
    that was revoked."""
    actor.require(Role.ADMIN)
    integration = credential.integration
    check_grantee(integration.team_id, grantee)
    if is_here(integration) and grantee != PEOPLE:
        raise Invalid("What the console does itself is for people, never for a workflow or an agent.")
    if is_agents_own(integration) and not grantee.startswith("agent:"):
        raise Invalid("What agents do themselves is for agents: nobody else could do it.")
    if credential.revoked_at is not None:
        raise Conflict("This credential has been revoked.")
    known = dict(integration.operations.filter(slug__in=operations).values_list("slug", "description__arguments"))
    if unknown := sorted(set(operations) - known.keys()):
        raise Invalid(f"{integration.slug} has no operation {unknown[0]!r:.100}.")
    limits = dict(limits or {})
    if odd := sorted(named(limits) - {name for one in known.values() for name in one or {}}):
        raise Invalid(f"None of these operations has an argument {odd[0]!r}.")
    grant = Grant(team_id=integration.team_id, grantee=grantee, integration=integration, operations=sorted(operations),
                  credential=credential, until=until, limits=limits)  # fmt: skip
    grant.attestation = attest("grant", grant.attested())
    grant.save(force_insert=True)
    record(Kind.GRANT_GIVEN, subject=grant.id, actor=actor, detail=grant.attested())
    return grant
