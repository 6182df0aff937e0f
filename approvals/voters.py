"""In whose place somebody may sign, as the console attested it, and as whom they vote in a review."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet
from django.db.models.functions import Now

from approvals.models import Action, Delegation, Review, SlotGroup
from approvals.policies.standing_in import Case, choose
from audit.models import Record
from audit.record import record
from audit.vocabulary import Kind
from console.accounts.actors import human
from console.accounts.models import Membership, User
from console.core.actor import Actor, Role
from console.core.attest import verify
from console.core.clock import now
from console.core.compiled import Compiled
from console.core.errors import Tampered

ALARM = dt.timedelta(minutes=5)  # a forged row is told of this often, not at each request

_RECEIVED = Compiled(
    lambda team, person: (
        Delegation.objects.filter(
            team=team, delegate=person, state="given", begins_at__lte=Now(), ends_at__gt=Now(),
        )
        .select_related("delegator")
        .order_by("given_at", "id")
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standin:
    """A delegation in force, and the groups of whoever gave it, as they are now."""

    delegation: Delegation
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Voter:
    """Somebody who decides, and with whose groups: their own, or those of the person in whose place they sign."""

    actor: Actor
    groups: frozenset[str]
    delegation: Delegation | None = None

    @property
    def on_behalf_of(self) -> str:
        return self.delegation.delegator_id if self.delegation else ""

    @property
    def name(self) -> str:
        """For people, as `Decision.by`."""
        return f"{self.actor.name} for {self.delegation.delegator.name}" if self.delegation else self.actor.name

    @property
    def people(self) -> frozenset[str]:
        return frozenset({self.actor.id, self.on_behalf_of} - {""})

    @property
    def themself(self) -> "Voter":
        """Leaving it to others is nobody's to do for somebody else."""
        return Voter(self.actor, self.actor.groups)

    @property
    def signing_groups(self) -> Iterator[frozenset[str]]:
        """Of each of these people: what is asked of whoever signs is asked of the delegate, and the delegator could not
        pass on more than they have."""
        yield self.actor.groups
        if self.delegation:
            yield self.groups


def standins_of(actor: Actor) -> list[Standin]:
    """For whom this reviewer may sign now. One query for nearly everybody, two for whoever stands in for somebody."""
    if not actor.has(Role.REVIEWER):
        return []
    received = [one for one in _RECEIVED(actor.team, actor.id) if _genuine(one)]
    groups = _groups_of(actor.team, {one.delegator_id: one.delegator for one in received}) if received else {}
    return [Standin(one, groups[one.delegator_id]) for one in received if one.delegator_id in groups]


def delegations_in_force(team: str) -> list[Standin]:
    """Of a team, for whoever tells people of what waits: where both may sign there."""
    given = Delegation.objects.filter(team=team, state="given", begins_at__lte=Now(), ends_at__gt=Now())
    found = [one for one in given.select_related("delegator", "delegate").order_by("given_at", "id") if _genuine(one)]
    groups = _groups_of(team, {one.delegator_id: one.delegator for one in found}) if found else {}
    able = _groups_of(team, {one.delegate_id: one.delegate for one in found}) if found else {}
    return [Standin(one, groups[one.delegator_id]) for one in found
            if one.delegator_id in groups and one.delegate_id in able]  # fmt: skip


def _groups_of(team: str, people: Mapping[str, User]) -> dict[str, frozenset[str]]:
    """Of those alone who are reviewers of this team themselves."""
    members = Membership.objects.filter(team=team, user__in=people, user__is_active=True)
    actors = [human(people[one.user_id], one, auth="process") for one in members]
    return {one.id: one.groups for one in actors if one.has(Role.REVIEWER)}


def _genuine(delegation: Delegation) -> bool:
    try:
        verify("delegation", delegation.attested(), delegation.attestation)
    except Tampered as tampering:
        known = Record.objects.of(delegation.pk).filter(kind=Kind.ALARM_TAMPERED, at__gt=now() - ALARM)
        if not known.exists():
            record(Kind.ALARM_TAMPERED, subject=delegation.pk, team=delegation.team_id, detail={"what": str(tampering)},
                   actor=Actor(kind="human", id=delegation.delegate_id, team=delegation.team_id))  # fmt: skip
        return False
    return True


def voter_for(action: Action, asked: Collection[str], actor: Actor) -> Voter:
    """As whom somebody would decide this now."""
    if not actor.groups.isdisjoint(asked):
        return Voter(actor, actor.groups)
    return stand_in(action, asked, actor, standins_of(actor))


def stand_in(action: Action, asked: Collection[str], actor: Actor, standins: Collection[Standin]) -> Voter:
    """The same, of whom they stand in for."""
    standing = {one.delegation.given: one for one in standins}
    given = [(given, one.groups) for given, one in standing.items()]
    chosen = choose(actor.groups, given, asked, case_of(action)) if standing else None
    if chosen is None:
        return Voter(actor, actor.groups)
    return Voter(actor, standing[chosen].groups, standing[chosen].delegation)


def with_groups(reviews: QuerySet[Review], standins: Sequence[Standin]) -> QuerySet[Review]:
    """For `in_whose_place`."""
    groups = SlotGroup.objects.filter(review=OuterRef("pk")).values("group")
    return reviews.annotate(asked_groups=ArraySubquery(groups)) if standins else reviews


def in_whose_place(actor: Actor, standins: Sequence[Standin], reviews: Sequence[Review]) -> dict[str, str]:
    """By review, the name of whom the actor would sign it for. Needs their operations loaded, and the reviews annotated
    `with_groups`; of a drill it asks nobody else."""
    if not standins:
        return {}
    asked = {review.pk: getattr(review, "asked_groups", ()) for review in reviews}
    voters = {review.pk: stand_in(review.action, asked[review.pk], actor, standins) for review in reviews}
    return {pk: one.delegation.delegator.name for pk, one in voters.items() if one.delegation}


def case_of(action: Action) -> Case:
    return Case(frozenset(action.barred), action.amount_minor, action.currency, frozenset(action.operation.categories))
