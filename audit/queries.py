"""Reads for the audit pages: the filtered log, newest first, and the words and names its rows are told in."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse

from audit.models import Disclosure, Record
from audit.vocabulary import Kind
from console.core.ids import short
from console.core.keyset import Page, newest_first

COUNTED = 10_000  # beyond this the page says "more than": counting millions would cost more than reading them

# Most kinds read well without their source (`step:succeeded`); these do not.
WORDS: Mapping[str, str] = {
    Kind.ACCESS_REFUSED: "Access refused",
    Kind.ACTION_EXECUTING: "Action being executed",
    Kind.ACTION_HELD: "Action held for a review",
    Kind.ACTION_IN_DOUBT: "Action in doubt",
    Kind.ALARM_TAMPERED: "Alarm: does not match what was signed",
    Kind.ATTEMPT_LOST: "Attempt lost with its worker",
    Kind.CALL_ANSWERED_LATE: "Late answer to a call",
    Kind.CALL_IN_DOUBT: "Call in doubt",
    Kind.CALL_SENDING: "Call being sent",
    Kind.DISCLOSURE_ERASED: "Personal value erased",
    Kind.EXPORT_RUNNING: "Export begun",
    Kind.LOG_HEARTBEAT: "Nothing else happened",
    Kind.LOG_RESTORED: "Log restored from a backup",
    Kind.PAGE_READ: "Page looked at",
    Kind.RESTORE_SIGNED: "Restore from a backup signed",
    Kind.RETENTION_PRUNED: "Old records dropped",
    Kind.REVIEW_OPEN: "Review opened",
    Kind.RUN_RUNNING: "Run started",
    Kind.SESSION_REFUSED: "Sign-in refused",
    Kind.STEP_PLANNED: "Step planned",
    Kind.STEP_RUNNING: "Step begun",
}
_TONES = {
    "wait": frozenset({Kind.ACTION_HELD, Kind.REVIEW_OPEN, Kind.ACTION_IN_DOUBT, Kind.CALL_IN_DOUBT}),
    "stop": frozenset(
        {
            Kind.ALARM_TAMPERED,
            Kind.ACCESS_REFUSED,
            Kind.SESSION_REFUSED,
            Kind.ACTION_FAILED,
            Kind.CALL_FAILED,
            Kind.RUN_FAILED,
            Kind.STEP_FAILED,
            Kind.OUTLET_FAILED,
            Kind.EXPORT_FAILED,
        }
    ),
}
# What a subject's prefix names, and the page that shows it. Rooms that are not built in have no such page.
PAGES = {"run": "run", "rev": "review", "hld": "hold"}
_ID = re.compile(r"[a-z]{2,8}_[0-9a-z]{26}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Filter(forms.Form):
    """What the address says. `kind` is the beginning of one, so `runs:step:` means everything about steps."""

    kind = forms.CharField(max_length=64, required=False)
    subject = forms.CharField(max_length=200, required=False)
    actor = forms.CharField(max_length=100, required=False)
    run = forms.CharField(max_length=100, required=False)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)

    @property
    def told(self) -> str:
        """For the record of the read: the filters in use, always in the same order."""
        return " ".join(f"{name}={value}" for name, value in self.cleaned_data.items() if value)


@dataclass(frozen=True, slots=True)
class Line:
    """One record as the list shows it."""

    record: Record
    said: str
    tone: str
    who: str
    what: str
    url: str


@dataclass(frozen=True, slots=True)
class Listing:
    lines: list[Line]
    next: str
    count: int

    @property
    def more(self) -> bool:
        return self.count > COUNTED


def matching(records: QuerySet[Record], given: Mapping[str, Any]) -> QuerySet[Record]:
    """`given` has the names of Filter; days are those of UTC, and `until` is included."""
    exact = {name: given[name] for name in ("subject", "actor", "run") if given.get(name)}
    records = records.filter(**exact)
    if given.get("kind"):
        records = records.filter(kind__startswith=given["kind"])
    if given.get("since"):
        records = records.filter(at__gte=_midnight(given["since"]))
    if given.get("until"):
        records = records.filter(at__lt=_midnight(given["until"]) + dt.timedelta(days=1))
    return records


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def listing(records: QuerySet[Record], *, after: str) -> Listing:
    """A page of lines without the leaves, which only the record's own page shows."""
    page: Page[Record] = newest_first(records.defer("leaf"), by="at", after=after)
    names = names_of(record.actor for record in page.items)
    count = records.order_by()[: COUNTED + 1].count()
    return Listing([line(record, names) for record in page.items], page.next, count)


def line(record: Record, names: Mapping[str, str]) -> Line:
    who = names.get(record.actor) or brief(record.actor)
    return Line(record, say(record.kind), tone(record.kind), who, brief(record.subject), url_of(record.subject))


def brief(name: str) -> str:
    """Short enough for a row when it is an id of ours; other names stay whole."""
    if _ID.fullmatch(name):
        return short(name)
    return f"{name[:8]}…{name[-4:]}" if _UUID.fullmatch(name) else name


def say(kind: str) -> str:
    return WORDS.get(kind) or re.sub("[:_]", " ", kind.partition(":")[2]).capitalize()


def tone(kind: str) -> str:
    """Red for what went wrong, amber for what waits for a person; most of a log is neither."""
    return next((name for name, kinds in _TONES.items() if kind in kinds), "")


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """As disclosed beside the record of each person's creation. Erased names are missing, and ids stay."""
    people = {actor for actor in actors if actor.startswith("usr_")}
    made = dict(Record.objects.of(*people).filter(kind=Kind.USER_CREATED).values_list("pk", "subject"))
    known = Disclosure.objects.filter(record_id__in=made, path="name").values_list("record_id", "value")
    return {made[record_id]: str(name) for record_id, name in known}


def url_of(subject: str) -> str:
    """ "" when no page shows it. A UUID is that of a record."""
    name = "record" if _UUID.fullmatch(subject) else PAGES.get(subject.partition("_")[0])
    try:
        return reverse(name, args=[subject]) if name else ""
    except NoReverseMatch:
        return ""
