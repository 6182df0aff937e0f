"""Was this leaked value ours? Each part of a credential, and each secret of a webhook, leaves a keyed digest when it is
sealed, by which it is known again; the value itself is kept nowhere.

Tokens that an authorization server gave are not among them: the door, which gets them, cannot make such digests.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.attest import fingerprint
from console.core.errors import Invalid
from integrations.door_key import usable
from integrations.models import Credential, WebhookSecret

TAG = "credential print"
SHORTEST = 8  # characters; by shorter ones an admin could guess a password letter by letter
LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class LookedUp:
    """`unknown` is how many that are in use have no such digest."""

    credentials: list[Credential]
    secrets: list[WebhookSecret]
    unknown: int

    @property
    def number(self) -> int:
        return len(self.credentials) + len(self.secrets)


def prints_of(*secrets: str) -> list[str]:
    return sorted({fingerprint(TAG, _plain(one)) for one in secrets if len(_plain(one)) >= SHORTEST})


@transaction.atomic
def look_up(value: str, *, actor: Actor) -> LookedUp:
    """What of the team's holds this value, also what was revoked or has ended. That it was asked is in the log, what
    for is not. Raises Invalid."""
    actor.require(Role.ADMIN)
    if not SHORTEST <= len(value.strip()) <= LONGEST:
        raise Invalid(f"Give {SHORTEST} to {LONGEST:,} characters: shorter ones tell nothing apart.")
    prints = sorted({fingerprint(TAG, one) for one in _readings(value) if len(one) >= SHORTEST})
    credentials = Credential.objects.filter(integration__team=actor.team).select_related("integration")
    secrets = WebhookSecret.objects.filter(webhook__integration__team=actor.team)
    looked_up = LookedUp(
        list(credentials.filter(prints__overlap=prints).order_by("integration__title", "name")),
        list(secrets.filter(prints__overlap=prints).select_related("webhook__integration")),
        sum(rows.filter(prints=[]).count() for rows in usable(actor.team)),
    )
    detail = {"found": [one.pk for one in (*looked_up.credentials, *looked_up.secrets)]}
    record(Kind.CREDENTIAL_LOOKED_UP, subject=actor.team, actor=actor, detail=detail)
    return looked_up


def _plain(value: str) -> str:
    return value.replace("\r\n", "\n").strip()


def _readings(value: str) -> Iterator[str]:
    """As it is, and as it stands in a header, an address, or the base64 of a user and a password."""
    whole = _plain(value)
    for text in {whole, whole.rpartition(" ")[2], whole.rpartition("=")[2], whole.strip("\"'")}:
        yield text
        yield unquote(text)
        yield text.partition(":")[2]
        try:
            decoded = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
        yield decoded
        yield decoded.partition(":")[2]
