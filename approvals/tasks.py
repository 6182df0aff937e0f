"""Tasks of the queue `actions`: the door's work. An id in, one call."""

from celery import shared_task

from approvals.execute import execute
from approvals.models import Action
from approvals.prepare import prepare
from approvals.recover import recover
from console.core.actor import system

_WORK = {"proposed": prepare, "permitted": execute, "executing": recover, "in_doubt": recover}


@shared_task
def drive(action_id: str) -> None:
    """As far as the action can go now; what waits for a person or for time is left alone."""
    actor = system("door")
    state = Action.objects.filter(pk=action_id).values_list("state", flat=True).first()
    while state in _WORK:
        before, state = state, _WORK[state](action_id, actor=actor).state
        if state == before:
            return
