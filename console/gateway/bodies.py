"""What the ASGI applications beside the pages share: a body that is taken whole or not at all, and an answer."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from console.core.errors import Refusal
from console.gateway.raw_answers import Answer

BODY_WITHIN = 30.0  # seconds that a body may take to arrive

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class TooLarge(Refusal):
    status = 413
    code = "too_large"


class TooSlow(Refusal):
    status = 408
    code = "too_slow"


class CutShort(Refusal):
    code = "cut_short"


async def read_body(receive: Receive, most: int) -> bytes:
    """Raises TooLarge, TooSlow, and CutShort where the sender went away in the middle: half a body says another thing
    than the whole."""
    taken = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise CutShort("The body ended before it was whole.")
                taken += message.get("body", b"")
                if len(taken) > most:
                    raise TooLarge(f"A body has at most {most:,} bytes.")
                if not message.get("more_body"):
                    return bytes(taken)
    except TimeoutError:
        raise TooSlow("The body took too long to arrive.") from None


async def respond(scope: Scope, send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.lines})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})
