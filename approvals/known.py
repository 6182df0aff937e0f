"""What the log says about a call of which nobody knows whether it had its effect: for whoever is asked."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from approvals.models import Action
from audit.models import Record
from audit.vocabulary import Kind
from console.core.text import exact
from integrations.models import Call


@dataclass(frozen=True, slots=True)
class Event:
    """`said` is what the other side or the network said, as text of theirs."""

    at: dt.datetime
    text: str
    said: str = ""

    @property
    def exact(self) -> str:
        """For whoever searches the other side's own log."""
        return exact(self.at)


@dataclass(frozen=True, slots=True)
class Known:
    key: str  # by which the other side may know the request, if any went with it
    events: tuple[Event, ...]


def known_of(action: Action) -> Known | None:
    call = Call.objects.exclude(effect="read").filter(action=action.id, throttled=False).first()
    if call is None:
        return None
    rows = Record.objects.of(call.id).order_by("at", "id").values_list("at", "kind", "leaf")
    told = (_event(at, kind, json.loads(bytes(leaf)).get("detail", {})) for at, kind, leaf in rows)
    told_key = {"header", "body"} & action.operation.description.get("idempotency", {}).keys()
    return Known(call.key if told_key else "", tuple(event for event in told if event))


def _event(at: dt.datetime, kind: str, detail: Mapping[str, Any]) -> Event | None:
    match kind:
        case Kind.CALL_SENDING if detail.get("attempt", 1) > 1:
            return Event(at, f"Sent again, with the same key (attempt {detail['attempt']}).")
        case Kind.CALL_SENDING:
            return Event(at, "Sent.")
        case Kind.CALL_IN_DOUBT:
            return Event(at, "No answer that says what happened.", str(detail.get("error") or ""))
        case Kind.CALL_ANSWERED_LATE:
            text = f"A late answer to attempt {detail.get('attempt')}: status {detail.get('status')}."
            return Event(at, text, str(detail.get("error") or ""))
    return None
