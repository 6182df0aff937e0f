"""Asking one of those who could sign a review to look at it. They are told once, by a notice like others."""

from django.db import transaction

from approvals.access import access_review
from approvals.ask import telling_of
from approvals.models import Review
from approvals.seats import asked_groups, seats_of
from approvals.signers import everybody
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid
from console.core.statements import run
from console.notices.models import Event

MOST = 5  # people on one review: whoever asks everybody asks nobody


@transaction.atomic
def suggest_reviewer(review_id: str, person: str, *, actor: Actor) -> None:
    """Whether they have voted is not looked at, and not told: who has gets no letter."""
    if not actor.interactive:
        raise Forbidden("Only people signed in with a browser do this.")
    actor.require(Role.REVIEWER)
    review = access_review(actor, review_id)
    Review.objects.select_for_update(of=("self",)).get(pk=review.pk)  # two who ask the last one at once
    _check(review, person, actor)
    groups = asked_groups(seats_of(review))
    record(Kind.REVIEW_SUGGESTED, subject=review.pk, actor=actor, detail={"of": review.action_id, "person": person},
           **review.audit_context())  # fmt: skip
    run(telling_of(review, groups, now(), [person]))


def _check(review: Review, person: str, actor: Actor) -> None:
    if actor.id in review.action.barred:
        raise Forbidden("You started this, so you have no part in how it is decided.", code="own_request")
    if review.state != "open":
        raise Conflict(f"This review is already {review.state}.")
    if person == actor.id or person not in {one.id for one in everybody(review, seats_of(review))}:
        raise Invalid("Choose somebody else who could sign it.")
    told = Event.objects.filter(review=review.pk).exclude(people=[])
    if told.filter(people__contains=[person]).exists():
        raise Conflict("They have been asked to look already.")
    if told.count() >= MOST:
        raise Conflict(f"At most {MOST} people are asked to look at one review.")
