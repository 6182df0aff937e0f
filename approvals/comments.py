"""What those who sign say of a review to one another. It blocks nothing, and never tells of a vote."""

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from approvals.access import access_review
from approvals.claims import is_secret
from approvals.models import Comment, CommentResolution, Review
from approvals.settle import announce
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor, Role
from console.core.errors import Conflict, Forbidden, Invalid, NotFound

READING = (Role.REVIEWER, Role.ADMIN, Role.AUDITOR)
LONGEST = 2_000
MOST = 50  # of one person on one review


def comments_on(review: Review, actor: Actor, *, secret: bool) -> QuerySet[Comment]:
    """With whether each is resolved. Nothing for whoever is behind the action; one's own alone while there may be votes
    that are secret, as what somebody says, and when, would tell of theirs."""
    if not actor.has(*READING) or actor.id in review.action.makers:
        return Comment.objects.none()
    newest = CommentResolution.objects.filter(comment=OuterRef("pk")).order_by("-pk")
    found = Comment.objects.filter(review=review).select_related("author")
    found = found.annotate(resolved=Subquery(newest.values("resolved")[:1]), by=Subquery(newest.values("by__name")[:1]))
    return (found.filter(author=actor.id) if secret else found).order_by("at", "id")


@transaction.atomic
def add_comment(review_id: str, text: str, *, actor: Actor) -> Comment:
    review = _review(review_id, actor)
    said = text.strip()
    if not said or len(said) > LONGEST:
        raise Invalid(f"Say something, in at most {LONGEST:,} characters.", code="comment_needed")
    if review.state != "open":
        raise Conflict(f"This review is already {review.state}.")
    if Comment.objects.filter(review=review, author=actor.id).count() >= MOST:
        raise Conflict(f"At most {MOST} comments of one person.")
    comment = Comment.objects.create(review=review, author_id=actor.id, text=said)
    record(Kind.COMMENT_MADE, subject=comment.pk, actor=actor, detail={"review": review.pk},
           personal={"text": said, "name": actor.name}, **review.audit_context())  # fmt: skip
    _tell(review)
    return comment


@transaction.atomic
def resolve_comment(comment_id: str, *, resolved: bool, actor: Actor) -> Comment:
    """By anybody who may write here and reads it."""
    review = _review(comment_review(comment_id), actor)
    comment = comments_on(review, actor, secret=is_secret(review)).filter(pk=comment_id).first()
    if comment is None:
        raise NotFound("There is no such comment.")
    if bool(comment.resolved) == resolved:  # type: ignore[attr-defined]  # annotated
        raise Conflict("It is so already.")
    CommentResolution.objects.create(comment=comment, by_id=actor.id, resolved=resolved)
    kind = Kind.COMMENT_RESOLVED if resolved else Kind.COMMENT_REOPENED
    record(kind, subject=comment.pk, actor=actor, detail={"review": review.pk}, **review.audit_context())
    _tell(review)
    return comment


def comment_review(comment_id: str) -> str:
    """Which review it is of, for whoever goes on to load that."""
    found = Comment.objects.filter(pk=comment_id).values_list("review", flat=True).first()
    if found is None:
        raise NotFound("There is no such comment.")
    return found


def _tell(review: Review) -> None:
    """Pages that would show nothing new are not woken: that alone would tell that somebody is at it."""
    if not is_secret(review):
        announce(review.action)


def _review(review_id: str, actor: Actor) -> Review:
    if not actor.interactive:
        raise Forbidden("Only people signed in with a browser do this.")
    actor.require(Role.REVIEWER)
    review = access_review(actor, review_id)
    if actor.id in review.action.makers:
        raise Forbidden("You started this, so you have no part in how it is decided.", code="own_request")
    return review
