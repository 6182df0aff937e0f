"""What the schemas of all rooms share: how moments, money and pages look in JSON."""

import datetime as dt
from typing import Annotated, Any, Generic, TypeVar

from ninja import Field, Schema
from pydantic import PlainSerializer, WithJsonSchema

from console.core.clock import iso
from console.core.keyset import MOST, SIZE

Item = TypeVar("Item")

Moment = Annotated[
    dt.datetime,
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-20T22:43:05.067123Z"]}),
]
"""RFC 3339, UTC, microseconds."""


class Money(Schema):
    """Whole minor units (cents), never a fraction, and the ISO 4217 code in lower case."""

    minor: int
    currency: str


class Listed(Schema, Generic[Item]):
    """`next` goes into `after` to ask for what follows; null at the end."""

    items: list[Item]
    next: str | None


class Wanted(Schema):
    """Query parameters of every list that may grow long."""

    after: str = Field("", max_length=200, description="`next` of the page before")
    limit: int = Field(SIZE, ge=1, le=MOST)


class Fault(Schema):
    code: str
    text: str
    detail: dict[str, object]


class Error(Schema):
    """The one form of every answer that is not what was asked for. `code` is stable, `text` is for people."""

    error: Fault


def answers(good: Any) -> dict[int, Any]:
    """The responses of a route: what was asked for, and the refusals that any route may give."""
    return {200: good, **dict.fromkeys((401, 403, 404, 405, 422), Error)}
