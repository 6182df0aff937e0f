"""Saying that one is on a review, and letting go of it. Only ever a note: whoever may decide decides."""

import datetime as dt
from collections.abc import Iterable

from django.db import transaction

from approvals.access import access_review, voted, waiting_for
from approvals.models import Claim, Review, Slot
from approvals.policies.slots import SlotSpec, keep_secrets
from approvals.settle import announce
from approvals.versions import has_secrets
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Conflict, Forbidden

LASTS = dt.timedelta(minutes=30)
SOMEBODY = "somebody"  # where votes are secret


def claims_on(reviews: Iterable[str]) -> list[Claim]:
    """Those that stand, the oldest first. A vote ends none: whoever saw one vanish would know who has voted."""
    standing = Claim.objects.filter(review__in=list(reviews), released_at=None, at__gt=now() - LASTS)
    return list(standing.filter(review__state="open").select_related("person").order_by("at", "id"))


def said_of_claims(reviews: Iterable[str]) -> dict[str, str]:
    """By review, for the queue: who is on it, or that somebody is where votes are secret."""
    standing = claims_on(reviews)
    if not standing:
        return {}
    asks: dict[str, list[SlotSpec]] = {one.review_id: [] for one in standing}
    for slot in Slot.objects.filter(review__in=asks):
        asks[slot.review_id].append(slot.asks)
    names = {pk: [one.person.name for one in standing if one.review_id == pk] for pk in asks}
    return {pk: SOMEBODY if keep_secrets(asks[pk]) else ", ".join(names[pk]) for pk in asks}


def is_secret(review: Review) -> bool:
    return has_secrets(review, [slot.asks for slot in review.slots.all()])


@transaction.atomic
def claim_review(review_id: str, *, actor: Actor) -> Claim:
    """Whoever is on it already stays so, since when they were. Raises Conflict for what does not wait for them."""
    review = _review(review_id, actor)
    if not may_claim(review, actor, secret=is_secret(review)):
        raise Conflict("It does not wait for you.")
    if (own := _own(review, actor)) is not None:
        return own
    claim = Claim.objects.create(review=review, person_id=actor.id, at=now())
    record(Kind.CLAIM_MADE, subject=claim.pk, actor=actor, detail={"review": review.pk}, **review.audit_context())
    announce(review.action)
    return claim


@transaction.atomic
def release_review(review_id: str, *, actor: Actor) -> None:
    """Not where votes are secret: there it goes by itself, whether one has voted or not."""
    review = _review(review_id, actor)
    claim = _own(review, actor)
    if claim is None:
        raise Conflict("You are not on it.")
    if is_secret(review):
        raise Conflict("It goes by itself: letting go of it could tell that you have decided.")
    Claim.objects.filter(pk=claim.pk).update(released_at=now())
    record(Kind.CLAIM_RELEASED, subject=claim.pk, actor=actor, detail={"review": review.pk}, **review.audit_context())
    announce(review.action)


def may_claim(review: Review, actor: Actor, *, secret: bool) -> bool:
    """Where votes are secret also whoever has voted: a claim must not tell that they have not."""
    if waiting_for(actor).filter(pk=review.pk).exists():
        return True
    return secret and Review.objects.filter(voted([actor.id]), pk=review.pk).exists()


def _review(review_id: str, actor: Actor) -> Review:
    if not actor.interactive:
        raise Forbidden("Only people signed in with a browser do this.")
    actor.require(Role.REVIEWER)
    return access_review(actor, review_id)


def _own(review: Review, actor: Actor) -> Claim | None:
    return next((one for one in claims_on([review.pk]) if one.person_id == actor.id), None)
