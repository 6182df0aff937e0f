"""Taking proposals back: a cancelled run's actions that have not begun are over."""

from collections.abc import Collection

from django.db.models import QuerySet

from approvals.models import Action, Review
from approvals.settle import settle
from audit.move import move
from console.core.actor import Actor
from console.core.clock import now

WITHDRAWABLE = ("proposed", "held", "permitted")


def withdraw_actions(run: str, *, actor: Actor) -> int:
    """Inside the caller's transaction. What is executing or in doubt is left to end by itself."""
    return _withdraw(Action.objects.filter(run=run), actor)


def withdraw_of_steps(steps: Collection[str], *, actor: Actor) -> int:
    """The same for steps that are over: one may have proposed in the very moment its run was cancelled."""
    return _withdraw(Action.objects.filter(step__in=steps), actor)


def _withdraw(actions: QuerySet[Action], actor: Actor) -> int:
    waiting = list(actions.select_for_update().filter(state__in=WITHDRAWABLE).order_by("id"))
    for action in waiting:
        for review in Review.objects.select_for_update().filter(action=action, state="open"):
            review.action = action
            move(review, "withdrawn", actor=actor, closed_at=now())
        settle(action, "withdrawn", {"code": "withdrawn", "text": "The run was cancelled."}, actor=actor)
    return len(waiting)
