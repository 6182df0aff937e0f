"""Linking people to who they are at a provider: beforehand by an admin's command, or when they first come in."""

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import Identity, User
from console.core.actor import Actor
from console.core.attest import attest, verify
from console.core.errors import Conflict, Forbidden, Invalid, NotFound
from console.core.ids import new_id


@transaction.atomic
def link_identity(user: User, issuer: str, subject: str, *, actor: Actor) -> Identity:
    """From now on whoever has this subject at this issuer signs in as this person."""
    require_system(actor)
    if not issuer or not subject:
        raise Invalid("An identity needs an issuer and a subject.")
    known = Identity.objects.filter(issuer=issuer, subject=subject).first()
    if known is not None:
        raise Conflict(f"That subject is linked to {known.user.username} already.")
    identity = Identity(id=new_id("idn"), user=user, issuer=issuer, subject=subject)
    identity.attestation = attest("identity", identity.attested())
    identity.save(force_insert=True)
    detail: dict[str, object] = {"identity": identity.id, "issuer": issuer}
    record(Kind.IDENTITY_LINKED, subject=user.id, actor=actor, detail=detail, personal={"subject": subject})
    return identity


@transaction.atomic
def unlink_identity(user: User, issuer: str, subject: str, *, actor: Actor) -> None:
    require_system(actor)
    identity = Identity.objects.filter(user=user, issuer=issuer, subject=subject).first()
    if identity is None or not Identity.objects.filter(pk=identity.pk).delete()[0]:
        raise NotFound("They are not linked to that subject.")
    detail: dict[str, object] = {"identity": identity.id, "issuer": issuer}
    record(Kind.IDENTITY_UNLINKED, subject=user.id, actor=actor, detail=detail, personal={"subject": subject})


def require_system(actor: Actor) -> None:
    """An identity opens every team of a person, so no admin of one team gives it: only the console's own shell does,
    and the sign-in of somebody new."""
    if actor.kind != "system":
        raise Forbidden("People are linked where the console runs, by `manage.py person link`.")


def find_identity(issuer: str, subject: str) -> Identity | None:
    """Raises Tampered for a row that the console did not write."""
    identity = Identity.objects.select_related("user").filter(issuer=issuer, subject=subject).first()
    if identity is not None:
        verify("identity", identity.attested(), identity.attestation)
    return identity
