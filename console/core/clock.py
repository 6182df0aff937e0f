"""The one clock of the code; the database keeps its own for what must not be back-dated."""

import contextlib
import datetime as dt
import functools
import time
from email.utils import parsedate_to_datetime


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def iso(moment: dt.datetime) -> str:
    """Fixed width, microseconds, UTC: `2026-11-20T22:43:05.067123Z`."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def read_moment(text: str) -> dt.datetime:
    """Of what `iso` wrote."""
    return dt.datetime.fromisoformat(text)


def stamp() -> str:
    """`iso(now())`, for what is written with each act."""
    second, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(second)}.{rest // 1_000:06d}Z"


@functools.lru_cache(2)
def _second(since: int) -> str:
    return iso(dt.datetime.fromtimestamp(since, dt.UTC))[:19]


def nanoseconds(moment: dt.datetime) -> int:
    """Unix nanoseconds, as spans carry them; exact to the microsecond that a datetime holds."""
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def retry_after(value: str) -> float | None:
    """Seconds of the header `Retry-After`: a number of them, or a date (RFC 9110 §10.2.3). None for anything else."""
    if value.isascii() and value.isdigit():
        return float(value[:10])
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        date = parsedate_to_datetime(value)
        return max(0.0, (date.replace(tzinfo=date.tzinfo or dt.UTC) - now()).total_seconds())
    return None
