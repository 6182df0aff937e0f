"""Loading on behalf of an actor: other teams' rows do not exist, and neither do reviews that are not one's business."""

from collections.abc import Collection, Iterator, Sequence

from django.contrib.postgres.fields import ArrayField
from django.db.models import Exists, F, Func, OuterRef, Q, QuerySet, TextField

from approvals.care.asks import required
from approvals.care.breaks import most_an_hour
from approvals.halted import halted
from approvals.models import Action, Decision, Review, SlotGroup
from approvals.voters import Standin, standins_of
from console.core.actor import Actor, Role
from console.core.compiled import Compiled
from console.core.errors import Forbidden, NotFound

# Columns of an action that signing it does not read.
UNSIGNED = ("arguments", "reads", "says", "attestation", "outcome", "created_at", "settled_at", "parent_span_id")
OTHER_GROUP = "This review asks another group."
READING = (Role.ADMIN, Role.AUDITOR, Role.OPERATOR)


def visible_reviews(actor: Actor, standins: Sequence[Standin] | None = None) -> QuerySet[Review]:
    """Admins, auditors and operators read all of the team; a reviewer those that ask a group of theirs, and those that
    they may sign in another's place. `standins` are theirs, where they are known already."""
    if actor.has(*READING):
        return _of_team(actor.team)
    if actor.has(Role.REVIEWER):
        return _of_team(actor.team).filter(asking(actor, standins_of(actor) if standins is None else standins))
    return Review.objects.none()


def _of_team(team: str) -> QuerySet[Review]:
    return Review.objects.filter(team=team)


def _asks(groups: Collection[str]) -> Exists:
    return Exists(SlotGroup.objects.filter(review=OuterRef("pk"), group__in=groups))


def asking(actor: Actor, standins: Sequence[Standin]) -> Q:
    """Reviews that ask a group of theirs, or of somebody in whose place they may sign."""
    wanted = Q(_asks(actor.groups))
    for one in standins:
        wanted |= _covered(one)
    return wanted


def _covered(one: Standin) -> Q:
    """As `standing_in.Given.covers` says it, with a group of the delegator's asked."""
    given = one.delegation
    covered = Q(_asks(one.groups)) & ~_barred(given.delegator_id, given.delegate_id)
    if given.at_most is not None:
        covered &= Q(action__amount_minor__range=(0, given.at_most), action__currency=given.currency)
    if given.categories:
        named = Q(action__operation__categories__contained_by=given.categories)
        covered &= named & ~Q(action__operation__categories=[])
    return covered


def _barred(*people: str) -> Q:
    """One of them is among those who may not sign it."""
    return Q(action__makers__overlap=people) | Q(action__editors__overlap=people)


def waiting_for(actor: Actor, standins: Sequence[Standin] | None = None) -> QuerySet[Review]:
    """Open reviews that still ask a group of theirs, or of whom they stand in for, and are not of their own making."""
    if not actor.has(Role.REVIEWER):
        return Review.objects.none()
    waits = waits_for(actor, standins_of(actor) if standins is None else standins)
    return Review.objects.filter(waits, team=actor.team, state="open")


def waits_for(actor: Actor, standins: Sequence[Standin]) -> Q:
    """The same, of the open reviews of a team of which they are a reviewer."""
    wanted = Q(_still_asks(actor.groups))
    for one in _instead(actor, standins):
        wanted |= one
    return wanted & ~(_barred(actor.id) | voted([actor.id]))


def _instead(actor: Actor, standins: Sequence[Standin]) -> list[Q]:
    """Of each of them what is decided in their place, as `standing_in.choose` chooses: not what asks the actor
    themself, nor what an earlier one covers."""
    waiting, taken = [], Q(_asks(actor.groups))
    for one in standins:
        open_to_them = Q(_still_asks(one.groups)) & ~voted([one.delegation.delegator_id])
        waiting.append(_covered(one) & ~taken & open_to_them)
        taken |= _covered(one)
    return waiting


def _still_asks(groups: Collection[str]) -> Exists:
    asked = SlotGroup.objects.filter(review=OuterRef("pk"), group__in=groups)
    itself = Func(F("slot_id"), template="ARRAY[%(expressions)s]", output_field=ArrayField(TextField()))
    return Exists(asked.exclude(review__filled__contains=itself))


def voted(people: Collection[str]) -> Q:
    """One of them has a vote there, by themself or by another."""
    theirs = Decision.objects.filter(review=OuterRef("pk"))
    return Q(Exists(theirs.filter(Q(reviewer__in=people) | Q(on_behalf_of__in=people))))


def visible_actions(actor: Actor) -> QuerySet[Action]:
    """As reviews: who may read all of the team, and reviewers what their groups were asked about."""
    if actor.has(*READING):
        return Action.objects.filter(team=actor.team)
    asked = visible_reviews(actor).filter(action=OuterRef("pk"))
    return Action.objects.filter(Exists(asked), team=actor.team)


def access_review(actor: Actor, review_id: str) -> Review:
    """Nobody but whom it does not ask themself is asked in whose place they may sign."""
    review = None if actor.has(*READING) or not actor.has(Role.REVIEWER) else _load(asked_themself(actor), review_id)
    review = review or _load(visible_reviews(actor), review_id)
    if review is None:
        raise NotFound("There is no such review, or it is not yours to see.")
    return review


def _load(reviews: QuerySet[Review], review_id: str) -> Review | None:
    return with_all(reviews).filter(pk=review_id).first()


def with_all(reviews: QuerySet[Review]) -> QuerySet[Review]:
    """That deciding asks of a review and its action."""
    related = ("action__operation__integration", "action__grant", "action__reverses__operation")
    annotated = {"halted": halted("action__"), "required": required(), "most_an_hour": most_an_hour()}
    return reviews.select_related(*related).annotate(**annotated)


def asked_themself(actor: Actor) -> QuerySet[Review]:
    return _of_team(actor.team).filter(_asks(actor.groups))


def access_review_locked(actor: Actor, review_id: str) -> Review:
    """To vote on, in a transaction: with its action, which is locked first, as everywhere."""
    for groups in _groups_to_vote_with(actor):
        for review in _LOCKED(actor.team, sorted(groups), review_id) if groups else ():
            return review
    access_review(actor, review_id)
    raise Forbidden(OTHER_GROUP, code="not_your_group")


def _groups_to_vote_with(actor: Actor) -> Iterator[frozenset[str]]:
    """Their own first, as for nearly all that is the end of it. Whether a delegation covers it is asked under the
    lock."""
    if actor.has(Role.REVIEWER):
        yield actor.groups
        yield frozenset().union(*(one.groups for one in standins_of(actor)))


_LOCKED = Compiled(
    lambda team, groups, review: (
        Review.objects.filter(_asks(groups), pk=review, team=team)
        .select_related("action")
        .annotate(halted=halted("action__"), required=required(), most_an_hour=most_an_hour())
        .select_for_update(of=("action", "self"))
        .defer(*(f"action__{name}" for name in UNSIGNED))
    )
)
