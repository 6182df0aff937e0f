"""What a review's sheet tells. Loading goes through `access`; the number of queries never follows the rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from approvals import sheet
from approvals.access import access_review
from approvals.alike import look_alikes
from approvals.around import Around, around, told_by_agent
from approvals.before import last_like
from approvals.bulk import has_alike
from approvals.care.before import Before, before_of
from approvals.care.breaks import break_needed
from approvals.care.drills import open_drills, review_of, ruling_of, seats_of_drill
from approvals.change_form import Field, fields_of
from approvals.digests import MEANINGS, manifested
from approvals.dossier import READERS
from approvals.forms import Folded, folded
from approvals.known import Known, known_of
from approvals.lines import Line, lines, marked
from approvals.models import Action, Decision, Delegation, Drill, PolicyVersion, Review, Ruling
from approvals.policies.slots import keep_secrets
from approvals.queue import Item
from approvals.revise import why_unchangeable
from approvals.seats import Seat, seats_of
from approvals.signoff import check_may_decide
from approvals.together import Together, read_together
from approvals.too_few import too_few
from approvals.versions import has_secrets, newer_than, vote_before
from audit.models import Record
from audit.vocabulary import Kind
from console.accounts.models import Passkey, User
from console.core.actor import Actor
from console.core.errors import NotFound, Refusal
from integrations.grantees import PEOPLE
from integrations.permission import is_agents_own

MOST_SAID = 600  # characters of an agent's words that stand there at once
PRESETS = ("Not a mistake", "Wrong amount", "Wrong recipient", "Needs more evidence")


@dataclass(frozen=True, slots=True)
class Rights:
    """May this person decide here, and how. `why_not` is said to those who may not."""

    may: bool
    why_not: str = ""
    code: str = ""
    has_passkey: bool = False
    signature: str = "passkey"
    delegation: Delegation | None = None  # by which they would sign in another's place

    @property
    def by_password(self) -> bool:
        return self.signature == "password"


@dataclass(frozen=True, slots=True)
class Vote:
    """A decision, and what it says of itself: the name is that of then."""

    decision: Decision
    name: str
    meaning: str

    @property
    def by(self) -> str:
        other = self.decision.on_behalf_of
        return f"{self.name} for {other.name}" if other else self.name


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything on one review's sheet."""

    review: Review
    rights: Rights
    seats: Sequence[Seat]
    votes: Sequence[Vote]
    ruling: Ruling | None
    policy: PolicyVersion | None
    requester: str
    workflow: str
    version: int | None
    item: Item
    dossier: bool = False
    lines: Sequence[Line] = field(default_factory=tuple)
    points: Sequence[sheet.Point] = field(default_factory=tuple)
    evidence: Sequence[sheet.Evidence] = field(default_factory=tuple)
    known: Known | None = None  # of a call in doubt
    last: Action | None = None  # the one before, of the same kind
    change_fields: Sequence[Field] = field(default_factory=tuple)
    newer: str = ""  # the review that asks about what it has become, of one that is superseded
    together: Together | None = None
    before: Before | None = None  # what the policy wants done before they approve
    pause: str = ""  # why they approve nothing for now
    has_alike: bool = False  # others of its kind wait for them too
    training: bool = False

    @property
    def action(self) -> Action:
        return self.review.action

    @property
    def by_agent(self) -> bool:
        """Whether it is permitted, and not done by us."""
        return is_agents_own(self.action.operation.integration)

    @property
    def hides_votes(self) -> bool:
        """Others vote, or have, and nobody is told."""
        return self.review.state == "open" and keep_secrets([seat.asks for seat in self.seats])

    @property
    def by_people(self) -> bool:
        """Somebody asked for it on a page; no agent and no workflow did."""
        return self.action.grantee == PEOPLE

    @property
    def title(self) -> str:
        return sheet.spelled(self.action.sentence)

    @property
    def around(self) -> Sequence[Around]:
        return around(self.action.context, self.requester)

    @property
    def told_by_agent(self) -> str:
        return told_by_agent(self.action.context)

    @property
    def said(self) -> Folded:
        """Of the agent's words as much as may stand there at once."""
        return folded(self.action.says, MOST_SAID)

    @property
    def said_words(self) -> int:
        return len(self.action.says.split())

    @property
    def presets(self) -> tuple[str, ...]:
        return PRESETS

    @property
    def meanings(self) -> dict[str, str]:
        return {
            verdict: MEANINGS[(self.review.kind, verdict)]
            for verdict in ("approve", "refuse", "recuse", "change")
            if (self.review.kind, verdict) in MEANINGS
        }


def read_sheet(actor: Actor, review_id: str, typed: Mapping[str, str] | None = None) -> Sheet:
    """`typed` is what somebody has written already, where it could not be taken."""
    review, drill = _review_or_drill(actor, review_id)
    action = review.action
    seats = seats_of_drill(drill, review) if drill else seats_of(review)
    decisions = [] if drill else list(review.decisions.select_related("reviewer", "on_behalf_of"))
    ruling = ruling_of(drill) if drill else action.rulings.select_related("version").first()
    rights = rights_of(actor, review, seats, decisions)
    shown = [] if rights.may else votes_of(actor, review, seats, decisions)
    makers = User.objects.filter(pk__in=action.makers[:1])
    requester = makers.values_list("name", flat=True).first() or ""
    last, alike = last_like(action), look_alikes(action)
    revisions = action.revisions.select_related("editor", "decision").order_by("number") if action.editors else ()
    before = before_of(review, actor) if rights.may else None
    return Sheet(
        review=review,
        rights=rights,
        seats=seats,
        votes=[Vote(one, *manifested(one)) for one in shown],
        ruling=ruling,
        policy=ruling.version if ruling else None,
        requester=requester,
        workflow=Item(review, requester).who,
        version=_version(action),
        item=Item(review, requester),
        dossier=action.settled and actor.has(*READERS),
        lines=marked(lines(action.facts, last.facts if last else ()), alike),
        last=last,
        points=[
            *sheet.points(
                action, ruling, [seat.asks for seat in seats], review.expires_at - review.opened_at, list(revisions)
            ),
            *vote_before(actor, review),
            *sheet.alike_points(alike),
            *sheet.lacking(too_few(review, ruling, seats[0].asks if seats else None)),
        ],
        evidence=sheet.evidence(before.readable(action.evidence) if before else action.evidence),
        before=before,
        training=bool(drill and drill.training),
        pause=break_needed(review, actor.id) if rights.may else "",
        has_alike=rights.may and has_alike(actor, review, seats),
        known=known_of(action) if review.kind == "doubt" else None,
        change_fields=_change_fields(review, rights, typed or {}),
        newer=newer_than(actor, review),
        together=read_together(actor, review, seats, drill=drill),
    )


def _change_fields(review: Review, rights: Rights, typed: Mapping[str, str]) -> Sequence[Field]:
    if not rights.may or rights.delegation or why_unchangeable(review):
        return ()
    return fields_of(review.action, typed)


def _review_or_drill(actor: Actor, review_id: str) -> tuple[Review, Drill | None]:
    try:
        return access_review(actor, review_id), None
    except NotFound:
        if (drill := open_drills(actor).filter(pk=review_id).first()) is None:
            raise
        return review_of(drill), drill


def votes_of(actor: Actor, review: Review, seats: Sequence[Seat], decisions: Sequence[Decision]) -> list[Decision]:
    """Those that may be shown. While a blind slot is open, nobody sees more than their own."""
    if has_secrets(review, [seat.asks for seat in seats]):
        return [one for one in decisions if actor.id in one.people]
    return list(decisions)


def rights_of(actor: Actor, review: Review, seats: Sequence[Seat], decisions: Sequence[Decision]) -> Rights:
    """Asks what `signoff` will ask, so that a button is there only when pressing it can count."""
    own = next((one for one in decisions if actor.id in one.people), None)
    if review.state == "open" and own:
        return Rights(False, _own_vote(own, actor), "voted")
    try:
        ballot = check_may_decide(review, seats, actor, "approve", "")
    except Refusal as refusal:
        return Rights(False, refusal.text, refusal.code)
    voter = ballot.voter
    if voter.delegation and any(voter.on_behalf_of in one.people for one in decisions):
        said = f"{voter.delegation.delegator.name} has a vote in this, so nobody signs it in their place."
        return Rights(False, said, "voted")
    has_passkey = Passkey.objects.filter(user=actor.id, revoked_at=None).exists()
    return Rights(True, has_passkey=has_passkey, signature=ballot.seat.asks.signature,
                  delegation=voter.delegation)  # fmt: skip


def _own_vote(own: Decision, actor: Actor) -> str:
    if own.reviewer_id != actor.id:
        return f"{own.reviewer.name} has decided this in your place."
    return "You left this to others." if own.verdict == "recuse" else "You have decided; others are still asked."


def _version(action: Action) -> int | None:
    """Of the workflow, as the log tells it: rows of runs live in a room above this one."""
    begun = Record.objects.of(action.run).filter(kind=Kind.RUN_RUNNING).values_list("leaf", flat=True).first()
    detail: Any = json.loads(bytes(begun)).get("detail", {}) if begun and action.run else {}
    version = detail.get("version")
    return version if isinstance(version, int) else None
