"""What still waits, told to the room below that tells people of it."""

from collections.abc import Collection

from django.contrib.postgres.fields import ArrayField
from django.db.models import Exists, F, Func, OuterRef, Q, TextField

from approvals.access import asking, visible_reviews, waiting_for
from approvals.models import Review, Slot, SlotGroup
from approvals.voters import case_of, delegations_in_force, standins_of
from console.core.actor import Actor, Role
from console.notices.above import Instead, Reviews, Waiting


def for_person(actor: Actor, asked_about: Collection[str]) -> Waiting:
    """As their own queue has it; and while a blind slot is open, also what wants no vote of theirs any more: a reminder
    that stays away would tell them that others have voted."""
    if not actor.has(Role.REVIEWER):
        return Waiting(frozenset(), 0)
    theirs = visible_reviews(actor).filter(asking(actor, standins_of(actor)), _blind(), state="open")
    own = Q(action__makers__contains=[actor.id]) | Q(decisions__reviewer=actor.id)
    found = Q(pk__in=waiting_for(actor).values("pk")) | Q(pk__in=theirs.exclude(own).values("pk"))
    waiting = Review.objects.filter(found)
    return Waiting(frozenset(waiting.filter(pk__in=asked_about).values_list("pk", flat=True)), waiting.count())


def for_groups(team: str, groups: Collection[str], asked_about: Collection[str]) -> Waiting:
    """Without a look at votes, nor at which slots they have filled."""
    waiting = Review.objects.filter(team=team, state="open")
    if groups:
        waiting = waiting.filter(_asks(groups))
    return Waiting(frozenset(waiting.filter(pk__in=asked_about).values_list("pk", flat=True)), waiting.count())


def _asks(groups: Collection[str]) -> Exists:
    return Exists(SlotGroup.objects.filter(review=OuterRef("pk"), group__in=groups))


def _blind() -> Exists:
    """A slot of it is blind, and still asks."""
    itself = Func(F("pk"), template="ARRAY[%(expressions)s]", output_field=ArrayField(TextField()))
    blind = Slot.objects.filter(review=OuterRef("pk"), spec__blind=True)
    return Exists(blind.exclude(review__filled__contains=itself))


def ended(asked_about: Collection[str]) -> frozenset[str]:
    found = Review.objects.filter(pk__in=asked_about, action__settled_at__isnull=False)
    return frozenset(found.values_list("pk", flat=True))


def standing_in(review_id: str, groups: Collection[str]) -> list[Instead]:
    """Without a look at votes. Nobody for whom is asked themself: they are told as the others are."""
    review = Review.objects.select_related("action__operation").get(pk=review_id)
    case = case_of(review.action)
    found = [one for one in delegations_in_force(review.team_id) if one.delegation.given.covers(case)]
    return [Instead(one.delegation.delegate_id, one.delegation.delegator_id, one.delegation.away)
            for one in found if not one.groups.isdisjoint(groups)]  # fmt: skip


STILL = Reviews(for_person, for_groups, ended, standing_in)
