"""Legal holds: while one is placed, nothing that it touches is dropped or erased. It takes two people to end one."""

import datetime as dt
from collections.abc import Iterable

from django.db import transaction

from audit.access import READERS, access_hold
from audit.models import Hold
from audit.move import begin, move
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import Forbidden, Invalid

MAX_REASON = 2_000


def place_hold(actor: Actor, since: dt.date, until: dt.date | None, reason: str) -> Hold:
    """From `since` to `until`, both days included; without `until` it also holds what is yet to come."""
    _check_person(actor)
    if until is not None and until < since:
        raise Invalid("The hold ends before it begins.")
    hold = Hold(team=actor.team, since=since, until=until, placed_by=actor.id)
    detail = {"since": since.isoformat(), "until": until.isoformat() if until else ""}
    with transaction.atomic():
        begin(hold, actor=actor, detail=detail, personal={"reason": _checked(reason)})
    return hold


def release_hold(actor: Actor, hold_id: str, reason: str) -> Hold:
    _check_person(actor)
    hold = access_hold(actor, hold_id)
    if hold.placed_by == actor.id:
        raise Forbidden("You placed this hold, so somebody else has to release it.", code="own_hold")
    with transaction.atomic():
        move(hold, "released", actor=actor, personal={"reason": _checked(reason)},
             released_by=actor.id, released_at=now())  # fmt: skip
    return hold


def _check_person(actor: Actor) -> None:
    if not actor.interactive:
        raise Forbidden("Only a person in a browser session places and releases holds.", code="not_interactive")
    actor.require(*READERS)


def _checked(reason: str) -> str:
    text = reason.strip()
    if not text:
        raise Invalid("Say why; who has to judge it later reads nothing else.", code="reason_needed")
    if len(text) > MAX_REASON:
        raise Invalid(f"Keep the reason under {MAX_REASON:,} characters.")
    return text


def touching(holds: Iterable[Hold], first: dt.date, last: dt.date) -> list[Hold]:
    """Those that hold a day from `first` to before `last`. Pure; `audit_drop_month` asks the same."""
    return [hold for hold in holds if hold.since < last and (hold.until is None or hold.until >= first)]


def placed() -> list[Hold]:
    """Of all teams: a month is dropped for all of them at once."""
    return list(Hold.objects.filter(state="placed").order_by("placed_at", "id"))
