"""What the console does itself when people have signed it: operations of an integration that is the console.

They are proposed, ruled on, signed and executed as any other. Where others are sent, these are done by the door.
"""

import functools
from urllib.parse import urlsplit

from console.core.errors import Tampered
from integrations.description import Description, parse
from integrations.models import Integration, Operation

SLUG = "countersign"
HERE = "https://countersign.invalid"  # RFC 6761: no name server knows it, so that what is done here can go nowhere
OPEN_CREDENTIAL = "open_credential"
KEY_HEADER = "Idempotency-Key"
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
      - {{label: Credential, shows: credential, becomes: "${{{{ arguments.credential }}}}"}}
      - {{label: Of, shows: integration, becomes: "${{{{ arguments.integration }}}}"}}
      - {{label: Who reads it, shows: asker, becomes: "${{{{ arguments.asker }}}}, for {OPEN_MINUTES} minutes"}}
      - {{label: In the browser with the key, shows: key, becomes: "${{{{ arguments.key }}}}"}}
      - {{label: Afterwards, becomes: "It is revoked {REPLACE_HOURS} hours later, or sooner by hand. What uses it stops"}}
    compensation: null
"""  # noqa: E501


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
