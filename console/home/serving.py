"""Serves pages and the API: each request in one thread, from its first middleware to its last."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import IO, Any, cast

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import request_started
from django.http import FileResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.urls import set_script_prefix

from console.core.threads import in_thread

PAGES, AGENTS, FILES = "pages", "agents", "files"  # doors: whoever waits at one is in nobody's way at another
ASKING = "/api/v1/actions"  # where agents wait for answers


class Pages(ASGIHandler):
    """Django's own handler changes threads a dozen times on the way through synchronous middleware, and has a thread
    made for each request: twice the work of most views."""

    chunk_size = 1 << 20  # bytes of a file that are read, and sent, at once

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            door = AGENTS if scope["path"].startswith(ASKING) else PAGES
            response = await in_thread(door, self._answer, scope, body)
        if not isinstance(response, StreamingHttpResponse):
            await self.send_response(response, send)
            return
        gone = asyncio.ensure_future(receive())  # there is nothing more to hear but that nobody listens any more
        try:
            response.streaming_content = _parts(iter(response), gone)
            await self.send_response(response, send)
        finally:
            gone.cancel()
            await in_thread(FILES, response.close)

    def _answer(self, scope: dict[str, Any], body: IO[bytes]) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=type(self), scope=scope)
        request, refusal = self.create_request(scope, body)
        response = self.get_response(request) if request is not None else cast(HttpResponseBase, refusal)
        response._handler_class = type(self)  # type: ignore[attr-defined]
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if not response.streaming:
            response.close()  # ends the request here, in its own thread
        return response


async def _parts(content: Iterator[bytes], gone: asyncio.Future[Any]) -> AsyncIterator[bytes]:
    """A reader that is slow keeps no thread: each part is read when the one before is on its way."""
    while not gone.done() and (part := await in_thread(FILES, next, content, None)) is not None:
        yield part
