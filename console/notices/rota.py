"""Who is on call for a group of reviewers: set by admins, so that somebody is told when nobody's hours are on."""

import datetime as dt

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import Membership
from console.core.actor import Actor, Role
from console.core.clock import iso, now
from console.core.errors import Conflict, Invalid
from console.notices.models import RotaEntry

LONGEST = dt.timedelta(days=92)
MOST = 500  # of a team, yet to come


@transaction.atomic
def add_entry(*, group: str, person: str, begins: dt.datetime, ends: dt.datetime, actor: Actor) -> RotaEntry:
    """Who is on call has to be one who could sign: others would only be woken."""
    actor.require(Role.ADMIN)
    if not begins < ends or ends <= now():
        raise Invalid("It ends after it begins, and not in the past.")
    if ends - begins > LONGEST:
        raise Invalid(f"At most {LONGEST.days} days at a time.")
    members = Membership.objects.filter(team=actor.team, user=person, user__is_active=True)
    if not members.filter(groups__contains=[group], roles__contains=[Role.REVIEWER]).exists():
        raise Invalid("Choose a reviewer of that group.")
    coming = RotaEntry.objects.filter(team=actor.team, ends_at__gt=now())
    if coming.filter(group=group, user=person, begins_at__lt=ends, ends_at__gt=begins).exists():
        raise Conflict("They are on call in this time already.")
    if coming.count() >= MOST:
        raise Conflict(f"A team has at most {MOST} entries.")
    row = RotaEntry.objects.create(team_id=actor.team, group=group, user_id=person, begins_at=begins, ends_at=ends)
    record(Kind.ROTA_ENTRY_ADDED, subject=row.pk, actor=actor, detail=_detail(row))
    return row


@transaction.atomic
def remove_entry(row: RotaEntry, *, actor: Actor) -> None:
    actor.require(Role.ADMIN)
    detail, identity = _detail(row), row.pk
    if not RotaEntry.objects.filter(pk=identity).delete()[0]:
        raise Conflict("It was removed already.")
    record(Kind.ROTA_ENTRY_REMOVED, subject=identity, actor=actor, detail=detail)


def _detail(row: RotaEntry) -> dict[str, object]:
    return {"group": row.group, "user": row.user_id, "begins": iso(row.begins_at), "ends": iso(row.ends_at)}
