"""What a grant has been used for already. Two that count at once wait for each other."""

import datetime as dt
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import transaction
from django.db.models import Q

from approvals.models import UNDONE, Action
from console.core.clock import now
from console.core.turns import take_turn
from integrations.limits import beyond_calls, beyond_sums, longest
from integrations.models import Call, Grant

Earlier = list[tuple[float, Mapping[str, Any]]]


def beyond_asked(grant: Grant, arguments: Mapping[str, Any]) -> str:
    """Why no more may be asked for, in words; "" when it may."""
    if not longest(grant.limits):
        return ""
    take_turn(grant.pk)
    earlier = _asked(grant)
    return beyond_calls(grant.limits, earlier) or beyond_sums(grant.limits, arguments, earlier)


def counting(action: Action) -> AbstractContextManager[object]:
    """What `beyond_sent` and the sending that follows need around them, unless they are in a transaction already."""
    return transaction.atomic() if action.grant and longest(action.grant.limits) else nullcontext()


def beyond_sent(action: Action) -> str:
    """Why it may not be sent any more: people sign later than is asked, and much may be signed at once."""
    grant = action.grant
    if grant is None or not longest(grant.limits):
        return ""
    take_turn(grant.pk)
    earlier = _sent(grant, without=action.pk)
    return beyond_calls(grant.limits, earlier) or beyond_sums(grant.limits, action.arguments, earlier)


def _asked(grant: Grant) -> Earlier:
    """What was asked for or sent in that time, and may still happen or has."""
    at = now()
    since, sent = at - dt.timedelta(hours=longest(grant.limits)), _sent_at(grant)
    lately = [action for action, moment in sent.items() if moment > since]
    found = Action.objects.filter(Q(created_at__gt=since) | Q(pk__in=lately), grant=grant).exclude(state__in=UNDONE)
    rows = found.values_list("pk", "created_at", "arguments")
    return [(_hours(at - max(made, sent.get(pk, made))), arguments) for pk, made, arguments in rows]


def _sent(grant: Grant, *, without: str) -> Earlier:
    at, sent = now(), _sent_at(grant)
    rows = Action.objects.filter(pk__in=sent.keys() - {without}).values_list("pk", "arguments")
    return [(_hours(at - sent[pk]), arguments) for pk, arguments in rows]


def _sent_at(grant: Grant) -> dict[str, dt.datetime]:
    """Of its actions that were sent in that time."""
    since = now() - dt.timedelta(hours=longest(grant.limits))
    actions = Action.objects.filter(grant=grant).values("pk")
    return dict(Call.objects.filter(action__in=actions, sent_at__gt=since).values_list("action", "sent_at"))


def _hours(passed: dt.timedelta) -> float:
    return passed / dt.timedelta(hours=1)
