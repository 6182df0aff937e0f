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
from integrations.limits import Spent, longest
from integrations.models import Grant
from integrations.redaction import clean

MOST_A_DAY = 20_000  # of one agent
KEPT_FOR = dt.timedelta(days=30)
BEFORE, AHEAD = dt.timedelta(days=7), dt.timedelta(minutes=5)  # of the other clock that are believed
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
AT_ONCE = 5_000
COUNTED = ("allowed", "held")


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
    policy, rows, spent = current_policy(agent.team_id), list[Observation](), dict[str, Spent]()
    at_once = [(min(max(one.at, now() - BEFORE), now() + AHEAD), one) for one in copies]
    at_once.sort(key=lambda pair: pair[0])
    for at, one in at_once:

        def beyond(grant: Grant, arguments: Mapping[str, Any], at: dt.datetime = at) -> str:
            if grant.pk not in spent:
                spent[grant.pk] = _spent(agent, grant, at_once[0][0])
            return spent[grant.pk].beyond(at, arguments)

        verdict = judge(agent, one, policy, beyond)
        status = one.status if one.kind == "http" else None
        row = Observation(
            agent=agent, told=one.id, seen_at=at, status=status, failed=one.failed, **clean(asdict(verdict), ())
        )
        if row.grant in spent and row.verdict in COUNTED:
            spent[row.grant].add(at, _values(row.values))
        rows.append(row)
    return rows


def _spent(agent: Agent, grant: Grant, since: dt.datetime) -> Spent:
    """By what it was seen doing: while it is observed it has no actions. Read once for a batch that begins then."""
    spent, hours = Spent(grant.limits), longest(grant.limits)
    before = Observation.objects.filter(agent=agent, grant=grant.pk, verdict__in=COUNTED)
    before = before.filter(seen_at__gt=since - hours * HOUR) if hours else before.none()
    for at, values in before.order_by("seen_at").values_list("seen_at", "values").iterator():
        spent.add(at, _values(values))
    return spent


def _values(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one.get("value") for name, one in kept.items()}


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
