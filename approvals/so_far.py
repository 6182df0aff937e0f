"""What was done before an action: in its run, or where it has none, by whoever asks within a day.

A trace that an agent names is no run: by naming another one for each action it would begin anew each time."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, Q

from approvals.described import verify_operation
from approvals.models import Action
from console.core.clock import now
from integrations.models import Operation

DONE = ("executing", "in_doubt", "succeeded")
SESSION = dt.timedelta(hours=24)  # of an agent that has no run: what it did within this time counts as one


@dataclass(frozen=True, slots=True)
class SoFar:
    """`data` and `untrusted` are None where the answer of one of the operations, or an event, is not described."""

    prior_actions: int
    prior_writes: int
    prior_operations: Mapping[str, int]  # how often each, by `integration.operation`
    data: frozenset[str] | None
    untrusted: bool | None


def so_far(action: Action, at: dt.datetime | None = None) -> SoFar:
    """In one query. Raises Tampered where an operation is not what was reviewed."""
    others = Q(actions__pk__lt=action.pk) | Q(actions__pk__gt=action.pk)  # a negation would leave out its operation
    done = others & Q(actions__team=action.team_id, actions__state__in=DONE)
    if at:
        done &= Q(actions__created_at__lt=at)
    if action.run:
        done &= Q(actions__run=action.run)
    else:
        since = (at or now()) - SESSION
        done &= Q(actions__run="", actions__grantee=action.grantee, actions__created_at__gt=since)
    used = Operation.objects.filter(done).select_related("integration").annotate(times=Count("actions"))
    return _told(list(used.order_by("integration__slug", "slug")), heard=action.heard)


def _told(used: list[Operation], *, heard: bool) -> SoFar:
    for operation in used:
        verify_operation(operation)
    times = {str(operation): int(operation.times) for operation in used}  # type: ignore[attr-defined]  # annotated
    answers = [operation.description.get("answer", {}) for operation in used]
    classes = [*(one.get("data") for one in answers), *([None] if heard else [])]
    outside = [*(one.get("untrusted") for one in answers), *([None] if heard else [])]
    return SoFar(
        sum(times.values()),
        sum(times[str(operation)] for operation in used if operation.effect != "read"),
        times,
        None if None in classes else frozenset(name for listed in classes for name in listed),
        True if True in outside else None if None in outside else False,
    )
