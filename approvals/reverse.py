"""Undoing what was done: an action of its own that the described way back makes, gated like any other.

People ask for it, never agents: a grant to `people` says which operations they may undo with. A workflow may say that
a run of it is undone when it fails, for the person it ran for. What was done later is undone first.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from approvals.access import visible_actions, visible_reviews
from approvals.authority import TOO_LATE
from approvals.models import WITHOUT_EFFECT, Action
from approvals.propose import Proposal, propose
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Conflict, Invalid, NotFound, Refusal
from integrations.compensation import WayBack, arguments_back, way_back
from integrations.grantees import PEOPLE
from integrations.models import Grant

ASKING = (Role.REVIEWER, Role.OPERATOR, Role.ADMIN)
AT_ONCE = 50
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Way:
    """How one action could be undone; `why_not` says why it cannot."""

    action: Action
    back: WayBack | None = None
    arguments: Mapping[str, Any] | None = None
    until: dt.datetime | None = None
    reversal: Action | None = None  # the newest that was asked for
    review: str = ""  # of that, if it is the reader's to see
    why_not: str = ""
    lacks_grant: bool = False

    @property
    def blocked(self) -> str:
        """Why it cannot be asked for, where that is not because somebody has."""
        return "" if self.reversal and self.reversal.state not in WITHOUT_EFFECT else self.why_not


def done_by(actor: Actor, *, action: str = "", run: str = "", grantee: str = "") -> list[Way]:
    """What one action, run, or workflow or agent has changed, or all of them, the latest first."""
    named = {"pk": action, "run": run, "grant__grantee": grantee}
    wanted = Q(**{name: value for name, value in named.items() if value})
    changed = _changed(visible_actions(actor)).filter(wanted).order_by("-settled_at", "-id")
    found = ways(changed[:SHOWN])
    asked = visible_reviews(actor).filter(action__in=[way.reversal for way in found if way.reversal])
    reviews = dict(asked.order_by("opened_at").values_list("action", "pk"))
    return [replace(way, review=reviews.get(way.reversal.pk, "") if way.reversal else "") for way in found]


def ways(actions: Iterable[Action]) -> list[Way]:
    """Needs operation and integration loaded."""
    known = list(actions)
    reversals = {one.reverses_id: one for one in Action.objects.filter(reverses__in=known).order_by("created_at")}
    granted = _granted({one.team_id for one in known})
    return [_way(action, reversals.get(action.pk), granted) for action in known]


def reverse(actions: Collection[str], *, says: str, actor: Actor) -> list[Action]:
    """The proposals, in the order in which they will be made. Each waits until the one before it is done. All are
    asked for, or none: raises NotFound, Conflict for one that is undone already or cannot be, Invalid."""
    actor.require(*ASKING)
    if not 0 < len(actions) <= AT_ONCE:
        raise Invalid(f"Choose one to {AT_ONCE} of what was done.")
    if not says.strip():
        raise Invalid("Say why. Whoever signs it reads this.", code="reason_needed")
    with transaction.atomic():
        locked = _changed(visible_actions(actor)).filter(pk__in=actions).select_for_update(of=("self",)).order_by("pk")
        found = _latest_first(ways(locked))
        if len(found) != len(set(actions)):
            raise NotFound("One of these was not done, or is not yours to undo.")
        return _propose_each(found, says, actor)


def undo_run(run: str, *, says: str, maker: str, actor: Actor) -> tuple[int, int]:
    """Inside the caller's transaction: how many are asked for, and how many are left as they are. It goes back as far
    as everything can be undone: what came before a step that is final may be what that rests on."""
    locked = _changed(Action.objects.filter(run=run)).select_for_update(of=("self",)).order_by("pk")
    found, asked = _latest_first(ways(locked)), list[Action]()
    for way in found:
        if way.why_not or way.back is None:
            break
        after = asked[-1].pk if asked else None
        try:
            with transaction.atomic():
                action = _propose(way, way.back, says, team=way.action.team_id, maker=maker, after=after, actor=actor)
        except Refusal:  # such as what was answered cannot be sent back
            break
        if action.settled:
            break
        asked.append(action)
    return len(asked), len(found) - len(asked)


def _latest_first(found: Iterable[Way]) -> list[Way]:
    return sorted(found, key=lambda way: (way.action.settled_at, way.action.pk), reverse=True)


def _propose_each(found: Sequence[Way], says: str, actor: Actor) -> list[Action]:
    made: list[Action] = []
    for way in found:
        if way.why_not or way.back is None:
            raise Conflict(f"{way.action}: {way.why_not}")
        after = made[-1].pk if made else None
        action = _propose(way, way.back, says, team=actor.team, maker=actor.id, after=after, actor=actor)
        if action.settled:
            raise Conflict(f"{way.action}: {(action.outcome or {}).get('text', 'it was refused')}")
        made.append(action)
    return made


def _propose(way: Way, back: WayBack, says: str, *, team: str, maker: str, after: str | None, actor: Actor) -> Action:
    proposal = Proposal(
        team=team,
        operation=f"{way.action.operation.integration.slug}.{back.operation}",
        arguments=way.arguments or {},
        grantee=PEOPLE,
        makers=[maker],
        says=says,
        reverses=way.action.pk,
        after=after,
    )
    return propose(proposal, actor=actor)


def _changed(actions: QuerySet[Action]) -> QuerySet[Action]:
    succeeded = actions.filter(state="succeeded").exclude(operation__effect="read")
    return succeeded.select_related("operation__integration")


def _granted(teams: Collection[str]) -> set[tuple[str, str]]:
    """(integration, operation) that people may undo with."""
    grants = Grant.objects.filter(team__in=teams, grantee=PEOPLE, revoked_at=None, credential__revoked_at=None)
    grants = grants.filter(Q(until=None) | Q(until__gt=now()))
    return {(grant.integration_id, slug) for grant in grants for slug in grant.operations}


def _way(action: Action, reversal: Action | None, granted: set[tuple[str, str]]) -> Way:
    description = action.operation.description
    back = way_back(description)
    if back is None:
        final = "compensation" in description
        return Way(action, why_not="It is final." if final else "No way back is described, so treat it as final.")
    until = action.settled_at + back.given if action.settled_at and back.given else None
    try:
        arguments = arguments_back(back, action.known)
    except Invalid as problem:
        return Way(action, back, until=until, reversal=reversal, why_not=problem.text)
    lacks_grant = (action.operation.integration_id, back.operation) not in granted
    why_not = _why_not(reversal, until, lacks_grant)
    return Way(action, back, arguments, until, reversal, why_not=why_not, lacks_grant=lacks_grant)


def _why_not(reversal: Action | None, until: dt.datetime | None, lacks_grant: bool) -> str:
    if reversal and reversal.state == "succeeded":
        return "It has been undone."
    if reversal and reversal.state not in WITHOUT_EFFECT:
        return "Somebody has asked for this already."
    if until and until <= now():
        return TOO_LATE
    return "People are not granted the operation that undoes it." if lacks_grant else ""
