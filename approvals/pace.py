"""How often the other side takes calls of one operation, as its description says. What comes too early loses nothing:
it stays permitted, and the sweep brings it to the door again."""

import datetime as dt

from approvals.authority import Loaded
from console.core.clock import now
from console.core.turns import take_turn
from integrations.models import Call


class TooEarly(Exception):
    """The operation was called as often as it may be for now."""


def keep_pace(loaded: Loaded) -> None:
    """In the transaction that begins the call: doors wait for each other here, so that two never take one place. Raises
    TooEarly."""
    told = loaded.operation.document.get("rate_limit")
    if not told:
        return
    operation = loaded.action.operation_id
    take_turn(f"pace of {operation}")
    since = now() - dt.timedelta(seconds=told["seconds"])
    if Call.objects.filter(operation=operation, sent_at__gt=since).count() >= told["calls"]:
        raise TooEarly
