"""One HTTP exchange with somebody outside, over after so many seconds, however slowly the other side answers.

httpx alone counts seconds from one byte to the next. Only the system's search for a name cannot be cut short; it has
limits of its own. Not to be called inside an event loop.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple

import httpx

LARGEST_ANSWER = 1024 * 1024


class ExchangeFailed(Exception):
    """Says why there is no answer. It is not known whether the other side has acted."""


class TookTooLong(ExchangeFailed):
    pass


class Answer(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


def exchange(
    method: str, url: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None, seconds: float,
    ca_file: str = "",
) -> Answer:  # fmt: skip
    """Redirects are answers, and proxies of the environment are not asked. Raises ExchangeFailed."""
    try:
        request = httpx.Request(method, url, content=content, headers=headers)
        verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
        return asyncio.run(asyncio.wait_for(_exchange(request, verify, seconds), seconds))
    except (TimeoutError, httpx.TimeoutException):
        raise TookTooLong(f"There was no answer within {seconds:g} seconds.") from None
    except httpx.ConnectError as fault:
        raise ExchangeFailed(f"No connection could be made: {fault}") from fault
    # Texts of the others may repeat a header, and in it a secret.
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as fault:
        raise ExchangeFailed(f"The exchange broke off: {type(fault).__name__}.") from None
    except OSError as fault:
        raise ExchangeFailed(f"{ca_file}: {fault.strerror or 'not a file of certificates'}") from fault


async def _exchange(request: httpx.Request, verify: ssl.SSLContext | bool, seconds: float) -> Answer:
    async with httpx.AsyncClient(verify=verify, timeout=seconds, trust_env=False) as client:
        answer = await client.send(request, stream=True)
        body = bytearray()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > LARGEST_ANSWER:
                raise ExchangeFailed(f"The answer is longer than {LARGEST_ANSWER} bytes.")
        return Answer(answer.status_code, answer.headers, bytes(body))
