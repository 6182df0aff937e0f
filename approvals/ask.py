"""Asking people: a review with its slots, and the groups that are asked from now on."""

import datetime as dt
from collections.abc import Collection, Iterable

from django.db import transaction

from approvals.digests import evidence_digest, render_digest
from approvals.models import Action, Review, Slot, SlotGroup
from approvals.policies.slots import Requirement, SlotSpec
from approvals.settle import announce, lock_action
from audit.move import begin
from audit.record import record
from audit.vocabulary import Kind
from console.core.actor import Actor
from console.core.clock import now
from console.core.statements import Statement, run
from console.notices.tell import telling


def ask_people(action: Action, kind: str, requirement: Requirement, policy: bytes, actor: Actor) -> Review:
    """Inside the caller's transaction, which holds the lock on the action. `policy` is the digest of what asked."""
    at = now()
    review = Review(
        team_id=action.team_id,
        action=action,
        kind=kind,
        policy_digest=policy,
        evidence_digest=evidence_digest(action),
        render_digest=render_digest(action),
        opened_at=at,
        expires_at=at + requirement.expires,
        escalates_at=next_escalation(requirement.slots, at, dt.timedelta()),
    )
    stored = requirement.document["slots"]
    first = {way.group for slot in requirement.slots for way in slot.ways if not way.after}
    begin(review, actor=actor, detail={"of": action.id, "kind": kind, "slots": stored},
          also=[telling_of(review, first, at)])  # fmt: skip
    slots = [Slot(review=review, position=number, spec=spec) for number, spec in enumerate(stored)]
    Slot.objects.bulk_create(slots)
    _ask_groups(review, slots, dt.timedelta())
    announce(action)
    return review


@transaction.atomic
def escalate(review_id: str, *, actor: Actor) -> None:
    """Ask those whose time has come, beside those who were asked before."""
    action = lock_action(Review.objects.values_list("action", flat=True).get(pk=review_id))
    review, at = Review.objects.select_for_update().get(pk=review_id), now()
    if review.state != "open" or review.escalates_at is None or review.escalates_at > at:
        return
    review.action, slots, since = action, list(review.slots.all()), at - review.opened_at
    before = set(review.asked.values_list("group", flat=True))
    _ask_groups(review, slots, since)
    review.escalates_at = next_escalation([slot.asks for slot in slots], review.opened_at, since)
    review.save(update_fields=["escalates_at"])
    added = sorted(set(review.asked.values_list("group", flat=True)) - before)
    record(Kind.REVIEW_ESCALATED, subject=review.id, actor=actor, detail={"of": action.id, "groups": added},
           **review.audit_context())  # fmt: skip
    run(telling_of(review, added, at))
    announce(action)


def next_escalation(slots: Iterable[SlotSpec], opened: dt.datetime, since: dt.timedelta) -> dt.datetime | None:
    later = [after for slot in slots for after in slot.asks_later(since)]
    return opened + min(later) if later else None


def telling_of(review: Review, groups: Collection[str], at: dt.datetime, people: Collection[str] = ()) -> Statement:
    """Titles and moments: what the action does to whom is for those alone who open the review."""
    operation = review.action.operation
    return telling(
        review.team_id, review.id, kind=review.kind, integration=operation.integration.title,
        operation=operation.title, categories=operation.categories, groups=groups, makers=review.action.barred, at=at,
        due_at=None if review.kind == "doubt" else review.expires_at, people=people,
    )  # fmt: skip


def _ask_groups(review: Review, slots: list[Slot], since: dt.timedelta) -> None:
    """Of each slot those whose time has come. Whoever was asked before stays asked."""
    asked = [
        SlotGroup(review=review, slot=slot, group=group)
        for slot in slots
        for group in sorted({way.group for way in slot.asks.ways if way.after <= since})
    ]
    SlotGroup.objects.bulk_create(asked, ignore_conflicts=True)
