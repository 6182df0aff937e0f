"""Leaves of a signed tree, as events."""

import datetime as dt
import uuid
from collections.abc import Iterable

from django.db import connection

from audit.models import Leaf, Record, Tree
from audit.outlets import OutletFailed
from audit.streams.base import Event

Found = dict[uuid.UUID, tuple[bytes, str, str]]


def events(tree: Tree, begin: int, end: int, size: int) -> list[Event]:
    """All of the range. A record that is gone leaves an event in its place; a place that is gone is a damage of the
    log, and raises OutletFailed: whatever was sent behind it would look complete."""
    places = list(Leaf.objects.filter(tree=tree, idx__gte=begin, idx__lt=end).order_by("idx"))
    if [place.idx for place in places] != list(range(begin, end)):
        raise OutletFailed(f"Places are missing in the log between leaf {begin} and leaf {end}.")
    records = _records(places)
    kept = _months(place.at for place in places if place.record_id not in records)
    return [_event(tree, place, size, records, kept) for place in places]


def _records(places: list[Leaf]) -> Found:
    """Their moments keep the search to their months."""
    moments = [place.at for place in places]
    wanted = Record.objects.filter(pk__in=[place.record_id for place in places])
    rows = wanted.filter(at__gte=min(moments), at__lte=max(moments)).values_list("pk", "leaf", "kind", "trace")
    return {identity: (bytes(leaf), kind, trace) for identity, leaf, kind, trace in rows}


def _event(tree: Tree, place: Leaf, size: int, records: Found, kept: set[str]) -> Event:
    leaf, kind, trace = records.get(place.record_id, (b"", "", ""))
    gone = "" if leaf else "missing" if _month(place.at) in kept else "dropped"
    # Bytes that are no text are not the leaf any more, and the hash shows it.
    text = leaf.decode(errors="replace")
    return Event(place.idx, tree.origin, bytes(place.leaf_hash).hex(), size, place.at, kind, trace, text, gone)


def _month(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y%m}"


def _months(moments: Iterable[dt.datetime]) -> set[str]:
    """Those whose records have a table still."""
    months = sorted({_month(at) for at in moments})
    if not months:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT month FROM unnest(%s::text[]) AS month WHERE to_regclass('audit_record_' || month) IS NOT NULL",
            [months],
        )
        return {month for (month,) in cursor.fetchall()}
