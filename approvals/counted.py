"""What a policy asks of other actions: totals, whether a counterparty is new, what the run has done and read; and how
far this one is from what was asked for. Each is found out when a rule comes to it, and once.

Of an action that was asked for earlier it is counted as of then, by what is known today of those before it."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Greatest

from approvals.distance import distance_of
from approvals.models import WITHOUT_EFFECT, Action
from approvals.policies.question import TOTAL
from approvals.so_far import SoFar, so_far
from console.core.clock import now
from integrations.models import Operation

_OF_IT = ("new_counterparty", "distance")
_OF_SO_FAR = ("data", "untrusted", "prior_actions", "prior_operations")
_BY = {"agent": "grantee", "workflow": "grantee", "run": "run", "counterparty": "counterparty",
       "operation": "operation", "integration": "operation__integration"}  # fmt: skip


class Counted(Mapping[str, Any]):
    """By the names that conditions have. None for what cannot be told of this action."""

    def __init__(self, action: Action, document: Mapping[str, Any], *, at: dt.datetime | None = None) -> None:
        self._action, self._at = action, at
        self._totals = document.get("totals", {})
        self._known: dict[str, Any] = {}
        self.so_far: SoFar | None = None  # once a rule has come to it

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._count(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*_OF_IT, *_OF_SO_FAR, *(TOTAL + name for name in self._totals)])

    def __len__(self) -> int:
        return len(_OF_IT) + len(_OF_SO_FAR) + len(self._totals)

    def _count(self, name: str) -> Any:
        if name == "new_counterparty":
            return _is_new(self._action, self._at)
        if name == "distance":
            return distance_of(self._action)
        if name in _OF_SO_FAR:
            self.so_far = self.so_far or so_far(self._action, self._at)
            return getattr(self.so_far, name)
        return _total(self._action, self._totals[name.removeprefix(TOTAL)], self._at)


def _asked_before(at: dt.datetime | None) -> Q:
    return Q(created_at__lt=at) if at else Q()


def _is_new(action: Action, at: dt.datetime | None) -> bool | None:
    """Whether nothing was ever done with this counterparty in this integration."""
    if not action.counterparty:
        return None
    with_it = Action.objects.filter(team=action.team_id, counterparty=action.counterparty, state="succeeded")
    if at:
        with_it = with_it.filter(settled_at__lt=at)
    return not with_it.filter(operation__integration=action.operation.integration_id).exclude(pk=action.pk).exists()


def _total(action: Action, told: Mapping[str, Any], at: dt.datetime | None) -> int | None:
    """With this action, where it counts. Of others all that may still happen, or ended lately and not certainly without
    effect: what was asked for long ago and is sent today counts today. What is below zero takes nothing off, as it may
    never be done."""
    currency, own = told.get("sum"), 1
    if currency:
        if action.amount_minor is None:
            return None
        own = max(action.amount_minor, 0) if action.currency == currency else 0
    others = _others(action, told, at)
    if others is None:
        return None
    if currency:
        counted = others.filter(currency=currency).aggregate(all=Sum(Greatest(F("amount_minor"), 0)))["all"] or 0
    else:
        counted = others.count()
    return counted + (own if _belongs(action, told.get("of", {})) else 0)


def _others(action: Action, told: Mapping[str, Any], at: dt.datetime | None) -> QuerySet[Action] | None:
    since = (at or now()) - dt.timedelta(hours=told["hours"])
    lately = Q(created_at__gt=since) | Q(settled_at__gt=since) | Q(settled_at=None)
    found = Action.objects.filter(lately, _asked_before(at), team=action.team_id).exclude(state__in=WITHOUT_EFFECT)
    for key in told.get("by", ()):
        value = _key(action, key)
        if not value:
            return None
        found = found.filter(**{_BY[key]: value})
    of = told.get("of", {})
    found = found.filter(operation__effect__in=of.get("effect", ("write", "destructive")))
    if "integration" in of:
        found = found.filter(operation__integration__slug__in=of["integration"])
    if "operation" in of:
        found = found.filter(operation__in=_operations(action.team_id, of["operation"]))
    return found.exclude(pk=action.pk)


def _key(action: Action, key: str) -> str:
    match key:
        case "agent" | "workflow":
            return action.grantee if action.grantee.startswith(f"{key}:") else ""
        case "integration":
            return action.operation.integration_id
        case "operation":
            return action.operation_id
    return str(getattr(action, key))


def _operations(team: str, names: list[str]) -> list[str]:
    pairs = {tuple(name.partition(".")[::2]) for name in names}
    rows = Operation.objects.filter(integration__team=team, slug__in={slug for _, slug in pairs})
    return [pk for pk, integration, slug in rows.values_list("pk", "integration__slug", "slug")
            if (integration, slug) in pairs]  # fmt: skip


def _belongs(action: Action, of: Mapping[str, Any]) -> bool:
    operation, integration = action.operation, action.operation.integration.slug
    return (
        operation.effect in of.get("effect", ("write", "destructive"))
        and integration in of.get("integration", (integration,))
        and f"{integration}.{operation.slug}" in of.get("operation", (f"{integration}.{operation.slug}",))
    )
