"""Taking copies of what an observed agent did. Of a batch there is one record, and nothing of it is done."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction

from approvals.authority import current_policy
from audit.record import record
from audit.vocabulary import Kind
from console.agents.identify import Identified
from console.agents.models import Agent
from console.core.actor import Actor, Role
from console.core.canonical import digest
from console.core.clock import now
from console.core.errors import Conflict, Refusal
from console.core.turns import take_turn
from console.shadow.heard import Seen
from console.shadow.judge import judge
from console.shadow.models import Observation
from integrations.limits import beyond_calls, beyond_sums, longest
from integrations.models import Grant
from integrations.redaction import clean

MOST_A_DAY = 20_000  # of one agent
KEPT_FOR = dt.timedelta(days=30)
BEFORE, AHEAD = dt.timedelta(days=7), dt.timedelta(minutes=5)  # of the other clock that are believed
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
AT_ONCE = 5_000


class NotObserved(Conflict):
    code = "not_observed"


class TooMany(Refusal):
    status = 429
    code = "too_many_observations"


def take(who: Identified, copies: Sequence[Seen], dropped: int) -> int:
    """How many are new: a copy that is sent again is known by its id. Raises NotObserved, TooMany."""
    with transaction.atomic():
        take_turn(f"observations of {who.agent.pk}")
        agent = Agent.objects.get(pk=who.agent.pk)
        if agent.observing_since is None:
            raise NotObserved("This agent is not observed. An admin can put it under observation in the console.")
        new = _new(agent, copies)
        if not new:
            return 0
        lately = Observation.objects.filter(agent=agent, taken_at__gt=now() - DAY).count()
        if lately + len(new) > MOST_A_DAY:
            raise TooMany(f"At most {MOST_A_DAY:,} calls of an agent are taken in a day.")
        rows = _judged(agent, new)
        Observation.objects.bulk_create(rows)
        told = [[row.told, row.place, row.name, row.verdict, row.code, row.rule] for row in rows]
        detail = {"count": len(rows), "dropped": dropped, "digest": digest("countersign/observations/v1", told).hex()}
        record(Kind.OBSERVATIONS_TAKEN, subject=agent.id, actor=who.actor, detail=detail)
    return len(rows)


def _new(agent: Agent, copies: Sequence[Seen]) -> list[Seen]:
    by_id = {one.id: one for one in copies}
    known = set(Observation.objects.filter(agent=agent, told__in=by_id).values_list("told", flat=True))
    return [one for told, one in by_id.items() if told not in known]


def _judged(agent: Agent, copies: Sequence[Seen]) -> list[Observation]:
    policy, rows = current_policy(agent.team_id), list[Observation]()
    for one in sorted(copies, key=lambda copy: copy.at):
        at = min(max(one.at, now() - BEFORE), now() + AHEAD)

        def spent(grant: Grant, arguments: Mapping[str, Any], at: dt.datetime = at) -> str:
            return _spent(agent, grant, arguments, at, rows)

        verdict = judge(agent, one, policy, spent)
        status = one.status if one.kind == "http" else None
        rows.append(
            Observation(
                agent=agent, told=one.id, seen_at=at, status=status, failed=one.failed, **clean(asdict(verdict), ())
            )
        )
    return rows


def _spent(
    agent: Agent, grant: Grant, arguments: Mapping[str, Any], at: dt.datetime, batch: Sequence[Observation]
) -> str:
    """By what it was seen doing: while it is observed it has no actions."""
    hours = longest(grant.limits)
    if not hours:
        return ""
    since = at - hours * HOUR
    before = Observation.objects.filter(agent=agent, grant=grant.pk, seen_at__gt=since, seen_at__lte=at)
    counted = [*before, *(one for one in batch if one.grant == grant.pk and one.seen_at > since)]
    earlier = [
        ((at - one.seen_at) / HOUR, {name: kept.get("value") for name, kept in one.values.items()})
        for one in counted
        if one.verdict in ("allowed", "held")
    ]
    return beyond_calls(grant.limits, earlier) or beyond_sums(grant.limits, arguments, earlier)


@transaction.atomic
def forget(agent: Agent, *, actor: Actor) -> int:
    """All that was seen of it."""
    actor.require(Role.ADMIN)
    count, _ = Observation.objects.filter(agent=agent, agent__team=actor.team).delete()
    record(Kind.OBSERVATIONS_FORGOTTEN, subject=agent.id, actor=actor, detail={"count": count})
    return count


def forget_old() -> int:
    """What is older than a report looks back. By beat."""
    old = Observation.objects.filter(taken_at__lt=now() - KEPT_FOR).values("pk")[:AT_ONCE]
    return Observation.objects.filter(pk__in=old).delete()[0]
