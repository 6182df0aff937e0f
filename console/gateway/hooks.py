"""Where other systems tell of events: `POST /hooks/<address>`, beside the pages. No session, no cookie, no token counts
here; what proves the sender is checked by the door, after the answer.
"""

import re

from console.core.clock import now
from console.core.errors import NotFound, Refusal
from console.core.threads import in_thread
from console.gateway.bodies import Receive, Scope, Send, TooLarge, read_body, respond
from console.gateway.raw_answers import Answer, problem
from integrations.webhooks.reading import challenge
from integrations.webhooks.receive import LARGEST_BODY, PATH, TooManyWait, store_delivery, webhook_at

_ADDRESS = re.compile(rf"{PATH}([A-Za-z0-9_-]{{43}})/?")
PLAIN = (("Content-Type", "text/plain; charset=utf-8"),)
AGAIN_IN = (("Retry-After", "30"),)  # seconds


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """202, or 200 with what the sender wants said back, once the delivery is stored, and not before. Whether it is
    genuine is nobody's to know who sends it."""
    try:
        answer = await _answer(scope, receive)
    except Refusal as refusal:
        more = AGAIN_IN if isinstance(refusal, TooManyWait) else ()
        answer = problem(refusal.status, refusal.code, refusal.text, more)
    await respond(scope, send, answer)


async def _answer(scope: Scope, receive: Receive) -> Answer:
    if scope["method"] != "POST":
        return problem(405, "method_not_allowed", "This address answers POST only.", (("Allow", "POST"),))
    at = now()
    address = _ADDRESS.fullmatch(scope["path"])
    webhook = await in_thread("hooks", webhook_at, address[1]) if address else None
    if webhook is None:
        raise NotFound("There is nothing at this address.")
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    if any(name == "content-length" and value.isdigit() and int(value) > LARGEST_BODY for name, value in headers):
        raise TooLarge(f"A body has at most {LARGEST_BODY:,} bytes.")
    body = await read_body(receive, LARGEST_BODY)
    await in_thread("hooks", store_delivery, webhook, headers, body, at)
    if wanted := challenge(body, webhook.settings):  # the sender's own words, which tell them nothing
        return Answer(200, wanted.encode(), PLAIN)
    return Answer(202, b"", ())
