"""Identities that were seen before a signature counts: 21 CFR 11.100(b)."""

import datetime as dt
from collections.abc import Collection

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import Membership, Proofing, Team, User
from console.core.actor import Actor, Role
from console.core.attest import attest, verify
from console.core.clock import now
from console.core.errors import Forbidden, Invalid
from console.core.ids import new_id


@transaction.atomic
def record_proofing(
    user: User, team: Team, *, legal_name: str, by: User, how: str, on: dt.date, actor: Actor
) -> Proofing:
    """An admin of the team has seen who this person is. From then on they fill slots that ask for that."""
    if actor.kind != "system":
        raise Forbidden("Identities are recorded where the console runs, by `manage.py person proof`.")
    _check(user, team, legal_name, by, how, on)
    proofing = Proofing(id=new_id("prf"), user=user, team=team, legal_name=legal_name.strip(), by=by, how=how.strip(),
                        on=on)  # fmt: skip
    proofing.attestation = attest("proofing", proofing.attested())
    proofing.save(force_insert=True)
    detail: dict[str, object] = {"proofing": proofing.id, "by": by.id, "on": on.isoformat()}
    personal = {"legal_name": proofing.legal_name, "how": proofing.how}
    record(Kind.USER_PROOFED, subject=user.id, actor=actor, team=team.id, detail=detail, personal=personal)
    return proofing


def _check(user: User, team: Team, legal_name: str, by: User, how: str, on: dt.date) -> None:
    if by.pk == user.pk:
        raise Forbidden("Nobody vouches for their own identity.")
    members = Membership.objects.filter(team=team, user__is_active=True)
    if not members.filter(user=user).exists():
        raise Forbidden(f"{user.username} is not in this team.")
    if not members.filter(user=by, roles__contains=[Role.ADMIN]).exists():
        raise Forbidden(f"{by.username} is no admin of this team.")
    if not legal_name.strip() or not how.strip():
        raise Invalid("Say the legal name, and how it was seen.")
    if on > now().date():
        raise Invalid("That day is yet to come.")


def proofed(people: Collection[str], team: str) -> set[str]:
    """Those of them whose identity was seen for this team. Raises Tampered for a row that the console did not write."""
    found = Proofing.objects.filter(user__in=people, team=team)
    for one in found:
        verify("proofing", one.attested(), one.attestation)
    return {one.user_id for one in found}
