"""What nobody was woken for: run by beat. Each finding is offered again; the acts decide."""

import datetime as dt

from console.core import presence
from console.core.clock import now
from console.core.wake import wake
from integrations.models import AccessToken, Import, Listing

HEAR, COMPARE = "integrations.tasks.hear_listing", "integrations.tasks.compare_listing"
LOOK, READ = "integrations.tasks.look", "integrations.tasks.read_import"
END_TOKENS = "integrations.tasks.end_tokens"
DOOR, WORKER = "actions", "steps"
GRACE = dt.timedelta(seconds=5)  # a message in flight needs no second one


def offer_listings() -> int:
    late = Listing.objects.filter(state__in=["asked", "listed"], asked_at__lt=now() - GRACE)
    found = list(late.order_by("asked_at").values_list("pk", "state")[:50])
    for identity, state in found:
        wake(*((HEAR, DOOR) if state == "asked" else (COMPARE, WORKER)), identity)
    return len(found)


def offer_imports() -> int:
    """Those that wait, and those whose worker is no more: `read_import` leaves alone what somebody reads."""
    late = Import.objects.filter(state__in=["waiting", "reading"], asked_at__lt=now() - GRACE)
    found = list(late.order_by("asked_at").values_list("pk", "state", "worker")[:50])
    alive = presence.alive() if found else set()
    lost = [identity for identity, state, worker in found if state == "waiting" or worker not in alive]
    for identity in lost:
        wake(READ, WORKER, identity)
    return len(lost)


def offer_looks() -> None:
    """Beat has no key to ask with itself."""
    wake(LOOK, WORKER)


def offer_ends() -> int:
    """Tokens of revoked credentials that are still there, each once a minute."""
    left = AccessToken.objects.filter(credential__revoked_at__lt=now() - GRACE, ended_at=None)
    ids = list(left.order_by("end_tries").values_list("pk", flat=True)[:50])
    for identity in ids:
        wake(END_TOKENS, DOOR, identity)
    return len(ids)
