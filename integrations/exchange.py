"""One exchange with another system in the name of a credential. The secret is opened for it, by the door alone."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import Error, connection

from console.core.actor import system
from console.core.door_keys import KeyMissing
from console.core.expressions import search
from console.core.sealing import unseal
from integrations.description import Description
from integrations.here import KEY_HEADER, do_here, is_here
from integrations.models import Credential, Integration
from integrations.outbound import Answer, NotSent, send
from integrations.permission import is_agents_own, permit
from integrations.refusals import UNAUTHORIZED, note_answer
from integrations.render import Rendered
from integrations.tokens import Token, forget_token, token_for

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Secret:
    """Outside its seal: it lives as long as the call that it is for. `token` is what a server gave for it, if it needs
    one."""

    text: str = field(repr=False)
    token: Token | None = None


def open_secret(credential: Credential, integration: Integration) -> Secret:
    """It may take half a minute, where a token has to be fetched first. Raises NotSent, or Tampered."""
    try:
        text = unseal(credential.seal)
    except KeyMissing as error:
        raise NotSent(str(error)) from None
    return Secret(text, token_for(credential, integration, text))


def exchange(
    credential: Credential, integration: Integration, secret: Secret, rendered: Rendered, *, expected: bytes,
    headers: Mapping[str, str] | None = None, fresh: bool = False, first: Callable[[], object] | None = None,
) -> Answer:  # fmt: skip
    """`first` is called right before the request begins to be written; what it raises keeps it from that. A tool that
    is not what it was is not called, and what the server lists now is kept for whoever decides."""
    if is_here(integration):
        key = (headers or {}).get(KEY_HEADER, "")
        return do_here(integration, rendered, expected=expected, key=key, first=first)
    if is_agents_own(integration):
        return permit(rendered, expected=expected, key=(headers or {}).get(KEY_HEADER, ""), first=first)
    sign_in: dict[str, Any] = {
        "secret": secret.text, "token": secret.token.text if secret.token else "",
        "credential_type": integration.credential_type, "settings": integration.credential_settings,
    }  # fmt: skip
    used_by = "" if fresh else credential.pk
    if rendered.tool:
        trace = (headers or {}).get("traceparent", "")
        answer = _call_tool(integration, rendered, expected=expected, trace=trace, first=first, **sign_in)
    else:
        answer = send(rendered, expected=expected, headers=headers, credential=used_by, first=first, **sign_in)
    with _noting():
        if secret.token and answer.status == UNAUTHORIZED:
            forget_token(credential, secret.token)
        note_answer(credential, answer.status)
    return answer


def _call_tool(integration: Integration, rendered: Rendered, **given: Any) -> Answer:
    """The protocol's library takes a third of the time in which a process starts, and few call tools."""
    from integrations.mcp.listing import keep_drift  # noqa: PLC0415
    from integrations.mcp.session import Drifted, call_tool  # noqa: PLC0415

    try:
        return call_tool(rendered, **given)
    except Drifted as drift:
        with _noting():
            keep_drift(integration, drift.tools, actor=system("door"))
        raise


@contextmanager
def _noting() -> Iterator[None]:
    """What the door notes beside an answer must not cost the answer: a fault of the database is logged, and a session
    that ended gives way to another for the receipt. The next answer says the same again."""
    try:
        yield
    except Error as fault:
        logger.warning("what an answer says could not be noted (%s)", type(fault).__name__)
        connection.close_if_unusable_or_obsolete()


def refused(operation: Description, answer: Answer) -> bool:
    """Whether the other side says, with a status that others use for success, that it did not do what was asked."""
    described = operation.document.get("success", {}).get("refused")
    told = described is not None and 200 <= answer.status < 300 and bool(search(described, answer.body))
    return told or answer.refused


def succeeded(operation: Description, answer: Answer) -> bool:
    """By the described statuses (any 2xx when there are none) and the described condition on the body."""
    described = operation.document.get("success", {})
    statuses = described.get("status")
    right = answer.status in statuses if statuses else 200 <= answer.status < 300
    return right and not answer.refused and ("when" not in described or bool(search(described["when"], answer.body)))
