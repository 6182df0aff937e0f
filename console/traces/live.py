"""Telling pages that something changed. Never what: the page asks again, through its own access check."""

import asyncio
import functools
import threading
from typing import Any

from channels.layers import get_channel_layer

from console.core.valkey import client, place
from console.core.wake import after_commit

ANSWERED = "answered"
PATIENCE = 1.0  # seconds; a notice that cannot be sent by then is dropped, pages ask again by themselves


def changed(team: str, *topics: str) -> None:
    """After commit, tell everyone of the team who looks at these topics (`run.<id>`, `runs`, `reviews`)."""
    for topic in topics:
        after_commit(functools.partial(_send, group(team, topic), topic))


def answered(action: str) -> None:
    """After commit, tell every process in which an agent may wait for this action. Ids alone travel."""
    after_commit(lambda: client().publish(place(ANSWERED), action))


def end_sockets(user: Any, **_: Any) -> None:
    """After commit, close what somebody has open whose account was closed."""
    after_commit(functools.partial(_deliver, person(user.id), {"type": "ended"}))


def person(user_id: str) -> str:
    return f"person.{user_id}"


def group(team: str, topic: str) -> str:
    """The team is part of the name, so that nobody can subscribe to another team's notices."""
    return f"{team}.{topic}"


def _send(name: str, topic: str) -> None:
    _deliver(name, {"type": "changed", "topic": topic})


def _deliver(name: str, message: dict[str, Any]) -> None:
    sent = asyncio.run_coroutine_threadsafe(_group_send(name, message), loop())
    sent.result(PATIENCE)


async def _group_send(name: str, message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is not None:
        await asyncio.wait_for(layer.group_send(name, message), PATIENCE)


@functools.cache
def loop() -> asyncio.AbstractEventLoop:
    """One event loop per process for sending: the channel layer keeps its connections per loop."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="live", daemon=True).start()
    return loop
