"""Web's part: a delivery is stored as it came, handed to the door, and only then answered."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Count, Sum

from console.core.errors import Refusal
from console.core.sealing import seal_for_now
from console.core.wake import wake
from integrations.webhooks.models import Delivery, Webhook
from integrations.webhooks.schemes import headers_needed

JUDGE, DOOR = "integrations.tasks.judge_delivery", "actions"
PATH = "/hooks/"  # before the address
LARGEST_BODY = 1024 * 1024  # bytes
LONGEST_HEADER = 8_000
# Of one webhook, what waits for the door: the rest is to be sent again later.
MOST_WAITING, MOST_BYTES = 1_000, 64 * 1024 * 1024


class TooManyWait(Refusal):
    status = 429
    code = "too_many_wait"


def webhook_at(address: str) -> Webhook | None:
    """None also for one that has ended: nobody is told the difference."""
    return Webhook.objects.filter(address=address, ended_at=None).first()


@transaction.atomic
def store_delivery(webhook: Webhook, headers: Iterable[tuple[str, str]], body: bytes, at: dt.datetime) -> Delivery:
    """It is safe once this has returned. Raises TooManyWait. Several at once may exceed the limit by as many."""
    waiting = webhook.deliveries.filter(outcome="").aggregate(number=Count("pk"), size=Sum("size", default=0))
    if waiting["number"] >= MOST_WAITING or waiting["size"] + len(body) > MOST_BYTES:
        raise TooManyWait("Too many deliveries wait to be checked. Send it again later.")
    row = Delivery(webhook=webhook, received_at=at, body=body, size=len(body), digest=hashlib.sha256(body).digest())
    row.headers = seal_for_now(json.dumps(_kept(webhook, headers)), place=row.headers_place)
    row.save(force_insert=True)
    wake(JUDGE, DOOR, row.pk)
    return row


def _kept(webhook: Webhook, headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """One that comes on several lines is a list (RFC 9110 §5.3)."""
    needed, kept = headers_needed(webhook.settings), dict[str, str]()
    for name, value in headers:
        if (small := name.lower()) in needed:
            kept[small] = f"{kept[small]}, {value}" if small in kept else value
    return {name: value[:LONGEST_HEADER] for name, value in kept.items()}
