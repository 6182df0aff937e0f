"""What the review room's pages read. Loading goes through `access`; the number of queries never follows the rows."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KT

from approvals import sheet
from approvals.access import access_review, visible_reviews, waiting_for
from approvals.alike import look_alikes
from approvals.around import Around, around, told_by_agent
from approvals.before import last_like
from approvals.bulk import has_alike
from approvals.care.afterwards import owed_by
from approvals.care.before import Before, before_of
from approvals.care.breaks import break_needed, break_of, most_an_hour
from approvals.care.drills import open_drills, review_of, ruling_of, said_of_drills, seats_of_drill
from approvals.change_form import Field, fields_of
from approvals.claims import said_of_claims
from approvals.digests import MEANINGS, manifested
from approvals.dossier import READERS
from approvals.forms import Folded, folded
from approvals.known import Known, known_of
from approvals.lines import Line, lines, marked
from approvals.models import Action, Decision, Delegation, Drill, PolicyVersion, Review, Ruling
from approvals.policies.slots import keep_secrets
from approvals.revise import why_unchangeable
from approvals.seats import Seat, seats_of
from approvals.signoff import check_may_decide
from approvals.together import Together, read_together
from approvals.too_few import too_few
from approvals.versions import has_secrets, newer_than, vote_before
from approvals.voters import in_whose_place, standins_of, with_groups
from audit.models import Record
from audit.vocabulary import Kind
from console.accounts.models import Passkey, Team, User
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import NotFound, Refusal
from console.core.keyset import Page, newest_first, oldest_first
from integrations.grantees import PEOPLE, short_name
from integrations.permission import is_agents_own

PAGE = 50
SOON = dt.timedelta(hours=1)  # amber
TODAY = dt.timedelta(hours=4)  # due soon; the rest is later
MOST_SAID = 600  # characters of an agent's words that stand there at once
PRESETS = ("Not a mistake", "Wrong amount", "Wrong recipient", "Needs more evidence")
OVERDUE_NEVER = dt.timedelta(days=300)  # a doubt is given a year, which is no date to show


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the queue."""

    review: Review
    requester: str
    in_place_of: str = ""  # whose signature it waits for, where the reader may give it for them
    claimed: str = ""  # who says that they are on it

    @property
    def soon(self) -> bool:
        return self.review.state == "open" and self.review.expires_at - now() < SOON

    @property
    def dated(self) -> bool:
        return self.review.expires_at - self.review.opened_at < OVERDUE_NEVER

    @property
    def who(self) -> str:
        return short_name(self.review.action.grantee)


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    items: Sequence[Item]
    more: str = ""  # cursor of what follows, if anything does


@dataclass(frozen=True, slots=True)
class Queue:
    """`state` is "" for what is open, `open` for all of it page by page, `closed` for what was decided."""

    state: str
    groups: Sequence[Group]
    waiting: int = 0
    due_soon: int = 0
    afterwards: int = 0  # what was done, and waits to be looked at again
    pause: str = ""

    @property
    def empty(self) -> bool:
        return not any(group.items for group in self.groups)

    @property
    def first_id(self) -> str:
        """The one that a wide page opens by itself."""
        return self.groups[0].items[0].review.id if not self.state and not self.empty else ""


def queue(actor: Actor, state: str = "", after: str = "") -> Queue:
    if state == "closed":
        decided = _with_action(visible_reviews(actor).exclude(state="open"))
        return Queue(state, [_page("Decided", newest_first(decided, by="closed_at", after=after, size=PAGE))])
    if state == "open":
        pending = _with_action(visible_reviews(actor).filter(state="open"))
        return Queue(
            state, [_page("Open in your team", oldest_first(pending, by="expires_at", after=after, size=PAGE))]
        )
    return _open(actor)


def _open(actor: Actor) -> Queue:
    given = list(open_drills(actor).annotate(maker=KT("shown__makers__0"), requester=_name_of("maker")))
    drills: list[Any] = [review_of(drill) for drill in given]
    for drill, review in zip(given, drills, strict=True):
        review.requester = drill.requester
    standins = standins_of(actor)
    waiting = waiting_for(actor, standins)
    mine = list(with_groups(_with_action(waiting), standins).order_by("expires_at", "id")[: PAGE + 1])
    mine = sorted([*mine, *drills], key=_order)[: PAGE + 1]
    others = visible_reviews(actor, standins).filter(state="open").exclude(pk__in=waiting.values("pk"))
    read = list(_with_action(others).order_by("expires_at", "id")[: PAGE + 1])
    instead = in_whose_place(actor, standins, mine[:PAGE])
    claims = said_of_claims(review.pk for review in mine[:PAGE]) | said_of_drills(given, actor)
    items = [_item(review, instead.get(review.pk, ""), claims.get(review.pk, "")) for review in mine[:PAGE]]
    limit = now() + TODAY
    groups = [
        Group("Due soon", [item for item in items if item.review.expires_at < limit]),
        Group("Later", [item for item in items if item.review.expires_at >= limit], "more" if len(mine) > PAGE else ""),
        Group("Yours to read", list(map(_item, read[:PAGE])), "more" if len(read) > PAGE else ""),
    ]
    counts = waiting.aggregate(all=Count("pk"), soon=Count("pk", filter=Q(expires_at__lt=limit)))
    after, most = _afterwards(actor)
    pause = break_of(actor.team, actor.id, most)
    more = len(drills), sum(one.expires_at < limit for one in drills)
    return Queue("", [group for group in groups if group.items], counts["all"] + more[0], counts["soon"] + more[1],
                 after, pause)  # fmt: skip


def _afterwards(actor: Actor) -> tuple[int, int]:
    """How much waits to be looked at again, and how much one person decides within an hour, 0 for any."""
    owed = owed_by(actor).order_by().values("team").annotate(count=Count("pk")).values("count")
    team = Team.objects.filter(pk=actor.team)
    [(after, most)] = team.values_list(Subquery(owed), most_an_hour("pk"))
    return after or 0, most or 0


def _order(review: Review) -> tuple[dt.datetime, str]:
    return review.expires_at, review.pk


def _page(title: str, page: Page[Review]) -> Group:
    return Group(title, list(map(_item, page.items)), page.next)


def _item(review: Any, in_place_of: str = "", claimed: str = "") -> Item:
    """Of one that `_with_action` has annotated."""
    return Item(review, review.requester or "", in_place_of, claimed)


def _with_action(reviews: QuerySet[Review]) -> QuerySet[Any]:
    related = reviews.select_related("action__operation__integration")
    return related.annotate(requester=_name_of("action__makers__0"))


def _name_of(person: str) -> Subquery:
    """For a queryset that has somebody's id there."""
    return Subquery(User.objects.filter(pk=OuterRef(person)).values("name"))


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


def next_waiting(actor: Actor, review: Review) -> Review | None:
    """What follows in the actor's queue, or its head when nothing does."""
    queue, drills = waiting_for(actor).order_by("expires_at", "id"), [review_of(one) for one in open_drills(actor)]
    behind = queue.filter(Q(expires_at__gt=review.expires_at) | Q(expires_at=review.expires_at, id__gt=review.id))
    later = [*behind[:1], *(one for one in drills if _order(one) > _order(review))]
    return min(later or [*queue[:1], *drills], key=_order, default=None)


def how_many_wait(actor: Actor) -> int:
    return waiting_for(actor).count() + open_drills(actor).count()
