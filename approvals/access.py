"""Loading on behalf of an actor: other teams' rows do not exist, and neither do reviews that are not one's business."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from approvals.models import Review, Slot
from console.core.actor import Actor, Role
from console.core.errors import NotFound


def visible_reviews(actor: Actor) -> QuerySet[Review]:
    """Admins, auditors and operators read all of the team; a reviewer those that ask a group of theirs."""
    reviews = Review.objects.filter(team=actor.team)
    if actor.has(Role.ADMIN, Role.AUDITOR, Role.OPERATOR):
        return reviews
    if actor.has(Role.REVIEWER):
        asked = Slot.objects.filter(review=OuterRef("pk"), group__in=actor.groups)
        return reviews.filter(Exists(asked))
    return reviews.none()


def waiting_for(actor: Actor) -> QuerySet[Review]:
    """Open reviews that this person could sign now: of a group of theirs, and not of their own making."""
    if not actor.has(Role.REVIEWER):
        return Review.objects.none()
    asked = Slot.objects.filter(review=OuterRef("pk"), group__in=actor.groups)
    own = Q(action__makers__contains=[actor.id]) | Q(decisions__reviewer=actor.id)
    return Review.objects.filter(Exists(asked), team=actor.team, state="open").exclude(own)


def access_review(actor: Actor, review_id: str) -> Review:
    related = ("action__operation__integration", "action__grant")
    review = visible_reviews(actor).select_related(*related).filter(pk=review_id).first()
    if review is None:
        raise NotFound("There is no such review, or it is not yours to see.")
    return review
