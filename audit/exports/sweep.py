"""The end of exports: their files are copies of the log, and copies are not kept for ever."""

import datetime as dt

from django.db import transaction

from audit.exports.files import delete_files
from audit.models import Export
from audit.move import move
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Conflict

KEPT = dt.timedelta(days=7)


def expire_exports() -> int:
    """Returns how many. A crash between the commit and the deletion is made good the next time."""
    old = Export.objects.filter(state="done", finished_at__lt=now() - KEPT)
    count = sum(_expire(export) for export in old.iterator())
    for export in Export.objects.filter(state__in=("expired", "failed"), finished_at__gt=now() - 2 * KEPT):
        delete_files(export)
    return count


def _expire(export: Export) -> bool:
    try:
        with transaction.atomic():
            move(export, "expired", actor=system("publisher"))
    except Conflict:
        return False
    delete_files(export)
    return True
