"""What a sheet shows of working on it together: who is on it, what was said, and who could sign."""

from collections.abc import Sequence
from dataclasses import dataclass

from approvals.care.drills import own_claim
from approvals.claims import claims_on, may_claim
from approvals.comments import READING, comments_on
from approvals.models import Claim, Comment, Drill, Review
from approvals.seats import Seat
from approvals.signers import Signer, Signers, in_fair_order, signers_of
from approvals.versions import has_secrets
from console.core.actor import Actor, Role


@dataclass(frozen=True, slots=True)
class Together:
    """`claims` are of others, none of them named where `secret`; `own` is the reader's."""

    claims: Sequence[Claim]
    own: Claim | None
    secret: bool
    may_claim: bool
    may_comment: bool
    comments: Sequence[Comment]
    signers: Sequence[Signers]  # while it is open
    others: Sequence[Signer]  # whom the reader may ask to look

    @property
    def release(self) -> bool:
        return self.own is not None and not self.secret

    @property
    def unresolved(self) -> int:
        return sum(not one.resolved for one in self.comments)  # type: ignore[attr-defined]  # annotated


def read_together(actor: Actor, review: Review, seats: Sequence[Seat], *, drill: Drill | None = None) -> Together:
    """A `drill` looks as if it waited for the reader."""
    secret = has_secrets(review, [seat.asks for seat in seats])
    claims = claims_on([review.pk]) if review.state == "open" else []
    own = own_claim(drill) if drill else next((one for one in claims if one.person_id == actor.id), None)
    reviewer = actor.interactive and actor.has(Role.REVIEWER) and review.state == "open"
    signers = signers_of(review, seats) if review.state == "open" and actor.has(*READING) else []
    may_comment = reviewer and actor.id not in review.action.makers
    return Together(
        claims=[one for one in claims if one is not own],
        own=own,
        secret=secret,
        may_claim=reviewer and own is None and (drill is not None or may_claim(review, actor, secret=secret)),
        may_comment=may_comment,
        comments=list(comments_on(review, actor, secret=secret)),
        signers=signers,
        others=_others(signers, actor) if may_comment else (),
    )


def _others(signers: Sequence[Signers], actor: Actor) -> list[Signer]:
    people = {one.id: one for slot in signers for one in slot.people if one.id != actor.id}
    return in_fair_order(people.values())
