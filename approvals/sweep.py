"""What nobody was woken for: run by beat, every second. Each finding is offered again; the acts decide."""

import datetime as dt

from django.db import transaction
from django.db.models import Q, QuerySet

from approvals.alarm import stop
from approvals.ask import escalate
from approvals.authority import AMENDED, GRANT_ENDED, Stale
from approvals.halted import halted
from approvals.models import Action, Review
from approvals.publish import signed
from approvals.settle import lock_action, settle
from approvals.signoff import recount
from audit.move import move
from console.core.actor import Actor, system
from console.core.clock import now
from console.core.wake import wake
from integrations.amend import amended

# A message in flight needs no second one; older work was lost on the way or waits for a probe.
GRACE = dt.timedelta(seconds=1)
AT_ONCE = 200
_offered: list[tuple[dt.datetime, str]] = []  # by this process: where it goes on next time


def offer_actions() -> int:
    """Wake the door for each action that it has to go on with. Where there are many, each comes in turn: what cannot
    move yet is never in the way of what can."""
    for_the_door = Q(state__in=["proposed", "deferred", "permitted", "executing", "in_doubt"])
    late = Action.objects.filter(for_the_door, created_at__lt=now() - GRACE).exclude(
        reviews__kind="doubt", reviews__state="open"
    )
    late = late.exclude(not_before__gt=now()).exclude(halted(), state__in=["proposed", "deferred"])
    late = late.exclude(after__isnull=False, after__settled_at=None)
    found = list(_next(late).values_list("created_at", "pk")[:AT_ONCE])
    _offered[:] = found[AT_ONCE - 1 :]
    for _, identity in found:
        wake("approvals.tasks.drive", "actions", identity)
    return len(found)


def _next(actions: QuerySet[Action]) -> QuerySet[Action]:
    """Those after the last one that was offered, or from the oldest on."""
    for at, identity in _offered:
        actions = actions.filter(Q(created_at__gt=at) | Q(created_at=at, pk__gt=identity))
    return actions.order_by("created_at", "pk")


def offer_policies() -> int:
    """Wake a worker for each policy that was signed and is not published."""
    ids = signed()
    for identity in ids:
        wake("approvals.tasks.publish", "steps", identity)
    return len(ids)


def expire_reviews() -> int:
    """Time never approves: an overdue review ends its action as expired."""
    overdue = Review.objects.filter(state="open", kind="action", expires_at__lt=now())
    ids = list(overdue.values_list("action_id", flat=True)[:200])
    for identity in ids:
        _expire(identity, system("beat"))
    return len(ids)


def escalate_reviews() -> int:
    """Whose turn it is by now is asked too."""
    due = Review.objects.filter(state="open", escalates_at__lte=now())
    ids = list(due.values_list("pk", flat=True)[:200])
    for identity in ids:
        escalate(identity, actor=system("beat"))
    return len(ids)


def recount_reviews() -> int:
    """Votes by or for people whose account was closed count no more where others are still asked."""
    closed = Q(decisions__reviewer__is_active=False) | Q(decisions__on_behalf_of__is_active=False)
    gone = Review.objects.filter(closed, state="open").exclude(filled=[])
    ids = list(gone.distinct().values_list("pk", flat=True)[:200])
    for identity in ids:
        recount(identity)
    return len(ids)


def void_reviews() -> int:
    """Nobody is left to sign what could not be sent: its grant has ended, or its operation is described otherwise."""
    waiting, at = Review.objects.filter(state="open", kind="action"), now()
    ended = Q(action__grant__revoked_at__isnull=False) | Q(action__grant__credential__revoked_at__isnull=False)
    ended |= Q(action__grant__until__lte=at)
    found = {
        **dict.fromkeys(_actions(waiting.filter(ended)), Stale("grant_ended", GRANT_ENDED)),
        **dict.fromkeys(
            _actions(waiting.filter(amended("action__operation", "action__created_at"))),
            Stale("description_changed", AMENDED),
        ),
    }
    for identity, stale in found.items():
        stop(identity, {"code": stale.code, "text": stale.text}, actor=system("beat"))
    return len(found)


def _actions(reviews: QuerySet[Review]) -> list[str]:
    return list(reviews.values_list("action_id", flat=True)[:200])


@transaction.atomic
def _expire(action_id: str, actor: Actor) -> None:
    action = lock_action(action_id)
    review = Review.objects.select_for_update().filter(action=action, state="open", kind="action").first()
    if review is None or review.expires_at >= now() or action.state != "held":
        return
    review.action = action
    move(review, "expired", actor=actor, closed_at=now())
    settle(action, "expired", {"code": "expired", "text": "Nobody signed in time."}, actor=actor)
