"""Loading records on behalf of an actor."""

import uuid

from django.db.models import QuerySet

from audit.models import Hold, Record
from audit.read import record_refusal
from console.core.actor import Actor, Role
from console.core.errors import NotFound

READERS = (Role.AUDITOR, Role.ADMIN)


def visible_records(actor: Actor) -> QuerySet[Record]:
    """The team's part of the log, whole: who may read it may read all of it."""
    return Record.objects.filter(team=actor.team) if actor.has(*READERS) else Record.objects.none()


def access_record(actor: Actor, record_id: uuid.UUID) -> Record:
    """Reaching for a record of another team is recorded, and answered as if there were none."""
    found = Record.objects.filter(pk=record_id).first()
    if found is not None and actor.has(*READERS) and found.team == actor.team:
        return found
    if found is not None:
        record_refusal(actor=actor, page="record")
    raise NotFound("The log of your team has no such record.")


def visible_holds(actor: Actor) -> QuerySet[Hold]:
    return Hold.objects.filter(team=actor.team) if actor.has(*READERS) else Hold.objects.none()


def access_hold(actor: Actor, hold_id: str) -> Hold:
    """Reaching for a hold of another team is recorded, and answered as if there were none."""
    found = Hold.objects.filter(pk=hold_id).first()
    if found is not None and actor.has(*READERS) and found.team == actor.team:
        return found
    if found is not None:
        record_refusal(actor=actor, page="hold")
    raise NotFound("Your team has no such hold.")
