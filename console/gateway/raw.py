"""The same acts for programs that speak to an external system's own API: their base URL leads here, and each request
is matched back to an operation of that integration. Under PATH, beside the pages: nothing decodes the path before us.
"""

import re

from django.conf import settings

from console.agents.identify import Identified, identify
from console.core.errors import Refusal, Tampered
from console.core.threads import in_thread
from console.gateway.acts import access_action, ask, preferred_wait, wait_until
from console.gateway.bodies import Receive, Scope, Send, read_body, respond
from console.gateway.raw_answers import Answer, answer_of, problem
from console.gateway.understand import understand
from integrations.recognise import Heard

PATH = "/raw/"
PATIENCE = 45.0  # seconds that an answer may take where nobody has to sign; clients give up after sixty
_ADDRESS = re.compile(r"/raw/([a-z][a-z0-9-]{0,63})(/.*)?")


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application at PATH. 401 for whoever brings no token of an agent."""
    try:
        answer = await _answer(scope, receive)
    except Refusal as refusal:
        answer = problem(refusal.status, refusal.code, refusal.text)
    except Tampered:
        answer = problem(409, "tampered", "What is stored does not match what was signed.")
    await respond(scope, send, answer)


async def _answer(scope: Scope, receive: Receive) -> Answer:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    opening = Heard(scope["method"], "/", "", headers, b"")
    who = await in_thread("raw", identify, opening.header("Authorization") or "")
    if who is None:
        return problem(401, "not_signed_in", "Send the token of an agent that is still good, as Bearer.")
    address = _ADDRESS.fullmatch(scope["raw_path"].decode("latin-1"))
    integration, path = (address[1], address[2] or "/") if address else ("", "/")
    query = scope["query_string"].decode("latin-1")
    body = await read_body(receive, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    heard = Heard(scope["method"], path, query, headers, body)
    return await in_thread("raw", _asked, who, integration, heard)


def _asked(who: Identified, integration: str, heard: Heard) -> Answer:
    """Where nobody has to sign, the answer is waited for, as the program expects; with `Prefer: wait=N` also a person.
    One that went away is not noticed: what it asked for is done or held all the same, and found by its key."""
    wait = preferred_wait(heard.header("Prefer") or "")
    seconds = PATIENCE if wait is None else wait
    action = ask(who, understand(who, integration, heard))
    if action.settled:
        return answer_of(access_action(who, action.id))
    return answer_of(wait_until(who, action, seconds=seconds, also_held=wait is None))
