"""What nobody was woken for: run by beat, every second. Each finding is offered again; the acts decide."""

import datetime as dt

from django.db import transaction
from django.db.models import Q

from approvals.alarm import stop
from approvals.authority import AMENDED
from approvals.models import Action, Review
from approvals.settle import settle
from audit.move import move
from console.core.actor import Actor, system
from console.core.clock import now
from console.core.wake import wake
from integrations.amend import amended

# A message in flight needs no second one; older work was lost on the way or waits for a probe.
GRACE = dt.timedelta(seconds=1)


def offer_actions() -> int:
    """Wake the door for each action that it has to go on with."""
    for_the_door = Q(state__in=["proposed", "permitted", "executing", "in_doubt"])
    late = Action.objects.filter(for_the_door, created_at__lt=now() - GRACE).exclude(
        reviews__kind="doubt", reviews__state="open"
    )
    ids = list(late.order_by("created_at").values_list("pk", flat=True)[:200])
    for identity in ids:
        wake("approvals.tasks.drive", "actions", identity)
    return len(ids)


def expire_reviews() -> int:
    """Time never approves: an overdue review ends its action as expired."""
    overdue = Review.objects.filter(state="open", kind="action", expires_at__lt=now())
    ids = list(overdue.values_list("action_id", flat=True)[:200])
    for identity in ids:
        _expire(identity, system("beat"))
    return len(ids)


def void_amended() -> int:
    """Nobody is left to sign what another description of the operation would do in another way."""
    held = Review.objects.filter(amended("action__operation", "action__created_at"), state="open", kind="action")
    ids = list(held.values_list("action_id", flat=True)[:200])
    for identity in ids:
        stop(identity, {"code": "description_changed", "text": AMENDED}, actor=system("beat"))
    return len(ids)


@transaction.atomic
def _expire(action_id: str, actor: Actor) -> None:
    action = Action.objects.select_for_update().get(pk=action_id)
    review = Review.objects.select_for_update().filter(action=action, state="open", kind="action").first()
    if review is None or review.expires_at >= now() or action.state != "held":
        return
    review.action = action
    move(review, "expired", actor=actor, closed_at=now())
    settle(action, "expired", {"code": "expired", "text": "Nobody signed in time."}, actor=actor)
