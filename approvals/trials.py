"""A policy on trial rules nothing: it is asked about what really happens, and its answers are only shown."""

from django.db import transaction
from django.db.models import QuerySet

from approvals.models import Action, PolicyVersion, Trial
from approvals.policies.document import parse, policy_digest
from approvals.replay import Replay, replay
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role


@transaction.atomic
def begin_trial(source: str, *, actor: Actor) -> Trial:
    """In the place of the one before. Raises Invalid with a place."""
    actor.require(Role.ADMIN)
    document = parse(source)
    end_trial(actor=actor)
    trial = Trial.objects.create(team_id=actor.team, source=source, document=document)
    record(Kind.TRIAL_BEGUN, subject=trial.id, actor=actor, detail={"digest": policy_digest(document).hex()})
    return trial


@transaction.atomic
def end_trial(*, actor: Actor) -> None:
    """Nothing happens where there is none."""
    actor.require(Role.ADMIN)
    trial = Trial.objects.select_for_update().filter(team=actor.team).first()
    if trial:
        record(Kind.TRIAL_ENDED, subject=trial.id, actor=actor)
        trial.delete()


def trial_of(team: str) -> Trial | None:
    return Trial.objects.filter(team=team).first()


def compare_trial(trial: Trial, current: PolicyVersion, actions: QuerySet[Action]) -> Replay:
    """Beside the policy in force, of what was asked for since it began."""
    return replay(actions.filter(created_at__gt=trial.since), current.document, trial.document)
