"""What still waits, told to the room below that tells people of it."""

from collections.abc import Collection

from django.db.models import Exists, OuterRef

from approvals.access import waiting_for
from approvals.models import Review, SlotGroup
from console.core.actor import Actor
from console.notices.above import Reviews, Waiting


def for_person(actor: Actor, asked_about: Collection[str]) -> Waiting:
    """As their own queue has it."""
    waiting = waiting_for(actor)
    return Waiting(frozenset(waiting.filter(pk__in=asked_about).values_list("pk", flat=True)), waiting.count())


def for_groups(team: str, groups: Collection[str], asked_about: Collection[str]) -> Waiting:
    """Without a look at votes, nor at which slots they have filled."""
    waiting = Review.objects.filter(team=team, state="open")
    if groups:
        waiting = waiting.filter(Exists(SlotGroup.objects.filter(review=OuterRef("pk"), group__in=groups)))
    return Waiting(frozenset(waiting.filter(pk__in=asked_about).values_list("pk", flat=True)), waiting.count())


def ended(asked_about: Collection[str]) -> frozenset[str]:
    found = Review.objects.filter(pk__in=asked_about, action__settled_at__isnull=False)
    return frozenset(found.values_list("pk", flat=True))


STILL = Reviews(for_person, for_groups, ended)
