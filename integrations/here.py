"""What the console does itself when people have signed it: operations of an integration that is the console.

They are proposed, ruled on, signed and executed as any other. Where others are sent, these are done by the door.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from console.core.canonical import jcs
from console.core.errors import Conflict, Tampered
from integrations.description import Description, parse
from integrations.models import Integration, Operation
from integrations.outbound import Answer
from integrations.render import Rendered

SLUG = "countersign"
HERE = "https://countersign.invalid"  # RFC 6761: no name server knows it, so that what is done here can go nowhere
OPEN_CREDENTIAL = "open_credential"
PUBLISH_POLICY = "publish_policy"
GIVE_MANDATE = "give_mandate"
KEY_HEADER = "Idempotency-Key"
LONGEST_POLICY = 200_000
OPEN_MINUTES = 15
REPLACE_HOURS = 24

DESCRIBED = f"""
integration: {SLUG}
title: Countersign itself
credential: {{type: none}}
operations:
  {OPEN_CREDENTIAL}:
    title: Open a credential
    effect: destructive
    categories: [security]
    trust: proven
    method: POST
    path: /{OPEN_CREDENTIAL}
    body: json
    arguments:
      integration: {{in: body, required: true, schema: {{type: string, maxLength: 64}}}}
      credential: {{in: body, required: true, schema: {{type: string, maxLength: 100}}}}
      asker: {{in: body, required: true, schema: {{type: string, maxLength: 64}}}}
      key: {{in: body, required: true, schema: {{type: string, pattern: "^[A-Za-z0-9_-]{{87}}$"}}}}
    idempotency: {{mode: native_key, header: {KEY_HEADER}, evidence: One action opens a credential once.}}
    sentence: "Show the secret of ${{{{ arguments.credential }}}} (${{{{ arguments.integration }}}}) to ${{{{ arguments.asker }}}}"
    facts:
      - {{label: Credential, shows: credential, critical: true, becomes: "${{{{ arguments.credential }}}}"}}
      - {{label: Of, shows: integration, becomes: "${{{{ arguments.integration }}}}"}}
      - {{label: Who reads it, shows: asker, critical: true, becomes: "${{{{ arguments.asker }}}}, for {OPEN_MINUTES} minutes"}}
      - {{label: In the browser with the key, shows: key, becomes: "${{{{ arguments.key }}}}"}}
      - {{label: Afterwards, becomes: "It is revoked {REPLACE_HOURS} hours later, or sooner by hand. What uses it stops"}}
    compensation: null
  {PUBLISH_POLICY}:
    title: Publish a policy
    effect: write
    categories: [security]
    trust: proven
    method: POST
    path: /{PUBLISH_POLICY}
    body: json
    arguments:
      version: {{in: body, required: true, schema: {{type: integer, minimum: 2}}}}
      changes: {{in: body, required: true, schema: {{type: string}}}}
      source: {{in: body, required: true, schema: {{type: string, maxLength: {LONGEST_POLICY}}}}}
    idempotency: {{mode: native_key, header: {KEY_HEADER}, evidence: One action publishes one version.}}
    sentence: "Let version ${{{{ arguments.version }}}} of the policy rule"
    facts:
      - {{label: Version, shows: version, critical: true, becomes: "${{{{ arguments.version }}}}"}}
      - {{label: What changes, shows: changes, format: lines, becomes: "${{{{ arguments.changes }}}}"}}
      - {{label: From then on, shows: source, format: lines, becomes: "${{{{ arguments.source }}}}"}}
  {GIVE_MANDATE}:
    title: Give a mandate
    effect: write
    categories: [security]
    trust: proven
    method: POST
    path: /{GIVE_MANDATE}
    body: json
    arguments:
      grantee: {{in: body, required: true, schema: {{type: string, maxLength: 100}}}}
      operation: {{in: body, required: true, schema: {{type: string, maxLength: 200}}}}
      description: {{in: body, required: true, schema: {{type: string, pattern: "^[0-9a-f]{{64}}$"}}}}
      calls: {{in: body, required: true, schema: {{type: integer, minimum: 1, maximum: 10000}}}}
      hours: {{in: body, required: true, schema: {{type: integer, minimum: 1, maximum: 744}}}}
      until: {{in: body, required: true, schema: {{type: string, maxLength: 40}}}}
      at_most: {{in: body, schema: {{type: integer, minimum: 1}}}}
      currency: {{in: body, schema: {{type: string, pattern: "^[a-z]{{3}}$"}}}}
      total: {{in: body, schema: {{type: integer, minimum: 1}}}}
      counterparties: {{in: body, schema: {{type: array, minItems: 1, maxItems: 100, items: {{type: string, maxLength: 200}}}}}}
    idempotency: {{mode: native_key, header: {KEY_HEADER}, evidence: One action gives one mandate.}}
    sentence: "Let ${{{{ arguments.grantee }}}} do ${{{{ arguments.operation }}}} again and again, with nobody signing each"
    facts:
      - {{label: Who, shows: grantee, becomes: "${{{{ arguments.grantee }}}}", critical: true}}
      - {{label: May do, shows: operation, becomes: "${{{{ arguments.operation }}}}", critical: true}}
      - {{label: Each at most, shows: at_most, format: money, currency: "${{{{ arguments.currency }}}}", becomes: "${{{{ arguments.at_most }}}}", critical: true}}
      - {{label: All together at most, shows: total, format: money, currency: "${{{{ arguments.currency }}}}", becomes: "${{{{ arguments.total }}}}", critical: true}}
      - {{label: In the currency, shows: currency, becomes: "${{{{ arguments.currency }}}}"}}
      - {{label: How many at most, shows: calls, becomes: "${{{{ arguments.calls }}}}"}}
      - {{label: Both within so many hours, shows: hours, becomes: "${{{{ arguments.hours }}}}"}}
      - {{label: Only with (nobody named means all that are known), shows: counterparties, becomes: "${{{{ arguments.counterparties }}}}"}}
      - {{label: Until, shows: until, becomes: "${{{{ arguments.until }}}}"}}
      - {{label: As its description says (SHA-256), shows: description, becomes: "${{{{ arguments.description }}}}"}}
"""  # noqa: E501


# Of the team's integration, by the arguments and a key that is the action's: what it answers, once per key. Raises
# Conflict for what cannot be done any more.
Doing = Callable[[Integration, Mapping[str, Any], str], dict[str, Any]]
_doing: dict[str, Doing] = {}


def register_doing(operation: str, do: Doing) -> None:
    """By the room that knows how."""
    _doing[operation] = do


def do_here(
    integration: Integration, rendered: Rendered, *, expected: bytes, key: str, first: Callable[[], object] | None
) -> Answer:
    """What an exchange is elsewhere: done once per key, and answered the same again. Raises as `outbound.send` does."""
    if rendered.digest != expected:
        raise Tampered("The request differs from the one that was agreed.")
    do = _doing.get(rendered.path.removeprefix("/"))
    if rendered.method != "POST" or do is None or not key:
        return _answer(404, {"error": "The console does nothing of this kind."})
    if first:
        first()
    try:
        return _answer(200, do(integration, json.loads(rendered.body), key))
    except Conflict as refusal:
        return _answer(409, {"error": refusal.text})


def _answer(status: int, body: dict[str, Any]) -> Answer:
    return Answer(status, body, hashlib.sha256(jcs(body)).hexdigest(), "application/json")


def is_here(integration: Integration) -> bool:
    """By the address, which every operation's attestation covers."""
    return integration.base_url == HERE


def is_taken(base_url: str) -> bool:
    """Whether somebody describes another system at the console's own place."""
    return urlsplit(base_url).hostname == urlsplit(HERE).hostname


@functools.cache
def described() -> dict[str, Description]:
    _, found = parse(DESCRIBED)
    return {one.slug: one for one in found}


def verify_here(operation: Operation) -> None:
    """Nobody tells signers anything else of what the console does than the console. Raises Tampered."""
    if not is_here(operation.integration):
        return
    own = described().get(operation.slug)
    if own is None or own.digest != bytes(operation.digest):
        raise Tampered(f"The console does not describe {operation.slug} like this.")
