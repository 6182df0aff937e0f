"""What nobody was woken for: run by beat, every second."""

import datetime as dt

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from approvals.models import Action
from approvals.withdraw import WITHDRAWABLE, withdraw_of_steps
from audit.move import move
from console.core import presence
from console.core.actor import Actor, system
from console.core.clock import now
from console.core.wake import wake
from console.dispatch.models import Wait, Wake
from console.runs.lifecycle import note_attempt_lost
from console.runs.models import Attempt, Step

GRACE = dt.timedelta(seconds=1)


def offer_steps() -> int:
    """Dead workers' steps, due timers, and waits that are settled or for nothing become ready; ready steps and wakes
    get a worker."""
    actor = system("beat")
    found = release_lost(actor=actor) + ready_due(actor=actor) + ready_deserted(actor=actor)
    found += ready_settled(actor=actor)
    unclaimed = Step.objects.filter(state="ready", ready_at__lt=now() - GRACE).exists()
    if found or unclaimed or Wake.objects.filter(at__lt=now() - GRACE).exists():
        with transaction.atomic():
            wake("console.dispatch.tasks.work", "steps")
    return found


@transaction.atomic
def release_lost(*, actor: Actor) -> int:
    """A worker that is gone has lost its steps. Its token is void: the next claim gives out a higher one."""
    lost = _locked().filter(state="running").exclude(lease_owner__in=presence.alive())
    for step in lost:
        note_attempt_lost(step, actor=actor)
        Attempt.objects.filter(step=step, fence=step.fence).update(finished_at=now(), outcome="lost")
        move(step, "ready", actor=actor, ready_at=now(), lease_owner=None)
    return len(lost)


@transaction.atomic
def ready_due(*, actor: Actor) -> int:
    due = _locked().filter(state="waiting", waiting_for__in=["timer", "event"], due_at__lte=now())
    for step in due:
        move(step, "ready", actor=actor, ready_at=now())
    return len(due)


@transaction.atomic
def ready_deserted(*, actor: Actor) -> int:
    """Their webhook has ended, so no event will come: they look once more, and fail or find another one of its name.
    What came in time is handed out before."""
    ended = Wait.objects.filter(step=OuterRef("pk"), delivery=None, webhook__ended_at__isnull=False)
    steps = _locked().filter(Exists(ended), state="waiting", waiting_for="event")
    if not steps or Wake.objects.exclude(delivery="").exists():
        return 0
    for step in steps:
        move(step, "ready", actor=actor, ready_at=now())
    return len(steps)


@transaction.atomic
def ready_settled(*, actor: Actor) -> int:
    """The belt to the brace of Wake rows."""
    waiting = list(Step.objects.filter(state="waiting", waiting_for="review").values_list("action", flat=True)[:1000])
    settled = Action.objects.filter(pk__in=waiting, state__in=Action.SETTLED).values_list("pk", flat=True)
    steps = _locked().filter(state="waiting", waiting_for="review", action__in=list(settled))
    for step in steps:
        move(step, "ready", actor=actor, ready_at=now(), waiting_for="")
    return len(steps)


@transaction.atomic
def withdraw_orphans() -> int:
    """Proposals of steps that are over: nobody waits for them, so nobody must be asked to sign them."""
    open_steps = Action.objects.filter(state__in=WITHDRAWABLE).exclude(step="").values_list("step", flat=True)
    over = Step.objects.filter(pk__in=list(open_steps[:1000]), state__in=Step.FINAL).values_list("pk", flat=True)
    return withdraw_of_steps(list(over), actor=system("beat")) if over else 0


def _locked() -> QuerySet[Step]:
    return Step.objects.select_for_update(of=("self",), skip_locked=True).select_related("run").order_by("id")
