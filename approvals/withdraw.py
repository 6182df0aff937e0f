"""Taking proposals back: a cancelled run's actions that have not begun are over."""

from approvals.models import Action, Review
from approvals.settle import settle
from audit.move import move
from console.core.actor import Actor
from console.core.clock import now


def withdraw_actions(run: str, *, actor: Actor) -> int:
    """Inside the caller's transaction. What is executing or in doubt is left to end by itself."""
    open_actions = Action.objects.select_for_update().filter(run=run, state__in=["held", "permitted"])
    for action in open_actions:
        for review in Review.objects.select_for_update().filter(action=action, state="open"):
            review.action = action
            move(review, "withdrawn", actor=actor, closed_at=now())
        settle(action, "withdrawn", {"code": "withdrawn", "text": "The run was cancelled."}, actor=actor)
    return len(open_actions)
