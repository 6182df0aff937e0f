"""Which leaves belong into an export: a range of the tree, and a choice among the leaves of the range.

Days choose the range, everything else chooses among its leaves. So an export that is asked for by days alone leaves out
nothing between its first and its last leaf, and its proof shows that. The tree is in the order of integration: at both
ends of the range there may be records that are seconds older or younger than the day asked for.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from audit.models import Export, Record, Tree
from audit.vocabulary import Kind

DAYS = ("since", "until")
CHOICES: Mapping[str, str] = {
    "kind": "starts_with(record.kind, %(kind)s)",
    "subject": "record.subject = %(subject)s",
    "actor": "record.actor = %(actor)s",
    "run": "record.run = %(run)s",
}
FIELDS = (*CHOICES, *DAYS)

_ENDS = """
SELECT min(idx) FILTER (WHERE %(since)s::timestamptz IS NULL OR at >= %(since)s),
       max(idx) FILTER (WHERE %(until)s::timestamptz IS NULL OR at < %(until)s)
FROM audit_leaf WHERE tree_id = %(tree)s AND idx < %(size)s
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """`condition` is SQL over `record`, with named values. The teams are always a part of it; that records were lost
    is told to all."""

    condition: str
    values: Mapping[str, object]

    @classmethod
    def of(cls, export: Export) -> "Scope":
        chosen = {name: export.filter[name] for name in CHOICES if name in export.filter}
        # What belongs to no team is the console's own, and is told to a team that has the console for itself.
        teams = [export.team] if "team" in export.filter else [export.team, ""]
        theirs = "(record.team = ANY(%(teams)s) OR record.kind = %(for_all)s)"
        values = {"teams": teams, "for_all": Kind.LOG_RESTORED.value, **chosen}
        return cls(" AND ".join([theirs, *(CHOICES[name] for name in chosen)]), values)


def choice(export: Export) -> dict[str, str]:
    """What leaves of the range are chosen by, as the manifest tells it. Empty when nothing is left out."""
    return {name: value for name, value in export.filter.items() if name not in DAYS}


def others_exist(team: str) -> bool:
    """Whether other teams have records here. By the index on (team, …): each question reads one row, or none."""
    by_team = Record.objects.order_by("team").values_list("team", flat=True)
    before, behind = by_team.filter(team__gt="", team__lt=team), by_team.filter(team__gt=team)
    return before.first() is not None or behind.first() is not None


def ends(tree: Tree, size: int, filter: Mapping[str, str]) -> tuple[int, int]:
    """From the first leaf that is not older to the last that is not younger than the days asked for."""
    if not any(filter.get(day) for day in DAYS):
        return 0, size
    since, until = (_midnight(filter.get(day, "")) for day in DAYS)
    values = {"tree": tree.pk, "size": size, "since": since, "until": until and until + dt.timedelta(days=1)}
    with connection.cursor() as cursor:
        cursor.execute(_ENDS, values)
        first, last = cursor.fetchone()
    begin = size if first is None else first
    return begin, max(begin, 0 if last is None else last + 1)


def _midnight(day: str) -> dt.datetime | None:
    return dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), dt.UTC) if day else None
