"""What nobody was woken for: run by beat. Each finding is offered again; the acts decide."""

import datetime as dt

from console.core.clock import now
from console.core.wake import wake
from integrations.models import Listing

HEAR, COMPARE = "integrations.tasks.hear_listing", "integrations.tasks.compare_listing"
LOOK = "integrations.tasks.look"
DOOR, WORKER = "actions", "steps"
GRACE = dt.timedelta(seconds=5)  # a message in flight needs no second one


def offer_listings() -> int:
    late = Listing.objects.filter(state__in=["asked", "listed"], asked_at__lt=now() - GRACE)
    found = list(late.order_by("asked_at").values_list("pk", "state")[:50])
    for identity, state in found:
        wake(*((HEAR, DOOR) if state == "asked" else (COMPARE, WORKER)), identity)
    return len(found)


def offer_looks() -> None:
    """Beat has no key to ask with itself."""
    wake(LOOK, WORKER)
