"""What a grant has been used for already. Two that count at once wait for each other."""

import datetime as dt
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import transaction
from django.db.models import Q

from approvals.models import UNDONE, Action
from console.core.clock import now
from console.core.turns import take_turn
from integrations.limits import Spent, longest
from integrations.models import Call, Grant


def beyond_asked(grant: Grant, arguments: Mapping[str, Any]) -> str:
    """Why no more may be asked for, in words; "" when it may."""
    if not longest(grant.limits):
        return ""
    take_turn(grant.pk)
    return _asked(grant, at := now()).beyond(at, arguments)


def counting(action: Action) -> AbstractContextManager[object]:
    """What `beyond_sent` and the sending that follows need around them, unless they are in a transaction already."""
    return transaction.atomic() if is_counted(action) else nullcontext()


def is_counted(action: Action) -> bool:
    return bool(action.grant and longest(action.grant.limits))


def beyond_sent(action: Action) -> str:
    """Why it may not be sent any more: people sign later than is asked, and much may be signed at once."""
    grant = action.grant
    if grant is None or not is_counted(action):
        return ""
    take_turn(grant.pk)
    return _sent(grant, at := now(), without=action.pk).beyond(at, action.arguments)


def _asked(grant: Grant, at: dt.datetime) -> Spent:
    """What was asked for or sent in that time, and may still happen or has."""
    since, sent = at - dt.timedelta(hours=longest(grant.limits)), _sent_at(grant, at)
    lately = [action for action, moment in sent.items() if moment > since]
    found = Action.objects.filter(Q(created_at__gt=since) | Q(pk__in=lately), grant=grant).exclude(state__in=UNDONE)
    made = {pk: (made, arguments) for pk, made, arguments in found.values_list("pk", "created_at", "arguments")}
    return _spent(grant, at, [(max(made, sent.get(pk, made)), arguments) for pk, (made, arguments) in made.items()])


def _sent(grant: Grant, at: dt.datetime, *, without: str) -> Spent:
    sent = _sent_at(grant, at)
    rows = Action.objects.filter(pk__in=sent.keys() - {without}).values_list("pk", "arguments")
    return _spent(grant, at, [(sent[pk], arguments) for pk, arguments in rows])


def _spent(grant: Grant, at: dt.datetime, told: Iterable[tuple[dt.datetime, Mapping[str, Any]]]) -> Spent:
    spent = Spent(grant.limits)
    for moment, arguments in sorted(told, key=lambda one: one[0]):
        spent.add(min(moment, at), arguments)  # another clock may be ahead
    return spent


def _sent_at(grant: Grant, at: dt.datetime) -> dict[str, dt.datetime]:
    """Of its actions that were sent in that time, when last."""
    since = at - dt.timedelta(hours=longest(grant.limits))
    actions = Action.objects.filter(grant=grant).values("pk")
    lately = Call.objects.filter(action__in=actions, sent_at__gt=since).order_by("sent_at")
    return dict(lately.values_list("action", "sent_at"))
