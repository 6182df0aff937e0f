"""The places where a team is told: opened and ended by admins, opened up by the door alone.

Where they lie may be a secret (whoever knows the address of a chat can write there), so it is sealed to the door as
credentials are. What signs for a webhook is a key made for it: the other side needs the public half alone, and there is
no secret that two sides share.
"""

import json
import logging
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.people import GROUP
from console.core import door_keys
from console.core.actor import Actor, Role
from console.core.attest import attest, verify
from console.core.clock import now
from console.core.door_keys import KeyMissing
from console.core.errors import Conflict, Invalid, Tampered
from console.core.sealing import seal, unseal, wrap_anew
from console.notices.models import CHAT, WEBHOOK, Channel, Message

logger = logging.getLogger(__name__)

MOST = 20  # of a team
_VISIBLE = re.compile(r"[!-~]{1,2000}")


@dataclass(frozen=True, slots=True)
class Opened:
    """`key` signs, where it is a webhook."""

    url: str = field(repr=False)
    key: Ed25519PrivateKey | None = field(repr=False, default=None)

    def signature(self, identity: str, timestamp: int, body: bytes) -> str:
        """As Standard Webhooks has it: `v1a` is Ed25519."""
        assert self.key is not None
        return f"v1a,{b64encode(self.key.sign(f'{identity}.{timestamp}.'.encode() + body)).decode()}"


@transaction.atomic
def open_channel(*, kind: str, name: str, url: str, groups: Collection[str] = (), actor: Actor) -> Channel:
    """Raises Invalid, which quotes nothing of the address, and Conflict where there are too many."""
    actor.require(Role.ADMIN)
    if kind not in (WEBHOOK, CHAT):
        raise Invalid("Say whether it is a webhook or a chat.")
    if not name.strip() or len(name) > 100:
        raise Invalid("Give it a name of at most 100 characters.")
    if wrong := [group for group in groups if not GROUP.fullmatch(group)]:
        raise Invalid(f"{wrong[0]!r:.100} is no group.")
    if Channel.objects.filter(team=actor.team, ended_at=None).count() >= MOST:
        raise Conflict(f"A team has at most {MOST} places. End one first.")
    host = _checked(url).hostname or ""
    row = Channel(team_id=actor.team, kind=kind, name=name.strip(), host=host, groups=sorted(set(groups)))
    _seal(row, url)
    row.attestation = attest("notice channel", row.attested())
    row.save(force_insert=True)
    detail = {"kind": kind, "host": host, "groups": row.groups}
    record(Kind.CHANNEL_OPENED, subject=row.pk, actor=actor, detail=detail)
    return row


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        whole = parts.scheme == "https" and parts.hostname and parts.port != 0 and _VISIBLE.fullmatch(url)
    except ValueError:
        whole = None
    if not whole or parts.username is not None or parts.fragment:
        raise Invalid("Give an address that begins with https://, without a name, a password or a # in it.")
    return parts


def _seal(row: Channel, url: str) -> None:
    kept = {"url": url}
    if row.kind == WEBHOOK:
        key = Ed25519PrivateKey.generate()
        kept["key"] = b64encode(key.private_bytes_raw()).decode()
        row.public_key = key.public_key().public_bytes_raw()
    row.seal = seal(json.dumps(kept), place=row.place)


def open_up(channel: Channel) -> Opened:
    """In the door alone. Raises Tampered for one that the console did not sign, KeyMissing."""
    verify("notice channel", channel.attested(), channel.attestation)
    kept = json.loads(unseal(channel.seal))
    key = Ed25519PrivateKey.from_private_bytes(b64decode(kept["key"])) if "key" in kept else None
    return Opened(kept["url"], key)


@transaction.atomic
def end_channel(channel: Channel, *, actor: Actor) -> None:
    """For good: what has not gone out does not go there any more."""
    actor.require(Role.ADMIN)
    locked = Channel.objects.select_for_update().get(pk=channel.pk)
    if locked.ended_at is not None:
        raise Conflict("It has ended already.")
    locked.ended_at = now()
    locked.save(update_fields=["ended_at"])
    record(Kind.CHANNEL_ENDED, subject=locked.pk, actor=actor, detail={"kind": locked.kind, "host": locked.host})


def try_channel(channel: Channel, *, actor: Actor) -> Message:
    """Have the door send something that says nothing."""
    actor.require(Role.ADMIN)
    if channel.ended_at is not None:
        raise Conflict("It has ended.")
    if Message.objects.filter(channel=channel, kind="test", next_at__isnull=False).exists():
        raise Conflict("A test is under way. Wait for what becomes of it.")
    return Message.objects.create(team=channel.team, channel=channel, kind="test", next_at=now())


def shown_key(channel: Channel) -> str:
    """As Standard Webhooks writes a public key."""
    return f"whpk_{b64encode(bytes(channel.public_key)).decode()}"


def needed() -> dict[str, int]:
    """The ids of the door's keys that channels rest on, and how many each."""
    return dict(Counter(Channel.objects.filter(ended_at=None).values_list("door_key", flat=True)))


def why_not_fit() -> Iterator[str]:
    """What a door that starts must tell instead; nothing when its keys open all channels."""
    for identity in door_keys.missing(needed()):
        yield (
            f"This door does not hold the key {identity}, to which addresses of notices are sealed: put it back among"
            " its keys from your backup; if it is lost, end these channels and give them anew."
        )


def wrap_channels(*, actor: Actor) -> None:
    """Bring all under the door's newest key. One that cannot be opened keeps none of the others."""
    earlier = Channel.objects.filter(ended_at=None).exclude(door_key=door_keys.sealing_key_id())
    for identity in earlier.values_list("pk", flat=True):
        try:
            _wrap(identity, actor)
        except (KeyMissing, Tampered) as error:
            logger.warning("%s is not brought under the newest door key: %s", identity, error)


@transaction.atomic
def _wrap(identity: str, actor: Actor) -> None:
    row = Channel.objects.select_for_update().get(pk=identity)
    before, row.seal = row.door_key, wrap_anew(row.seal)
    if row.door_key != before:
        row.save(update_fields=["wrapped", "door_key"])
        detail = {"from": before, "to": row.door_key}
        record(Kind.CHANNEL_WRAPPED, subject=row.pk, actor=actor, team=row.team_id, detail=detail)
