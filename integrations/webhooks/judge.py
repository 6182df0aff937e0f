"""The door's part: is a delivery genuine, and is it new? It alone opens the secret."""

import datetime as dt
import json

from django.db import transaction
from django.db.models import F

from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.attest import verify
from console.core.clock import now
from console.core.door_keys import KeyMissing
from console.core.errors import Tampered
from console.core.sealing import unseal, unseal_for_now
from console.core.turns import take_turn
from integrations.webhooks.models import Delivery, Webhook
from integrations.webhooks.reading import Said, say
from integrations.webhooks.schemes import known
from integrations.webhooks.signals import delivery_verified
from integrations.webhooks.signatures import Heard, Refused

PATIENCE = dt.timedelta(hours=1)  # for a key of the door that is not there; it may have been retired meanwhile
TOLD_EVERY = dt.timedelta(minutes=5)


def judge_delivery(identity: str, *, actor: Actor) -> None:
    """Nothing where somebody else has judged it. Raises KeyMissing; the delivery waits then, for an hour."""
    waiting = Delivery.objects.select_related("webhook__integration").filter(pk=identity, outcome="").first()
    if waiting is None:
        return
    try:
        said = _examine(waiting)
    except Refused as refused:
        _refuse(waiting, str(refused), actor)
    except Tampered as tampered:
        _refuse(waiting, "tampered", actor, alarm=str(tampered))
    except KeyMissing:
        if waiting.received_at > now() - PATIENCE:
            raise
        _refuse(waiting, "no_key", actor)
    else:
        _accept(waiting, said, actor)


def _examine(delivery: Delivery) -> Said:
    """No row is locked and nothing written. Raises Refused, Tampered, KeyMissing."""
    webhook = delivery.webhook
    verify("webhook", webhook.attested(), webhook.attestation)
    if webhook.ended_at:
        raise Refused("ended")
    headers = json.loads(unseal_for_now(delivery.headers, place=delivery.headers_place))
    heard = Heard(headers, bytes(delivery.body or b""), delivery.received_at)
    known(webhook.scheme).check(heard, webhook.settings, _secrets(webhook))
    return say(heard, webhook.scheme, webhook.settings)


def _secrets(webhook: Webhook) -> list[str]:
    found = []
    for one in webhook.secrets.filter(ended_at=None):
        verify("webhook secret", one.attested(), one.attestation)
        found.append(unseal(one.seal))
    return found


@transaction.atomic
def _accept(delivery: Delivery, said: Said, actor: Actor) -> None:
    """Of two that are the same, the second to get here is the duplicate; they take turns, and the database would refuse
    a second one that is verified."""
    take_turn(f"{delivery.webhook_id}/{said.key}")
    row = _locked(delivery)
    if row is None:
        return
    same = Delivery.objects.filter(webhook=row.webhook_id, key=said.key, outcome="verified")
    row.key, row.name, row.type = said.key, said.name, said.type
    if same.exists():
        _write(row, "duplicate")
        Webhook.objects.filter(pk=row.webhook_id).update(duplicates=F("duplicates") + 1)
        return
    _write(row, "verified")
    detail = {"webhook": row.webhook_id, "body": bytes(row.digest).hex(), "size": row.size}
    told = {"id": row.name, "type": row.type}  # a stranger's words
    record(Kind.DELIVERY_VERIFIED, subject=row.pk, actor=actor, detail=detail, personal=told,
           team=delivery.webhook.integration.team_id)  # fmt: skip
    delivery_verified.send(sender=Delivery, delivery=row)


@transaction.atomic
def _refuse(delivery: Delivery, why: str, actor: Actor, *, alarm: str = "") -> None:
    """Counted each time, and told once in a while: a flood must not fill the log."""
    row = _locked(delivery)
    if row is None:
        return
    row.why = why
    _write(row, "refused")
    webhook = Webhook.objects.select_for_update().get(pk=row.webhook_id)
    webhook.refused += 1
    team = delivery.webhook.integration.team_id
    if _due(webhook.told_at):
        webhook.told_at = now()
        detail = {"delivery": row.pk, "why": why, "refused": webhook.refused}
        record(Kind.WEBHOOK_REFUSED, subject=webhook.pk, actor=actor, team=team, detail=detail)
    if alarm and _due(webhook.alarmed_at):
        webhook.alarmed_at = now()
        record(Kind.ALARM_TAMPERED, subject=webhook.pk, actor=actor, team=team, detail={"what": alarm[:500]})
    webhook.save(update_fields=["refused", "told_at", "alarmed_at"])


def _due(last: dt.datetime | None) -> bool:
    return last is None or last < now() - TOLD_EVERY


def _locked(delivery: Delivery) -> Delivery | None:
    """None where it has been judged meanwhile."""
    return Delivery.objects.select_for_update().filter(pk=delivery.pk, outcome="").first()


def _write(row: Delivery, outcome: str) -> None:
    row.outcome, row.judged_at, row.headers = outcome, now(), b""
    if outcome != "verified":
        row.body = None
    row.save(update_fields=["outcome", "why", "judged_at", "headers", "body", "key", "name", "type"])
