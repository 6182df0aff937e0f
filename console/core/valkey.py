"""The Valkey beside the database: for notices and wake-ups, and nothing that must not be lost."""

import functools

from django.conf import settings
from redis import Redis

PREFIX = "countersign"
AT_ONCE = 0.5  # seconds that whoever tells something waits at most


@functools.cache
def client() -> Redis:
    """For what is said and taken at once. Its connections are made at first use, and made again after a fault."""
    return Redis.from_url(settings.CHANNEL_URL, socket_timeout=AT_ONCE, socket_connect_timeout=AT_ONCE)


def listener(seconds: float) -> Redis:
    """For whoever waits so long at a time for something to be said."""
    return Redis.from_url(settings.CHANNEL_URL, socket_timeout=seconds + 5, socket_connect_timeout=5)


def place(*parts: str) -> str:
    return ":".join((PREFIX, *parts))
