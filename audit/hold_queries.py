"""Holds as the pages tell of them: who, why, until when, and which months they keep."""

from collections.abc import Iterable
from dataclasses import dataclass

from audit.access import visible_holds
from audit.models import Disclosure, Hold, Record
from audit.queries import brief, names_of
from audit.retention import Month, listing
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.clock import now
from console.core.keyset import newest_first


@dataclass(frozen=True, slots=True)
class Shown:
    """`placed` and `released` are reasons; "" for one that was erased. `months` are those that are still there."""

    hold: Hold
    placed: str
    released: str
    placed_by: str
    released_by: str
    months: list[Month]

    @property
    def over(self) -> list[Month]:
        """What would go if this hold did not keep it."""
        today = now().date()
        return [month for month in self.months if month.over(today) and len(month.held_by) == 1]

    @property
    def longer(self) -> bool:
        """Whether it also keeps what is yet to be recorded."""
        return self.hold.until is None or self.hold.until >= now().date()


@dataclass(frozen=True, slots=True)
class Holds:
    shown: list[Shown]
    next: str


def list_holds(actor: Actor, *, after: str) -> Holds:
    page = newest_first(visible_holds(actor), by="placed_at", after=after)
    return Holds(show(page.items), page.next)


def show(holds: Iterable[Hold]) -> list[Shown]:
    holds = list(holds)
    names = names_of(who for hold in holds for who in (hold.placed_by, hold.released_by))
    reasons, months = _reasons(hold.id for hold in holds), listing()
    return [
        Shown(
            hold=hold,
            placed=reasons.get((hold.id, Kind.HOLD_PLACED), ""),
            released=reasons.get((hold.id, Kind.HOLD_RELEASED), ""),
            placed_by=names.get(hold.placed_by) or brief(hold.placed_by),
            released_by=names.get(hold.released_by) or brief(hold.released_by),
            months=[month for month in months if hold in month.held_by],
        )
        for hold in holds
    ]


def _reasons(ids: Iterable[str]) -> dict[tuple[str, str], str]:
    told = Record.objects.of(*ids).filter(kind__in=(Kind.HOLD_PLACED, Kind.HOLD_RELEASED))
    records = {key: (subject, kind) for key, subject, kind in told.values_list("pk", "subject", "kind")}
    disclosed = Disclosure.objects.filter(record_id__in=records, path="reason").values_list("record_id", "value")
    return {records[key]: str(value) for key, value in disclosed}
