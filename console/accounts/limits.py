"""When a session has ended: so long after its sign-in, and so long after it was last used."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest

SESSION_KEY = "session"  # the session's own name and beginning; its key is a secret and stays out of the log
SEEN_KEY = "seen"  # when it was last used, in seconds since 1970
STEP = dt.timedelta(minutes=1)  # use is written down so often, not at each request


def has_ended(session: Mapping[str, Any], at: dt.datetime) -> bool:
    """Also where it does not say when it began: then no sign-in here made it."""
    opened = session.get(SESSION_KEY, {}).get("opened")
    if not opened:
        return True
    began = dt.datetime.fromisoformat(opened)
    idle = dt.timedelta(minutes=settings.SESSION_IDLE_MINUTES)
    return at >= began + dt.timedelta(hours=settings.SESSION_HOURS) or at >= last_used(session, began) + idle


def last_used(session: Mapping[str, Any], began: dt.datetime) -> dt.datetime:
    return dt.datetime.fromtimestamp(session.get(SEEN_KEY, began.timestamp()), dt.UTC)


def is_use(request: HttpRequest) -> bool:
    """A part of a page that fetches itself anew, because something changed or time passed, shows nobody at work."""
    headers = request.headers
    refreshes = "HX-Request" in headers and headers.get("HX-Target") == headers.get("HX-Trigger")
    return not (refreshes and request.method == "GET")


def note_use(session: Any, at: dt.datetime) -> None:
    """For limits of a few minutes more often than each minute."""
    step = min(STEP.total_seconds(), settings.SESSION_IDLE_MINUTES * 6)
    if at.timestamp() - session.get(SEEN_KEY, 0) >= step:
        session[SEEN_KEY] = at.timestamp()
