"""Mandates: asking for one, giving it once it is signed, taking it back. What one covers is told in `ruling`."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Max

from approvals.models import Action, Mandate
from approvals.propose import Proposal, propose
from approvals.ruling import used
from audit.move import begin, move
from console.core.actor import Actor, Role, system
from console.core.clock import iso, now, read_moment
from console.core.errors import Conflict, Invalid, NotFound
from integrations.describe import built_in
from integrations.grantees import PEOPLE
from integrations.here import GIVE_MANDATE, SLUG, is_here
from integrations.models import Integration, Operation

LONGEST = dt.timedelta(days=92)
MAY_REVOKE = (Role.REVIEWER, Role.OPERATOR, Role.ADMIN)
OFTEN, LATELY = 10, dt.timedelta(days=30)  # how many equal approvals, within what time, are worth a proposal


@dataclass(frozen=True, slots=True)
class Wanted:
    """`at_most` and `total` in the currency's minor unit, None where the operation has no amounts; `calls` and `total`
    within any `hours`. Without counterparties all that are known."""

    calls: int
    hours: int
    until: dt.datetime
    at_most: int | None = None
    total: int | None = None
    counterparties: Sequence[str] = ()


def ask_mandate(like: Action, wanted: Wanted, *, why: str, actor: Actor) -> Action:
    """For more of the same as this action. Raises Invalid, or Conflict where the policy denies it at once."""
    actor.require(Role.ADMIN)
    _check(like, wanted, why)
    amounts = {"at_most": wanted.at_most, "currency": like.currency, "total": wanted.total}
    operation = like.operation
    with transaction.atomic():
        built_in(actor)
        action = propose(
            Proposal(
                team=actor.team, operation=f"{SLUG}.{GIVE_MANDATE}", grantee=PEOPLE, says=why.strip(),
                makers=[actor.id, *(one for one in like.makers if one != actor.id)],
                arguments={
                    "grantee": like.grantee, "operation": f"{operation.integration.slug}.{operation.slug}",
                    "description": bytes(operation.digest).hex(), "calls": wanted.calls, "hours": wanted.hours,
                    "until": iso(wanted.until), **(amounts if like.amount_minor is not None else {}),
                    **({"counterparties": sorted(wanted.counterparties)} if wanted.counterparties else {}),
                },
            ),
            actor=actor,
        )  # fmt: skip
    if action.settled:
        raise Conflict(str((action.outcome or {}).get("text", "It was refused.")))
    return action


def _check(like: Action, wanted: Wanted, why: str) -> None:
    if is_here(like.operation.integration) or like.operation.effect == "read":
        raise Invalid("There is nothing that a mandate could cover.")
    if not why.strip():
        raise Invalid("Say why. Whoever signs it reads this.", code="reason_needed")
    if not 1 <= wanted.calls <= 10_000 or not 1 <= wanted.hours <= 24 * 31:
        raise Invalid("Say how many may be done within how many hours: 1 to 10,000, and 1 to 744.")
    if not now() < wanted.until <= now() + LONGEST:
        raise Invalid(f"A mandate ends within {LONGEST.days} days.")
    if like.amount_minor is None:
        return
    if wanted.at_most is None or wanted.total is None or not 0 < wanted.at_most <= wanted.total:
        raise Invalid("Say how much each may be, and how much all of them together: that cannot be less.")


def accept(integration: Integration, asked: Mapping[str, Any], key: str) -> dict[str, Any]:
    """In the door, once it was signed. Raises Conflict for what is described otherwise by now, or is over."""
    slug, _, name = asked["operation"].partition(".")
    rows = Operation.objects.filter(integration__team=integration.team_id, integration__slug=slug, slug=name)
    operation, until = rows.first(), read_moment(asked["until"])
    if operation is None or bytes(operation.digest).hex() != asked["description"] or until <= now():
        raise Conflict("What it was to cover is described otherwise by now, or its time is over.")
    mandate = Mandate(team_id=integration.team_id, action_id=key, operation=operation, grantee=asked["grantee"],
                      until=until)  # fmt: skip
    detail = {"of": key, "operation": asked["operation"], "grantee": asked["grantee"], "until": asked["until"]}
    try:
        with transaction.atomic():
            begin(mandate, actor=system("door", integration.team_id), detail=detail)
    except IntegrityError:  # it was given already
        return {"mandate": Mandate.objects.get(action=key).pk}
    return {"mandate": mandate.pk}


@transaction.atomic
def revoke_mandate(identity: str, *, actor: Actor) -> Mandate:
    """From then on people are asked again, also about what was not sent yet."""
    actor.require(*MAY_REVOKE)
    mandate = Mandate.objects.select_for_update().filter(pk=identity, team=actor.team).first()
    if mandate is None:
        raise NotFound("There is no such mandate.")
    if mandate.state != "given":
        raise Conflict("It was revoked already.")
    move(mandate, "revoked", actor=actor, revoked_at=now())
    return mandate


@dataclass(frozen=True, slots=True)
class Gauge:
    """How far a mandate is used, within its hours."""

    mandate: Mandate
    amount: int
    calls: int

    @property
    def told(self) -> Mapping[str, Any]:
        arguments: Mapping[str, Any] = self.mandate.action.arguments
        return arguments

    @property
    def state(self) -> str:
        if self.mandate.state == "revoked":
            return "revoked"
        if self.mandate.until <= now():
            return "over"
        same = bytes(self.mandate.operation.digest).hex() == self.told["description"]
        return "in force" if same else "void: described otherwise"


def gauges(team: str) -> list[Gauge]:
    """The newest fifty."""
    given = Mandate.objects.filter(team=team, action__operation__slug=GIVE_MANDATE)
    found = given.select_related("action", "operation__integration")[:50]
    return [Gauge(one, *used(one, one.action.arguments)) for one in found]


def worth_a_mandate(team: str) -> list[Mapping[str, Any]]:
    """What people have approved again and again: `times`, and the newest such action. Only ever a proposal."""
    approved = Action.objects.filter(
        team=team, reviews__kind="action", reviews__state="approved", reviews__closed_at__gt=now() - LATELY
    ).exclude(operation__effect="read")
    equal = approved.order_by().values("operation", "grantee", "counterparty").annotate(
        times=Count("pk", distinct=True), newest=Max("pk")
    )  # fmt: skip
    often = list(equal.filter(times__gte=OFTEN).order_by("-times")[:5])
    actions = Action.objects.in_bulk([one["newest"] for one in often])
    return [{"times": one["times"], "action": actions[one["newest"]]} for one in often]
