"""Delegations: naming who signs in one's place, and ending it. In whose place somebody votes is told in `voters`."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from approvals.models import Delegation
from audit.move import begin, move
from console.accounts.models import Membership
from console.core.actor import Actor, Role, system
from console.core.attest import attest
from console.core.clock import iso, now
from console.core.errors import Conflict, Forbidden, Invalid, NotFound, StepUpRequired
from console.traces.live import changed
from integrations.models import CATEGORIES

LONGEST = dt.timedelta(days=92)
AHEAD = dt.timedelta(days=92)  # it may begin this much later
MOST = 10  # that one person stands in for at a time: each is asked about with each review
MANY = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """`at_most` in the currency's minor unit, with its currency; both or neither."""

    delegate: str
    begins: dt.datetime
    ends: dt.datetime
    at_most: int | None = None
    currency: str = ""
    categories: Sequence[str] = ()
    away: bool = False


def give_delegation(wanted: Wanted, *, actor: Actor) -> Delegation:
    """By whoever has proved presence anew this minute: it is as much as the power to sign. Raises Conflict where they
    are stood in for already."""
    _check_person(actor)
    _check(wanted, actor)
    try:
        with transaction.atomic():
            _end_overdue(actor)
            return _give(wanted, actor)
    except IntegrityError:
        raise Conflict("Somebody signs in your place already. End that first.") from None


def _check_person(actor: Actor) -> None:
    if not actor.interactive:
        raise Forbidden("Only people signed in with a browser do this.")
    actor.require(Role.REVIEWER)
    fresh = dt.timedelta(seconds=settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)
    if actor.stepped_up_at is None or now() - actor.stepped_up_at > fresh:
        raise StepUpRequired("Confirm that it is you before you let somebody sign in your place.")


def _check(wanted: Wanted, actor: Actor) -> None:
    if wanted.delegate == actor.id:
        raise Invalid("Name somebody else.")
    if not wanted.begins < wanted.ends or wanted.ends <= now():
        raise Invalid("It ends after it begins, and not in the past.")
    if wanted.ends - wanted.begins > LONGEST or wanted.begins > now() + AHEAD:
        raise Invalid(f"It begins within {AHEAD.days} days and lasts at most {LONGEST.days}.")
    if (wanted.at_most is None) != (not wanted.currency) or (wanted.at_most is not None and wanted.at_most <= 0):
        raise Invalid("Give an amount with its currency, or neither.")
    if set(wanted.categories) - set(CATEGORIES):
        raise Invalid("There is no such category.")


def _give(wanted: Wanted, actor: Actor) -> Delegation:
    if not reviewers(actor.team).filter(user=wanted.delegate).exists():
        raise Invalid("Choose a reviewer of your team.")
    if Delegation.objects.filter(team=actor.team, delegate=wanted.delegate, state="given").count() >= MOST:
        raise Conflict(f"They stand in for {MOST} people already. Name somebody else.")
    given = Delegation(
        team_id=actor.team, delegator_id=actor.id, delegate_id=wanted.delegate, begins_at=wanted.begins,
        ends_at=wanted.ends, at_most=wanted.at_most, currency=wanted.currency.lower(),
        categories=sorted(set(wanted.categories)), away=wanted.away,
    )  # fmt: skip
    given.attestation = attest("delegation", given.attested())
    begin(given, actor=actor, detail=_detail(given))
    _tell(given)
    return given


def _detail(given: Delegation) -> dict[str, object]:
    cap = {} if given.at_most is None else {"at_most": given.at_most, "currency": given.currency}
    return {"delegator": given.delegator_id, "delegate": given.delegate_id, "from": iso(given.begins_at),
            "until": iso(given.ends_at), "categories": given.categories, "away": given.away, **cap}  # fmt: skip


@transaction.atomic
def end_delegation(identity: str, *, actor: Actor) -> Delegation:
    """At once, by whoever gave it or an admin. What was signed before stays signed."""
    if not actor.interactive:
        raise Forbidden("Only people signed in with a browser do this.")
    given = Delegation.objects.select_for_update().filter(pk=identity, team=actor.team).first()
    if given is None or not (given.delegator_id == actor.id or actor.has(Role.ADMIN)):
        raise NotFound("There is no such delegation, or it is not yours to end.")
    if given.state != "given":
        raise Conflict("It has ended already.")
    return _end(given, "asked", actor)


def _end(given: Delegation, why: str, actor: Actor) -> Delegation:
    move(given, "ended", actor=actor, detail={"why": why}, ended_at=now())
    _tell(given)
    return given


def _tell(given: Delegation) -> None:
    changed(given.team_id, "reviews")


def _end_overdue(actor: Actor) -> None:
    """What the sweep has not come to yet must not stand in the way of the next."""
    own = Delegation.objects.filter(team=actor.team, delegator=actor.id, state="given", ends_at__lte=now())
    for given in own.select_for_update():
        _end(given, "over", system("beat", actor.team))


def reviewers(team: str) -> QuerySet[Membership]:
    """Who of a team may sign at all."""
    return Membership.objects.filter(team=team, user__is_active=True, roles__contains=[Role.REVIEWER])


def end_delegations() -> int:
    """Run by beat: of those whose time is over, and where one of the two may not sign here any more. They gave nothing
    from that moment on; ended, they do not come back with a role that is given back."""
    given = Delegation.objects.filter(state="given")
    over = given.filter(Q(ends_at__lte=now()) | ~_reviews("delegator") | ~_reviews("delegate"))
    ids = list(over.order_by("pk").values_list("pk", flat=True)[:MANY])
    for identity in ids:
        _end_one(identity)
    return len(ids)


def _reviews(who: str) -> Exists:
    there = Membership.objects.filter(user__is_active=True, roles__contains=[Role.REVIEWER])
    return Exists(there.filter(user=OuterRef(who), team=OuterRef("team")))


@transaction.atomic
def _end_one(identity: str) -> None:
    given = Delegation.objects.select_for_update().get(pk=identity)
    if given.state == "given":
        _end(given, "over" if given.ends_at <= now() else "no_reviewer", system("beat", given.team_id))
