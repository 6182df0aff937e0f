"""How people of a team review, read from votes in reviews that are over: nothing here tells of one that is open."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from approvals.care.habits import NO_DRILLS, Habits, Share, Voted, habits
from approvals.models import Action, Decision, Drill
from console.accounts.models import User
from console.core.clock import now
from console.notices.models import Preference

DAYS = 90
MOST = 5_000  # votes, the newest


@dataclass(frozen=True, slots=True)
class Reviewer:
    person: User
    habits: Habits


def own_habits(team: str, person: str) -> Habits:
    votes = [_voted(row) for row in _newest(_over(team).filter(reviewer=person))]
    return habits(votes, _zones([person]).get(person, "UTC"), _drills(team).get(person, NO_DRILLS))


def team_habits(team: str) -> list[Reviewer]:
    """By name. Three queries beside that of the votes."""
    votes = defaultdict[str, list[Voted]](list)
    for row in _newest(_over(team)):
        votes[row["reviewer"]].append(_voted(row))
    people, zones = User.objects.filter(pk__in=votes).order_by("name", "pk"), _zones(votes)
    drills = _drills(team)
    return [
        Reviewer(one, habits(votes[one.pk], zones.get(one.pk, "UTC"), drills.get(one.pk, NO_DRILLS))) for one in people
    ]


def _drills(team: str) -> dict[str, Share]:
    """By person. Training does not count."""
    judged = Drill.objects.filter(team=team, state__in=["right", "wrong"], training=False)
    counted = judged.filter(opened_at__gt=now() - dt.timedelta(days=DAYS)).values("reviewer").order_by()
    rows = counted.annotate(of=Count("pk"), right=Count("pk", filter=Q(state="right")))
    return {row["reviewer"]: Share(row["right"], row["of"]) for row in rows}


def _zones(people: Any) -> dict[str, str]:
    return dict(Preference.objects.filter(user__in=list(people)).values_list("user", "zone"))


def _over(team: str) -> QuerySet[Decision]:
    since = now() - dt.timedelta(days=DAYS)
    over = Q(review__team=team, review__closed_at__gt=since, review__kind="action") & ~Q(review__state="open")
    return Decision.objects.filter(over, verdict__in=["approve", "refuse"])


def _newest(votes: QuerySet[Decision]) -> list[dict[str, Any]]:
    """In the order in which they were given."""
    taken_back = Action.objects.filter(reverses=OuterRef("review__action"), state="succeeded")
    rows = votes.annotate(
        others=_beside(Q()), differing=_beside(~Q(verdict=OuterRef("verdict"))), taken_back=Exists(taken_back)
    ).values(
        "reviewer", "verdict", "decided_at", "others", "differing", "taken_back", ended=F("review__action__state"),
        dwell=F("measure__dwell_ms"), characters=F("measure__characters"), unfolded=F("measure__unfolded"),
        missed=F("measure__missed"),
    )  # fmt: skip
    newest: list[Any] = list(rows.filter(measure__isnull=False).order_by("-decided_at", "-pk")[:MOST])
    return newest[::-1]


def _beside(wanted: Q) -> Coalesce:
    """How many others voted in the same blind slot, of those who are `wanted`."""
    same = Decision.objects.filter(wanted, slot=OuterRef("slot"), slot__spec__blind=True)
    same = same.filter(verdict__in=["approve", "refuse"]).exclude(reviewer=OuterRef("reviewer")).order_by()
    return Coalesce(Subquery(same.values("slot").annotate(n=Count("pk")).values("n")), 0)


def _voted(row: Mapping[str, Any]) -> Voted:
    return Voted(
        verdict=row["verdict"], at=row["decided_at"], dwell_ms=row["dwell"], characters=row["characters"],
        unfolded=bool(row["unfolded"]), missed=row["missed"], others=row["others"], differing=row["differing"],
        done=row["ended"] == "succeeded", taken_back=row["taken_back"],
    )  # fmt: skip
