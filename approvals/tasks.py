"""Tasks of the queue `actions`, the door's work, and of `steps`. An id in, one call."""

from celery import shared_task

from approvals.authority import load
from approvals.execute import execute
from approvals.models import Action
from approvals.prepare import prepare
from approvals.publish import publish_signed
from approvals.recover import recover
from console.core.actor import system

_WORK = {"proposed": prepare, "deferred": prepare, "permitted": execute, "executing": recover, "in_doubt": recover}


@shared_task
def drive(action_id: str) -> None:
    """As far as the action can go now; what waits for a person or for time is left alone."""
    actor = system("door")
    while work := _WORK.get((loaded := load(action_id)).action.state):
        before = loaded.action.state
        if work(loaded, actor=actor).state in {before, *Action.SETTLED}:
            return


@shared_task
def publish(action_id: str) -> None:
    """By a process that holds the console's key."""
    publish_signed(action_id)
