"""What a reviewer does before approving, where the policy asks for it: opening evidence, and stating facts."""

import datetime as dt

from django.db import transaction

from approvals.access import access_review
from approvals.care.asks import asks_of, titles
from approvals.care.statements import is_amount, is_counterparty
from approvals.models import Action, Look, Review
from approvals.seats import seats_of
from approvals.signoff import check_may_decide
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import Invalid

TRIES = 3
PAUSE = dt.timedelta(minutes=5)


@transaction.atomic
def open_evidence(review_id: str, title: str, *, actor: Actor) -> None:
    """Raises Invalid for what nobody has to open, or did not come."""
    review = _access(review_id, actor)
    if title not in asks_of(review).evidence or title not in titles(review.action):
        raise Invalid("There is no such evidence to open.")
    look = _locked(review, actor)
    if title not in look.opened:
        look.opened = [*look.opened, title]
        look.save(update_fields=["opened"])
        _record(Kind.EVIDENCE_OPENED, review, actor, title=title)


@transaction.atomic
def state_fact(review_id: str, name: str, said: str, *, actor: Actor) -> bool:
    """Whether it is what was decoded. What is not is kept count of: raises Invalid while there is a pause."""
    review = _access(review_id, actor)
    if name not in asks_of(review).states:
        raise Invalid("That does not have to be stated.")
    look = _locked(review, actor)
    if look.pause_until and look.pause_until > now():
        raise Invalid("Take a pause, and read it anew. Refusing needs no statement.", code="paused")
    matches = _matches(name, said, review.action)
    if matches and name not in look.stated:
        look.stated = [*look.stated, name]
        _record(Kind.FACT_STATED, review, actor, fact=name)
    elif not matches:
        look.missed += 1
        look.pause_until = now() + PAUSE if look.missed % TRIES == 0 else None
        _record(Kind.FACT_MISSTATED, review, actor, fact=name, times=look.missed)
    look.save(update_fields=["stated", "missed", "pause_until"])
    return matches


def _access(review_id: str, actor: Actor) -> Review:
    review = access_review(actor, review_id)
    check_may_decide(review, seats_of(review), actor, "approve", "")
    return review


def _locked(review: Review, actor: Actor) -> Look:
    Look.objects.bulk_create([Look(review=review, reviewer_id=actor.id)], ignore_conflicts=True)
    return Look.objects.select_for_update().get(review=review, reviewer=actor.id)


def _matches(name: str, said: str, action: Action) -> bool:
    if name == "amount":
        return action.amount_minor is not None and is_amount(said, action.amount_minor, action.currency)
    return bool(action.counterparty) and is_counterparty(said, action.counterparty)


def _record(kind: Kind, review: Review, actor: Actor, **detail: object) -> None:
    record(kind, subject=review.id, actor=actor, detail=detail, **review.audit_context())
