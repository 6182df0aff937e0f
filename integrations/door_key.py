"""Which secrets (credentials, and those of webhooks) rest on which of the door's keys, and bringing them all under the
newest one.

A rotation gives the door a key more; web seals to it from then on; the door wraps the data keys of all others anew;
then nothing needs the earlier key, and it can be retired.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, QuerySet

from audit.record import record
from audit.vocabulary import Kind
from console.core import door_keys
from console.core.actor import Actor
from console.core.door_keys import KeyMissing
from console.core.errors import Tampered
from console.core.sealing import wrap_anew
from console.core.wake import wake
from integrations.models import Credential, WebhookSecret

logger = logging.getLogger(__name__)

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Standing:
    """For a team: the key to which new secrets are sealed, how many rest on it, and on which earlier ones the rest."""

    newest: str
    under_it: int
    earlier: dict[str, int]


def usable(team: str = "") -> tuple[QuerySet[Credential], QuerySet[WebhookSecret]]:
    """Of all teams, or of one. What is revoked or has ended is never opened again, and needs no key."""
    credentials = Credential.objects.filter(revoked_at=None)
    secrets = WebhookSecret.objects.filter(ended_at=None, webhook__ended_at=None)
    if not team:
        return credentials, secrets
    return credentials.filter(integration__team=team), secrets.filter(webhook__integration__team=team)


def needed(team: str = "") -> dict[str, int]:
    """The ids of the keys that secrets rest on, and how many each: all of them, or those of one team."""
    counts = Counter[str]()
    for rows in usable(team):
        counts.update(dict(rows.order_by("door_key").values_list("door_key").annotate(Count("pk"))))
    return dict(sorted(counts.items()))


def standing(team: str) -> Standing:
    counts, newest = needed(team), door_keys.sealing_key_id()
    return Standing(newest, counts.pop(newest, 0), counts)


def under_earlier_keys() -> list[tuple[type[Credential] | type[WebhookSecret], str]]:
    """What was sealed before there were data keys is left out: only whoever has the secret can seal it anew."""
    newest = door_keys.sealing_key_id()
    earlier = [(rows.model, rows.exclude(door_key=newest).exclude(wrapped=b"")) for rows in usable()]
    return [(model, identity) for model, rows in earlier for identity in rows.values_list("pk", flat=True)]


def offer_wrapping() -> int:
    """Wake the door while there is something to wrap anew; it alone can."""
    waiting = len(under_earlier_keys())
    if waiting:
        wake("integrations.tasks.wrap_credentials", "actions")
    return waiting


def wrap_credentials(*, actor: Actor) -> int:
    """One that cannot be opened keeps none of the others; it is told of as what it is when somebody uses it."""
    door_keys.held()  # a key service is asked now, while no row is locked
    done = 0
    for model, identity in under_earlier_keys()[:AT_ONCE]:
        try:
            done += _wrap_credential(identity, actor) if model is Credential else _wrap_secret(identity, actor)
        except (KeyMissing, Tampered) as error:
            logger.warning("%s is not brought under the newest door key: %s", identity, error)
    return done


@transaction.atomic
def _wrap_credential(identity: str, actor: Actor) -> bool:
    credential = Credential.objects.select_for_update(of=("self",)).select_related("integration").get(pk=identity)
    before, credential.seal = credential.door_key, wrap_anew(credential.seal)
    if credential.door_key == before:  # another door was faster
        return False
    credential.save(update_fields=["wrapped", "door_key"])
    record(
        Kind.CREDENTIAL_WRAPPED, subject=credential.id, actor=actor, team=credential.integration.team_id,
        detail={"integration": credential.integration_id, "from": before, "to": credential.door_key},
    )  # fmt: skip
    return True


@transaction.atomic
def _wrap_secret(identity: str, actor: Actor) -> bool:
    found = WebhookSecret.objects.select_for_update(of=("self",)).select_related("webhook__integration")
    secret = found.get(pk=identity)
    before, secret.seal = secret.door_key, wrap_anew(secret.seal)
    if secret.door_key == before:
        return False
    secret.save(update_fields=["wrapped", "door_key"])
    detail = {"webhook": secret.webhook_id, "from": before, "to": secret.door_key}
    team = secret.webhook.integration.team_id
    record(Kind.WEBHOOK_SECRET_WRAPPED, subject=secret.id, actor=actor, team=team, detail=detail)
    return True


def why_not_fit() -> Iterator[str]:
    """What a door that starts must tell instead, one sentence each; nothing when its keys open all that is stored."""
    if lacking := door_keys.missing([door_keys.sealing_key_id()]):
        yield (
            f"This door does not hold the key {lacking[0]}, to which new credentials are sealed: give it the private"
            " half of the public key that web has, or give web the public half of this door's newest key."
        )
        return
    counts = needed()
    for identity in door_keys.missing(counts):
        yield (
            f"This door does not hold the key {identity}, to which {counts[identity]} secret(s) are sealed: put it"
            " back among its keys from your backup; if it is lost, revoke these credentials, or end these webhooks,"
            " and seal them anew."
        )
