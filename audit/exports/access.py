"""Loading exports on behalf of an actor."""

from django.db.models import QuerySet

from audit.access import READERS
from audit.models import Export
from audit.read import record_refusal
from console.core.actor import Actor
from console.core.errors import NotFound


def visible_exports(actor: Actor) -> QuerySet[Export]:
    return Export.objects.filter(team=actor.team) if actor.has(*READERS) else Export.objects.none()


def access_export(actor: Actor, export_id: str) -> Export:
    """Reaching for an export of another team is recorded, and answered as if there were none."""
    found = Export.objects.filter(pk=export_id).select_related("tree").first()
    if found is not None and actor.has(*READERS) and found.team == actor.team:
        return found
    if found is not None:
        record_refusal(actor=actor, page="export")
    raise NotFound("Your team has no such export.")
