"""Reads that belong to an action: its preconditions and its probe. Made by the door with the action's credential."""

import contextlib
import functools
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import SpanKind

from approvals.authority import Loaded, Stale
from approvals.lease import LeaseEnded, check_lease
from approvals.pace import Throttled, TooEarly, keep_read_pace, next_read_in, throttled
from approvals.paging import LONGEST, Endless, read_whole
from console.core.canonical import carriable
from console.core.expressions import fill, literal, search
from console.core.telemetry import parent_context, tracer
from integrations.credential_types import known
from integrations.description import Description
from integrations.exchange import Secret, succeeded
from integrations.exchange import exchange as exchanged
from integrations.exchange import open_secret as opened
from integrations.outbound import Answer, NotSent, Unknown
from integrations.render import Rendered, render


class Unreadable(Exception):
    """A read did not give what it must; the text names the operation and never holds what came back."""


def open_secret(loaded: Loaded, *, settling: bool = False) -> Secret:
    """Under a live lease alone. It may take half a minute, where a token has to be fetched first. Raises NotSent, or
    Tampered."""
    check_lease(loaded, settling=settling)
    return opened(loaded.credential, loaded.action.operation.integration)


def fetch_token(loaded: Loaded) -> None:
    """Where one is needed: it takes its time before the intent, and not after it. That there is none to be had is told
    by the call itself."""
    if known(loaded.action.operation.integration.credential_type).grant:
        with contextlib.suppress(NotSent):
            open_secret(loaded)


def exchange(
    loaded: Loaded, secret: Secret, rendered: Rendered, *, expected: bytes, headers: Mapping[str, str] | None = None,
    fresh: bool = False, settling: bool = False,
) -> Answer:  # fmt: skip
    """One outbound request with the action's secret, whose lease is looked at once more before its first byte."""
    loaded.asked_at = 0.0  # it may take minutes
    return exchanged(
        loaded.credential, loaded.action.operation.integration, secret, rendered, expected=expected, headers=headers,
        fresh=fresh, first=functools.partial(check_lease, loaded, settling=settling),
    )  # fmt: skip


def exchange_read(loaded: Loaded, rendered: Rendered, *, settling: bool = False) -> Answer:
    """An exchange that changes nothing, with a span of its own; writes have the span of their Call. Raises Stale when
    its lease has ended."""
    try:
        return _exchange_read(loaded, rendered, settling)
    except LeaseEnded as ended:
        raise Stale("lease_ended", str(ended)) from None


def _exchange_read(loaded: Loaded, rendered: Rendered, settling: bool) -> Answer:
    action = loaded.action
    if not action.trace_id:
        secret = open_secret(loaded, settling=settling)
        return exchange(loaded, secret, rendered, expected=rendered.digest, settling=settling)
    attributes = {
        "countersign.team": action.team_id,
        "countersign.run": action.run,
        "countersign.action": action.id,
        "http.request.method": rendered.method,
        "server.address": rendered.host,
        "url.template": rendered.template,
    }
    context = parent_context(action.trace_id, action.parent_span_id)
    name = f"{rendered.method} {rendered.template}"
    with tracer.start_as_current_span(name, context=context, attributes=attributes, kind=SpanKind.CLIENT) as span:
        secret = open_secret(loaded, settling=settling)
        answer = exchange(loaded, secret, rendered, expected=rendered.digest, settling=settling)
        span.set_attribute("http.response.status_code", answer.status)
        return answer


def read_preconditions(loaded: Loaded) -> dict[str, Any]:
    """Whole answers by name, in the order described; a later read may refer to an earlier one. Raises Unreadable."""
    answers: dict[str, Any] = {}
    for name, described in loaded.operation.reads.items():
        scope = {"arguments": loaded.action.arguments, "reads": answers, "key": loaded.action.key}
        answers[name] = _read(loaded, described["operation"], fill(described.get("arguments", {}), scope))
    return answers


def pinned(operation: Description, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Only the fields that the description pins: these are digested, stored and compared before sending."""
    return {
        name: {field: search(field, answers[name]) for field in described["pin"]}
        for name, described in operation.reads.items()
    }


def check_preconditions(loaded: Loaded) -> dict[str, Any]:
    """Read again and compare with what was pinned at proposal; whole answers. Raises Stale naming the fields, or
    Unreadable."""
    answers = read_preconditions(loaded)
    fresh = pinned(loaded.operation, answers)
    changed = [
        f"{name}.{field}"
        for name, fields in fresh.items()
        for field, value in fields.items()
        if loaded.action.reads.get(name, {}).get(field) != value
    ]
    if changed:
        raise Stale("precondition_changed", f"Changed since it was proposed: {', '.join(changed)}.")
    if missed := missed_requirement(loaded, answers):
        raise Stale("requirement", missed)
    return answers


def missed_requirement(loaded: Loaded, answers: Mapping[str, Any]) -> str:
    """The text of the first described requirement that arguments and reads do not meet; "" when they meet all."""
    scope = {"arguments": loaded.action.arguments, "reads": answers}
    required = loaded.operation.document.get("requires", [])
    return next((str(one["text"]) for one in required if not search(one["that"], scope)), "")


def probe(loaded: Loaded) -> dict[str, Any] | None:
    """What the other side holds of this action's effect; None when it did not happen. Raises Unreadable."""
    described = loaded.operation.probe
    if described is None:
        raise Unreadable("There is no probe.")
    scope = {"arguments": loaded.action.arguments, "reads": loaded.action.reads, "key": loaded.action.key}
    body = _read(loaded, described["operation"], fill(described.get("arguments", {}), scope), settling=True)
    given = {name: literal(loaded.action.arguments.get(name)) for name in loaded.operation.arguments}
    found = search(fill(described["happened"], {"key": loaded.action.key, "arguments": given}), body)
    if found in (None, False, [], {}):
        return None
    return found if isinstance(found, dict) else {"found": found}


def _read(loaded: Loaded, slug: str, arguments: Mapping[str, Any], *, settling: bool = False) -> Any:
    operation = Description(slug, loaded.operations[slug].description)
    pages, read, began = operation.document.get("pagination"), 0, time.monotonic()

    def next_page(given: Mapping[str, Any]) -> Any:
        nonlocal read
        while True:
            try:
                answer = _read_page(loaded, operation, given, settling)
                read += 1
                return answer
            except TooEarly:
                if not read:
                    raise
                _wait_for_page(operation, read, began)

    try:
        return read_whole(pages, arguments, next_page)
    except Endless as error:
        raise Unreadable(f"{slug} {error}.") from None


def _wait_for_page(operation: Description, read: int, began: float) -> None:
    """To begin anew could come as far as this, again and again. Raises TooEarly where it need not, as others have read
    as well."""
    wait = next_read_in(operation)
    if time.monotonic() - began + wait <= LONGEST:
        time.sleep(wait)
    elif read < operation.document["rate_limit"]["calls"]:
        raise TooEarly
    else:
        raise Unreadable(f"{operation.slug} has more pages than its rate limit lets be read in {LONGEST:g} seconds.")


def _read_page(loaded: Loaded, operation: Description, arguments: Mapping[str, Any], settling: bool) -> Any:
    slug = operation.slug
    keep_read_pace(operation, loaded.operations[slug].pk)
    base_url = loaded.action.operation.integration.base_url
    rendered = render(operation, arguments, base_url=base_url, key=loaded.action.key)
    try:
        answer = exchange_read(loaded, rendered, settling=settling)
    except (NotSent, Unknown) as error:
        raise Unreadable(f"{slug} could not be read: {error}") from None
    if throttled(answer, reads=True):
        raise Throttled(answer.later)
    if not succeeded(operation, answer):
        raise Unreadable(f"{slug} answered {answer.status}.")
    return carriable(answer.body)
