"""Pages of long lists by keyset: each costs the same wherever it lies, and rows that come meanwhile shift nothing."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

from console.core.clock import iso
from console.core.errors import Invalid

Row = TypeVar("Row", bound=Model)
SIZE = 50
MOST = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """`next` is the cursor of the page after this one; "" when this is the last."""

    items: list[Row]
    next: str


def newest_first(rows: QuerySet[Row], *, by: str, after: str = "", size: int = SIZE) -> Page[Row]:
    """By the moment in the column `by`, ties by primary key. Raises Invalid for a cursor that no page gave out."""
    return _page(rows.order_by(f"-{by}", "-pk"), by, after, size, "lte", "gte")


def oldest_first(rows: QuerySet[Row], *, by: str, after: str = "", size: int = SIZE) -> Page[Row]:
    """The same the other way round."""
    return _page(rows.order_by(by, "pk"), by, after, size, "gte", "lte")


def merged(one: Page[Any], other: Page[Any], *, by: str, size: int) -> Page[Any]:
    """Of two pages that `newest_first` made after the same cursor, for lists from two tables with the same columns."""
    both = sorted([*one.items, *other.items], key=lambda row: (getattr(row, by), row.pk), reverse=True)
    more = len(both) > size or one.next or other.next
    last = both[size - 1] if more and len(both) >= size else None
    return Page(both[:size], f"{iso(getattr(last, by))}~{last.pk}" if last else "")


def _page(rows: QuerySet[Row], by: str, after: str, size: int, beyond: str, seen: str) -> Page[Row]:
    if after:
        moment, key = _read(after, rows.model)
        # One range for the index, and from its first moment only what comes after the key.
        rows = rows.filter(**{f"{by}__{beyond}": moment}).exclude(**{by: moment, f"pk__{seen}": key})
    found = list(rows[: size + 1])
    last = found[size - 1] if len(found) > size else None
    return Page(found[:size], f"{iso(getattr(last, by))}~{last.pk}" if last else "")


def _read(cursor: str, model: type[Model]) -> tuple[dt.datetime, Any]:
    moment, _, key = cursor.partition("~")
    try:
        at, found = dt.datetime.fromisoformat(moment), model._meta.pk.to_python(key)
    except (ValueError, ValidationError):
        at, found = None, None
    if at is None or at.tzinfo is None or not found or "\0" in key:
        raise Invalid("This is not a place in the list. Begin with the first page.", code="invalid_cursor")
    return at, found
