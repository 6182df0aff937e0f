"""Taking proposals back: a cancelled run's actions that have not begun are over."""

from collections.abc import Collection

from django.db.models import QuerySet

from approvals.models import Action, Review
from approvals.settle import settle
from audit.move import move
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import Conflict
from integrations.leases import revoke_leases
from integrations.models import Call

WITHDRAWABLE = ("proposed", "deferred", "held", "permitted")


def withdraw_actions(run: str, *, actor: Actor) -> int:
    """Inside the caller's transaction. What is executing or in doubt loses its lease: what has left the door ends by
    itself, and nothing more is sent."""
    withdrawn = _withdraw(Action.objects.filter(run=run), "The run was cancelled.", actor)
    revoke_leases(Call.objects.filter(run=run), "run_cancelled", actor=actor)
    return withdrawn


def withdraw_of_grantee(team: str, grantee: str, why: str, text: str, *, actor: Actor) -> int:
    """The same for an agent that is stopped; `why` is for programs, `text` for people."""
    actions = Action.objects.filter(team=team, grantee=grantee)
    withdrawn = _withdraw(actions, text, actor)
    begun = actions.filter(state__in=["executing", "in_doubt"]).values("pk")
    revoke_leases(Call.objects.filter(action__in=begun), why, actor=actor)
    return withdrawn


def withdraw_of_steps(steps: Collection[str], *, actor: Actor) -> int:
    """The same for steps that are over: one may have proposed in the very moment its run was cancelled."""
    return _withdraw(Action.objects.filter(step__in=steps), "The run was cancelled.", actor)


def withdraw_action(action: str, *, actor: Actor) -> None:
    """By whoever asked for it, inside the caller's transaction. Raises Conflict once it has begun or ended."""
    if not _withdraw(Action.objects.filter(pk=action), "Whoever asked for it took it back.", actor):
        raise Conflict("It can no longer be taken back: it has begun, or ended.")


def _withdraw(actions: QuerySet[Action], text: str, actor: Actor) -> int:
    waiting = list(actions.select_for_update().filter(state__in=WITHDRAWABLE).order_by("id"))
    for action in waiting:
        for review in Review.objects.select_for_update().filter(action=action, state="open"):
            review.action = action
            move(review, "withdrawn", actor=actor, closed_at=now())
        settle(action, "withdrawn", {"code": "withdrawn", "text": text}, actor=actor)
    return len(waiting)
