"""The task of the queue `steps`: take what is ready until nothing is."""

from celery import shared_task

from console.core import presence
from console.core.actor import system
from console.dispatch.attempt import attempt_step
from console.dispatch.claim import claim_step
from console.dispatch.wakes import take_delivery, take_wakes


@shared_task
def work() -> None:
    actor, worker = system("worker"), presence.number()
    while True:
        take_wakes(actor=actor)
        while take_delivery(actor=actor):
            pass
        step = claim_step(worker, actor=actor)
        if step is None:
            return
        attempt_step(step, actor=actor)
