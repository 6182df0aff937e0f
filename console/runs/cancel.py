"""Cancelling: the run, its open steps, and the proposals that nobody has begun to execute."""

from django.db import transaction

from approvals.withdraw import withdraw_actions
from console.core.actor import Actor, Role
from console.core.errors import Conflict
from console.runs.lifecycle import cancel_run as cancel_rows
from console.runs.lifecycle import lock_run
from console.runs.models import Run


@transaction.atomic
def cancel_run(run: Run, *, actor: Actor) -> Run:
    """What is already being sent ends by itself and stays in the ledger."""
    actor.require(Role.OPERATOR, Role.ADMIN)
    locked = lock_run(run.id)
    if locked.state != "running":
        raise Conflict(f"The run is already {locked.state}.")
    cancel_rows(locked, actor=actor)
    withdraw_actions(run.id, actor=actor)
    return locked
