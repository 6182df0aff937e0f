"""What nobody was woken for, and what is kept no longer. Beat finds it; the door, whose rows these are, does it."""

import datetime as dt

from django.db import connection

from console.core.clock import now
from console.core.wake import wake
from integrations.webhooks.models import Delivery
from integrations.webhooks.receive import DOOR, JUDGE

THIN = "integrations.tasks.thin_deliveries"
GRACE = dt.timedelta(seconds=5)  # a message in flight needs no second one
AT_ONCE = 200
KEPT = dt.timedelta(days=30)  # bodies
REFUSED_KEPT = 100  # rows of a webhook that say only that something came

_FORGET = """
DELETE FROM integrations_delivery WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY webhook_id ORDER BY received_at DESC, id DESC) AS place
        FROM integrations_delivery WHERE outcome IN ('refused', 'duplicate')
    ) AS counted WHERE place > %s
)
"""


def offer_deliveries() -> int:
    late = Delivery.objects.filter(outcome="", received_at__lt=now() - GRACE).order_by("received_at")
    found = list(late.values_list("pk", flat=True)[:AT_ONCE])
    for identity in found:
        wake(JUDGE, DOOR, identity)
    return len(found)


def offer_thinning() -> None:
    wake(THIN, DOOR)


def thin_deliveries() -> None:
    """Of what was verified everything but the body stays, so that a repeat is known for ever."""
    Delivery.objects.filter(outcome="verified", body__isnull=False, received_at__lt=now() - KEPT).update(body=None)
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [REFUSED_KEPT])
