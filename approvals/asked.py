"""What was asked for by grants, told to the room below, which gives them."""

import datetime as dt
from collections.abc import Iterable

from django.db.models import Max

from approvals.models import UNDONE, Action
from integrations.grantees import Asked, Using
from integrations.leases import OPEN
from integrations.models import Call

FOR_WANT_OF_A_GRANT = ("not_granted", "beyond_grant")  # refused, and perhaps allowed by another grant

REFUSED_OTHERWISE = ("denied", "refused")  # by the policy, or by a person


def asked(team: str, grantee: str, integration: str, since: dt.datetime, most: int) -> list[Asked]:
    """Without what no grant could have made right, such as arguments that do not fit."""
    found = Action.objects.filter(
        team=team, grantee=grantee, operation__integration=integration, created_at__gt=since
    ).order_by("-created_at", "-id")
    rows = found.values_list("id", "operation__slug", "arguments", "created_at", "state", "outcome__code")
    return [
        Asked(pk, slug, arguments, at, state not in UNDONE or code in FOR_WANT_OF_A_GRANT)
        for pk, slug, arguments, at, state, code in rows[:most]
        if state != "refused" or code in (*FOR_WANT_OF_A_GRANT, *REFUSED_OTHERWISE)
    ]


def used(grants: Iterable[str], since: dt.datetime) -> dict[str, dict[str, dt.datetime]]:
    """However it ended: who asks for something has a use for it."""
    found = Action.objects.filter(grant__in=list(grants), created_at__gt=since)
    by_grant: dict[str, dict[str, dt.datetime]] = {}
    last = found.order_by().values_list("grant", "operation__slug").annotate(Max("created_at"))
    for grant, slug, at in last:
        by_grant.setdefault(str(grant), {})[slug] = at
    return by_grant


def in_use(credential: str, most: int) -> tuple[list[Using], int]:
    found = Action.objects.filter(grant__credential=credential, settled_at=None)
    columns = ("sentence", "grantee", "run", "state", "created_at", "operation__slug")
    newest = list(found.select_related("operation").only(*columns).order_by("-created_at", "-id")[:most])
    calls = Call.objects.filter(action__in=[one.pk for one in newest], state__in=OPEN)
    leases = {action: "revoked" if at else "live" for action, at in calls.values_list("action", "revoked_at")}
    told = [
        Using(one.pk, one.sentence or one.operation.slug, one.grantee, one.run, one.state, one.created_at,
              leases.get(one.pk, ""))
        for one in newest
    ]  # fmt: skip
    return told, found.count()
