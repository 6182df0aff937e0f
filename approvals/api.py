"""Reviews for programs: to watch and to collect. Nothing here decides; only a person in a browser session does."""

from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from ninja import Field, Query, Router, Schema

from approvals.access import access_review, visible_reviews
from approvals.care.drills import open_drills, review_of, ruling_of
from approvals.digests import manifested
from approvals.models import Action, Decision, Drill, Review, Ruling
from approvals.versions import is_asked_anew
from console.core.actor import Role
from console.core.keyset import merged, newest_first
from console.core.web import Request
from console.core.wire import Listed, Moment, Money, Wanted, answers

router = Router(tags=["reviews"])
READERS = (Role.REVIEWER, Role.OPERATOR, Role.ADMIN, Role.AUDITOR)
RELATED = ("action__operation__integration",)


class ReviewFilter(Wanted):
    state: Literal["open", "approved", "refused", "expired", "withdrawn", "superseded"] | None = Field(None)


class OperationOut(Schema):
    integration: str
    name: str
    effect: Literal["read", "write", "destructive"]
    categories: list[str]


class ReviewOut(Schema):
    """`kind` is `action` (may it be done?) or `doubt` (has it happened?)."""

    id: str
    kind: str
    state: str
    sentence: str
    amount: Money | None
    operation: OperationOut
    action: str
    run: str
    opened_at: Moment
    expires_at: Moment
    closed_at: Moment | None


class Fact(Schema):
    """What we decoded ourselves. With format `money` the values are whole minor units of `currency`; `undecoded`
    marks a part of the arguments that neither a fact nor a schema explains; `by` is `schema` for what no fact shows.
    `name` is what the other side calls whom an identity names."""

    label: str
    was: Any = None
    becomes: Any = None
    format: str
    currency: str | None = None
    name: str | None = None
    critical: bool = False
    by: str | None = None


class WayOut(Schema):
    """`after_minutes` is since the opening of the review."""

    group: str
    count: int
    after_minutes: int


class SlotOut(Schema):
    """Filled in any one of its ways. All slots of a review have to be. `authenticators` are the models (AAGUID) that
    may sign, any where there are none; `proofed` asks for people whose identity was seen."""

    ways: list[WayOut]
    refusals: int
    blind: bool
    signature: Literal["password", "passkey", "device"]
    authenticators: list[str] = Field(default_factory=list)
    proofed: bool = False


class RulingOut(Schema):
    outcome: str
    rule: str
    reasons: list[str]


class DecisionOut(Schema):
    """`name` and `meaning` are as they were signed."""

    id: str
    reviewer: str
    name: str
    meaning: str
    verdict: Literal["approve", "refuse", "recuse", "change"]
    level: Literal["passkey", "password", "session"]
    reason: str
    on_behalf_of: str | None
    decided_at: Moment


class RequestOut(Schema):
    """What a person wanted. `by` is whose words these are: a person's who started the run, or the agent's."""

    by: Literal["person", "agent"]
    text: str


class ContextOut(Schema):
    """What the action stands in, as of the moment at which people were asked. `within` is what `actions` (of them
    `writes`), `operations` (how often each) and `data` are about: its run, or what its agent did within a day.
    `data` and `untrusted` are null where an answer that was read is not described; `environment` is empty where nobody
    has named it. `distance`, from 0 to 100, is how far the operation is, in meaning, from what a person asked for: a
    hint, and null where no person did or it is not known."""

    on_behalf_of: str
    environment: str
    within: Literal["run", "day"]
    actions: int
    writes: int
    operations: dict[str, int]
    data: list[str] | None
    untrusted: bool | None
    distance: int | None = None
    request: RequestOut | None = None


class ReviewDetail(ReviewOut):
    """`says` was written by the agent and is not to be trusted. `decisions` stay empty while the review is open, or the
    one that superseded it: reviewers vote without knowing each other's votes. Digests are hex."""

    action_state: str
    facts: list[Fact]
    says: str
    context: ContextOut | None
    requirement: list[SlotOut]
    ruling: RulingOut | None
    decisions: list[DecisionOut]
    request_digest: str
    action_digest: str


@router.get("/reviews", response=answers(Listed[ReviewOut]), operation_id="list_reviews")
def list_reviews(request: Request, wanted: Annotated[ReviewFilter, Query()]) -> dict[str, object]:
    """Reviewers see those that ask a group of theirs; operators, admins and auditors all of the team."""
    request.actor.require(*READERS)
    reviews: QuerySet[Review] = visible_reviews(request.actor).select_related(*RELATED)
    reviews = reviews.filter(state=wanted.state) if wanted.state else reviews
    page = newest_first(reviews, by="opened_at", after=wanted.after, size=wanted.limit)
    if wanted.state in (None, "open"):
        drills = newest_first(open_drills(request.actor), by="opened_at", after=wanted.after, size=wanted.limit)
        page = merged(page, drills, by="opened_at", size=wanted.limit)
    rows = [review_of(row) if isinstance(row, Drill) else row for row in page.items]
    return {"items": [_brief(review) for review in rows], "next": page.next or None}


@router.get("/reviews/{review_id}", response=answers(ReviewDetail), operation_id="get_review")
def get_review(request: Request, review_id: str) -> dict[str, object]:
    request.actor.require(*READERS)
    if drill := open_drills(request.actor).filter(pk=review_id).first():
        return _detail(review_of(drill), drill.shown["requirement"]["slots"], ruling_of(drill))
    review = access_review(request.actor, review_id)
    slots = list(review.slots.order_by("position").values_list("spec", flat=True))
    return _detail(review, slots, review.action.rulings.first())


def _detail(review: Review, slots: list[Any], ruling: Ruling | None) -> dict[str, object]:
    action = review.action
    decisions = review.decisions.select_related("reviewer") if _are_told(review) else ()
    return {
        **_brief(review),
        "action_state": action.state,
        "facts": action.facts,
        "says": action.says,
        "context": action.context or None,
        "requirement": slots,
        "ruling": _ruling(ruling),
        "decisions": [_decision(one) for one in decisions],
        "request_digest": bytes(action.request_digest or b"").hex(),
        "action_digest": bytes(action.action_digest or b"").hex(),
    }


def _are_told(review: Review) -> bool:
    return review.state != "open" and not is_asked_anew(review)


def _brief(review: Review) -> dict[str, object]:
    action = review.action
    return {
        "id": review.id, "kind": review.kind, "state": review.state, "sentence": action.sentence,
        "amount": _amount(action), "operation": _operation(action), "action": action.id, "run": action.run,
        "opened_at": review.opened_at, "expires_at": review.expires_at, "closed_at": review.closed_at,
    }  # fmt: skip


def _amount(action: Action) -> dict[str, object] | None:
    return {"minor": action.amount_minor, "currency": action.currency} if action.amount_minor is not None else None


def _operation(action: Action) -> dict[str, object]:
    operation = action.operation
    return {"integration": operation.integration.slug, "name": operation.slug, "effect": operation.effect,
            "categories": operation.categories}  # fmt: skip


def _ruling(ruling: Ruling | None) -> dict[str, object] | None:
    return {"outcome": ruling.outcome, "rule": ruling.rule, "reasons": ruling.reasons} if ruling else None


def _decision(decision: Decision) -> dict[str, object]:
    """Without the signed bytes and the nonce: who verifies a signature does so from the record, not from here."""
    name, meaning = manifested(decision)
    return {"id": decision.id, "reviewer": decision.reviewer_id, "name": name, "meaning": meaning,
            "verdict": decision.verdict, "level": decision.level, "reason": decision.reason,
            "on_behalf_of": decision.on_behalf_of_id, "decided_at": decision.decided_at}  # fmt: skip
