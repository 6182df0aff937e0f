"""Asking somebody to look again: at each credential that was opened, and at a sample of what was allowed."""

import datetime as dt
import random
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from approvals.care.sampling import Candidate, draw
from approvals.models import Action, CareSetting, Decision, PostReview, Ruling
from approvals.models.post_review import OPENING, SAMPLE
from approvals.policies.decide import FALLBACK
from approvals.replay import answer_then
from audit.move import begin
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Tampered
from integrations.compensation import way_back
from integrations.here import HERE
from integrations.models import Opening

MOST_CANDIDATES = 2_000
DAY = dt.timedelta(days=1)
BEAT = system("beat")


def ask_about_openings() -> int:
    """Each credential that was opened is looked at by somebody else: it is owed from then on."""
    asked = PostReview.objects.filter(cause=OPENING).values("action")
    new = Opening.objects.exclude(action__in=asked).order_by("opened_at").values_list("action", flat=True)[:50]
    actions = list(Action.objects.filter(pk__in=list(new)))
    for action in actions:
        _ask(action, OPENING, {"admins"})
    return len(actions)


def sample_settled() -> int:
    """Of each team that wants it, once a day."""
    due = CareSetting.objects.filter(samples__gt=0, sampled_until__lte=now() - DAY)
    return sum(_sample(team) for team in due.values_list("team", flat=True))


@transaction.atomic
def _sample(team: str) -> int:
    setting, at = CareSetting.objects.select_for_update().get(team=team), now()
    actions = {one.pk: one for one in _allowed(team).filter(settled_at__gt=setting.sampled_until)[:MOST_CANDIDATES]}
    for chosen in draw(map(_candidate, actions.values()), setting.samples, random.SystemRandom()):
        _ask(actions[chosen.id], SAMPLE, groups_without(actions[chosen.id]))
    setting.sampled_until = at
    setting.save(update_fields=["sampled_until"])
    return len(actions)


def _allowed(team: str) -> QuerySet[Action]:
    """What was done without anybody being asked about it, the newest first."""
    ruled = Ruling.objects.filter(action=OuterRef("pk")).order_by("-at", "-id")
    before = Action.objects.filter(team=team, counterparty=OuterRef("counterparty"))
    before = before.filter(created_at__lt=OuterRef("created_at"))
    done = Action.objects.filter(team=team, state="succeeded", post_review=None).exclude(operation__effect="read")
    done = done.exclude(operation__integration__base_url=HERE)
    done = done.select_related("operation__integration", "mandate__action")
    done = done.annotate(ruled=Subquery(ruled.values("outcome")[:1]), met_before=Exists(before)).filter(ruled="allow")
    return done.order_by("-settled_at")


def _candidate(action: Action) -> Candidate:
    operation = action.operation
    return Candidate(
        action.pk, frozenset(operation.categories), operation.effect, way_back(operation.description) is None,
        bool(action.counterparty) and not action.met_before, action.amount_minor,  # type: ignore[attr-defined]  # annotated
    )  # fmt: skip


def groups_without(action: Action) -> set[str]:
    """Who would have been asked, had nothing allowed it: by the policy that ruled, without the rule that did. Under a
    mandate that rule asks people itself."""
    ruling = action.rulings.select_related("version").first()
    requirement = None
    if ruling and ruling.version:
        document = ruling.version.document
        rules = [rule for rule in document["rules"] if action.mandate_id or rule["id"] != ruling.rule]
        try:
            requirement = answer_then(action, {**document, "rules": rules}).requirement
        except Tampered:  # its description is not what was reviewed: the admins look
            requirement = None
    slots = (requirement or FALLBACK).slots
    return {way.group for slot in slots for way in slot.ways if not way.after}


def _ask(action: Action, cause: str, groups: Iterable[str]) -> None:
    about = [action.pk, *([action.mandate.action_id] if action.mandate else [])]
    signed = Decision.objects.filter(review__action__in=about).exclude(verdict="recuse")
    apart = {
        *action.barred,
        *(person for two in signed.values_list("reviewer", "on_behalf_of") for person in two if person),
    }
    asked = PostReview(team_id=action.team_id, action=action, cause=cause, groups=sorted(groups), not_by=sorted(apart))
    begin(asked, actor=BEAT, detail={"of": action.pk, "cause": cause, "groups": asked.groups})
