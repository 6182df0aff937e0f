"""From a settled action, or a verified delivery, back to the steps that wait for it."""

from typing import Any

from django.db import connection, transaction
from django.dispatch import receiver

from approvals.models import Action
from approvals.signals import action_settled
from audit.move import move
from console.core.actor import Actor
from console.core.clock import now
from console.core.wake import wake
from console.dispatch.events import wake_listeners
from console.dispatch.models import Wake
from console.runs.models import Step

# Rows that another worker is just taking are left to it.
_TAKE = """
DELETE FROM dispatch_wake WHERE id IN (
    SELECT id FROM dispatch_wake WHERE delivery = '' ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
) RETURNING action
"""
_TAKE_DELIVERY = """
DELETE FROM dispatch_wake WHERE id = (
    SELECT id FROM dispatch_wake WHERE delivery <> '' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING delivery
"""


@receiver(action_settled)
def remember_settled(action: Action, **_: Any) -> None:
    """Inserts and nothing else: the sender holds the lock on the action."""
    if action.step:
        Wake.objects.create(action=action.id)
        wake("console.dispatch.tasks.work", "steps")


@transaction.atomic
def take_wakes(*, actor: Actor) -> int:
    """Steps that wait for a settled action become ready. One that has not parked yet will see it settled itself."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE)
        actions = [row[0] for row in cursor.fetchall()]
    if actions:
        for step in _waiting(actions):
            move(step, "ready", actor=actor, ready_at=now(), waiting_for="")
    return len(actions)


def _waiting(actions: list[str]) -> list[Step]:
    waiting = Step.objects.select_for_update(of=("self",)).select_related("run")
    return list(waiting.filter(action__in=actions, state="waiting", waiting_for="review").order_by("id"))


@transaction.atomic
def take_delivery(*, actor: Actor) -> bool:
    """One verified delivery to those that wait for it; False when there is none."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_DELIVERY)
        row = cursor.fetchone()
    if row is not None:
        wake_listeners(row[0], actor=actor)
    return row is not None
