"""How much one person decides within an hour, where their team has set an end to it. Refusing has none."""

import datetime as dt

from django.db.models import OuterRef, Subquery

from approvals.models import CareSetting, Decision, Review, SlotGroup
from console.accounts.models import Membership
from console.core.actor import Role
from console.core.clock import now
from console.core.errors import Conflict

HOUR = dt.timedelta(hours=1)


def most_an_hour(team: str = "team") -> Subquery:
    """For a queryset of reviews: what their team has set."""
    return Subquery(CareSetting.objects.filter(team=OuterRef(team)).values("most_an_hour")[:1])


def check_break(review: Review, verdict: str, reviewer: str) -> None:
    """Of a review that is annotated with `most_an_hour`. Two windows at the same instant may pass it by one."""
    if verdict == "approve" and (text := break_needed(review, reviewer)):
        raise Conflict(text, code="too_many_at_once")


def break_needed(review: Review, reviewer: str) -> str:
    """ "" where there is no need, as most times."""
    most: int = review.most_an_hour or 0  # type: ignore[attr-defined]  # annotated
    if review.kind != "action" or not (text := break_of(review.team_id, reviewer, most)):
        return ""
    others = _others(review, reviewer)
    return f"{text} {others} other{'s' * (others != 1)} can sign this. Refusing is always possible."


def break_of(team: str, reviewer: str, most: int) -> str:
    if not most:
        return ""
    since = now() - HOUR
    theirs = Decision.objects.filter(reviewer=reviewer, review__team=team, decided_at__gt=since)
    last = theirs.exclude(verdict="recuse").order_by("-decided_at")
    recent = list(last.values_list("decided_at", flat=True)[:most])
    if len(recent) < most:
        return ""
    left = max(1, round((recent[-1] - since).total_seconds() / 60))
    return f"You have decided {most} within an hour. Take a break of {left} min."


def setting_of(team: str) -> CareSetting:
    return CareSetting.objects.filter(team=team).first() or CareSetting(team_id=team)


def _others(review: Review, reviewer: str) -> int:
    """A drill says itself whom it asks, as it has no rows for that."""
    asked = SlotGroup.objects.filter(review=review).values_list("group", flat=True)
    groups: list[str] = getattr(review, "asked_of", None) or list(asked)
    there = Membership.objects.filter(team=review.team_id, user__is_active=True, roles__contains=[Role.REVIEWER])
    return there.filter(groups__overlap=groups).exclude(user__in=[*review.action.barred, reviewer]).count()
