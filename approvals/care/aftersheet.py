"""What somebody sees who looks again: the same as whoever signs would have seen."""

from collections.abc import Sequence
from dataclasses import dataclass

from approvals import sheet
from approvals.alike import look_alikes
from approvals.before import last_like
from approvals.care.afterwards import MOST_WHY, check_may_judge
from approvals.care.tighten import tightened
from approvals.forms import Folded, folded
from approvals.lines import Line, lines, marked
from approvals.models import Action, PostReview, Ruling
from approvals.models.post_review import OPENING, SAMPLE
from approvals.publish import newest
from console.accounts.models import User
from console.core.actor import Actor
from console.core.errors import Refusal
from integrations.grantees import PEOPLE
from integrations.permission import is_agents_own


@dataclass(frozen=True, slots=True)
class AfterSheet:
    """By the names that the pieces of a review's sheet ask for. `why_not` is said to those who may not judge."""

    post_review: PostReview
    lines: Sequence[Line]
    points: Sequence[sheet.Point]
    evidence: Sequence[sheet.Evidence]
    last: Action | None
    requester: str
    why_not: str
    rule: str

    @property
    def action(self) -> Action:
        return self.post_review.action

    @property
    def by_agent(self) -> bool:
        return is_agents_own(self.action.operation.integration)

    @property
    def by_people(self) -> bool:
        return self.action.grantee == PEOPLE

    @property
    def said(self) -> Folded:
        return folded(self.action.says, MOST_WHY)

    @property
    def said_words(self) -> int:
        return len(self.action.says.split())

    @property
    def title(self) -> str:
        return sheet.spelled(self.action.sentence)

    @property
    def tightens(self) -> bool:
        """Whether a judgement against it proposes another policy."""
        return self.post_review.cause == SAMPLE and not self.action.mandate_id


def read_after_sheet(found: PostReview, actor: Actor) -> AfterSheet:
    action = found.action
    ruling = action.rulings.select_related("version").first()
    last, alike = last_like(action), look_alikes(action)
    return AfterSheet(
        post_review=found,
        lines=marked(lines(action.facts, last.facts if last else ()), alike),
        points=[_reason(found, ruling), *_signers(action), *sheet.about(action, ruling), *sheet.alike_points(alike)],
        evidence=sheet.evidence(action.evidence),
        last=last,
        requester=_requester(action),
        why_not=_why_not(found, actor),
        rule=ruling.rule if ruling else "",
    )


def proposed_policy(found: PostReview) -> str:
    """The policy of now, where what was judged to be wrong would ask people; "" where it does so already."""
    ruling, current = found.action.rulings.first(), newest(found.team_id)
    if found.state != "disagreed" or found.cause != SAMPLE or ruling is None or current is None:
        return ""
    return tightened(current.source, current.document, ruling.rule, found.groups)


def _reason(found: PostReview, ruling: Ruling | None) -> sheet.Point:
    rule = ruling.rule if ruling else "no rule"
    if found.cause == OPENING:
        return sheet.Point("A credential was opened for a person. Somebody who neither asked nor signed looks at "
                           "each of these.", "wait", rule)  # fmt: skip
    how = "A mandate covered it" if found.action.mandate_id else "It was allowed"
    return sheet.Point(f"{how}, so nobody was asked. It was drawn by chance to be looked at.", "wait", rule)


def _signers(action: Action) -> list[sheet.Point]:
    votes = [vote for review in action.reviews.all() for vote in review.decisions.select_related("reviewer")]
    return [sheet.Point(f"{vote.reviewer.name}: {vote.verdict}.") for vote in votes]


def _requester(action: Action) -> str:
    found = User.objects.filter(pk__in=action.makers[:1]).first()
    return found.name if found else ""


def _why_not(found: PostReview, actor: Actor) -> str:
    try:
        check_may_judge(found, actor)
    except Refusal as refusal:
        return refusal.text
    return ""
