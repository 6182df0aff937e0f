"""How often the other side takes calls, as the description of an operation says or as it says itself. What comes too
early loses nothing: the action stays where it is, and the sweep brings it to the door again."""

import contextlib
import datetime as dt
import random

from redis import RedisError

from console.core.clock import now
from console.core.turns import take_turn
from console.core.valkey import client, place
from integrations.description import Description
from integrations.models import Call
from integrations.outbound import Answer

TOO_MANY = 429
FORBIDDEN = 403  # with a time to come back at: how some say that it was too many
UNAVAILABLE = 503
FIRST_WAIT, MOST_WAIT = 5.0, 3_600.0  # seconds, where the other side does not say how long
LONGEST_ASKED = 24 * 3_600.0  # whoever asks for more time than this does not mean this request
MOST_TIMES = 12  # some four hours, where it does not say


class TooEarly(Exception):
    """The operation was called as often as it may be for now."""


class Throttled(Exception):
    """The other side did nothing and wants to be asked again, after so many seconds if it said so."""

    def __init__(self, wait: float | None) -> None:
        super().__init__("The other side takes no more requests for now.")
        self.wait = wait


def is_paced(operation: Description) -> bool:
    return bool(operation.document.get("rate_limit"))


def keep_pace(operation: Description, identity: str) -> None:
    """In the transaction that begins the call: doors wait for each other here, so that two never take one place. Raises
    TooEarly."""
    told = operation.document.get("rate_limit")
    if not told:
        return
    take_turn(f"pace of {identity}")
    since = now() - dt.timedelta(seconds=told["seconds"])
    if Call.objects.filter(operation=identity, sent_at__gt=since).count() >= told["calls"]:
        raise TooEarly


def keep_read_pace(operation: Description, identity: str) -> None:
    """Reads leave no row that could be counted; they are, by the clock, beside the database. Where that is away the
    other side says itself what is too much. Raises TooEarly."""
    told = operation.document.get("rate_limit")
    if not told:
        return
    key = place("pace", identity, str(int(now().timestamp() / told["seconds"])))
    with contextlib.suppress(RedisError):
        both = client().pipeline()
        both.incr(key)
        both.expire(key, told["seconds"])
        count, _ = both.execute()
        if count > told["calls"]:
            raise TooEarly


def next_read_in(operation: Description) -> float:
    """Seconds until they are counted anew."""
    seconds: int = operation.document["rate_limit"]["seconds"]
    return seconds - now().timestamp() % seconds


def throttled(answer: Answer, *, reads: bool) -> bool:
    """For certain nothing was done, and later it may be. Of a write that was not available that is not certain."""
    told_when = {FORBIDDEN, UNAVAILABLE} if reads else {FORBIDDEN}
    return answer.status == TOO_MANY or (answer.later is not None and answer.status in told_when)


def next_try(times: int, wait: float | None) -> dt.datetime | None:
    """After it was put off so many times before; None when there is to be no other. Those that were put off together
    do not come back together."""
    if times >= MOST_TIMES or (wait or 0) > LONGEST_ASKED:
        return None
    seconds = min(FIRST_WAIT * 2**times, MOST_WAIT) if wait is None else max(wait, 1.0)
    return now() + dt.timedelta(seconds=seconds * random.uniform(1, 1.2))  # noqa: S311  (no secret)
