"""What an agent may do here: ask for an action, look what became of it, take it back. It never executes anything."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from approvals.models import Action, Review
from approvals.propose import Proposal, propose
from approvals.withdraw import withdraw_action
from audit.read import record_refusal
from console.agents.identify import Identified
from console.agents.models import Agent
from console.core.compiled import Compiled
from console.core.errors import Conflict, Invalid, NotFound, Refusal
from console.core.telemetry import Parent
from console.gateway.waiting import wait_for

GUESSED = "operation"  # what an agent tried that is not granted, or is none
LONGEST_WAIT = 60.0  # seconds
LONGEST_KEY = 255
_WAIT = re.compile(r"(?i)(?:^|[,;\s])wait\s*=\s*\"?(\d{1,5})\"?(?:$|[,;\s])")  # RFC 7240 §4.3
_TOLD = ("team", "grantee", "state", "outcome", "not_before", "deferred_until", "original", "editors", "created_at",
         "settled_at", "operation__slug", "operation__integration__slug")  # fmt: skip
# By its key alone: with more to choose from, a plan that was made while there were few actions reads them all. And only
# what is told of it: what was asked for, and how it is described, may be long.
_ACTION = Compiled(
    lambda action: (
        Action.objects.filter(pk=action)
        .select_related("operation__integration")
        .only(*_TOLD)
        .annotate(reviewed=Exists(Review.objects.filter(action=OuterRef("pk"))))
    )
)
MOST_WAITING = 200  # actions of one agent that have no end yet
UNSEEN = 20  # that a process lets an agent ask for between two looks at how many they are
_WAITING = Compiled(
    lambda team, grantee: (
        Action.objects.filter(team=team, grantee=grantee, settled_at=None).order_by().only("pk")[:MOST_WAITING]
    )
)
_room: dict[str, int] = {}  # by the agent's id: how many more it may ask for before the next look
_REVIEW = Compiled(lambda action: Review.objects.filter(action=action).order_by("-opened_at", "-pk")[:1])


class TooManyWaiting(Refusal):
    status = 429
    code = "too_many_waiting"


class Observed(Conflict):
    """What an agent does while it is observed never becomes an action."""

    code = "observed"


@dataclass(frozen=True, slots=True)
class Asked:
    """`operation` is `integration.operation`; `key` the agent's own, under which asking again finds the same action.
    `after` is another action of its own that has to succeed first."""

    operation: str
    arguments: Mapping[str, Any]
    key: str = ""
    says: str = ""
    request: str = ""  # what a person wanted of the agent, as the agent tells it
    evidence: Sequence[Mapping[str, Any]] = ()
    after: str | None = None
    parent: Parent | None = None


def ask(who: Identified, asked: Asked) -> Action:
    """The action, old or new. Raises NotFound for an operation that the team does not have, which is in the log too;
    KeyReused; TooManyWaiting, by which a few more than that may still pass at the same moment."""
    agent = who.agent
    if len(asked.key) > LONGEST_KEY:
        raise Invalid(f"A key has at most {LONGEST_KEY} characters.")
    if agent.observing_since is not None:
        raise Observed(
            "You are being observed: show what you do at /api/v1/observations. Nothing is done for you here."
        )
    if not _has_room(agent) and not _known(who, asked.key):
        text = f"{MOST_WAITING} of your actions wait already. Withdraw some, or ask again once people have decided."
        raise TooManyWaiting(text)
    proposal = Proposal(
        team=agent.team_id, operation=asked.operation, arguments=asked.arguments, grantee=agent.grantee,
        makers=[agent.owner_id], key=asked.key, says=asked.says, request=asked.request,
        evidence=asked.evidence,
        after=asked.after,
        trace_id=asked.parent.trace_id if asked.parent else "",
        parent_span_id=asked.parent.span_id if asked.parent else "",
    )  # fmt: skip
    try:
        return propose(proposal, actor=who.actor)
    except NotFound:
        record_refusal(actor=who.actor, page=GUESSED)
        raise


def _has_room(agent: Agent) -> bool:
    """Looking takes as long as much else of a small action, and what settled just now is still in the way there."""
    left = _room.get(agent.pk, 0) or min(MOST_WAITING - sum(1 for _ in _WAITING(agent.team_id, agent.grantee)), UNSEEN)
    _room[agent.pk] = max(left - 1, 0)
    return left > 0


def _known(who: Identified, key: str) -> bool:
    own = Action.objects.filter(team=who.agent.team_id, grantee=who.agent.grantee)
    return bool(key) and own.filter(asked_key=key).exists()


def access_action(who: Identified, action_id: str) -> Action:
    """Only what this agent asked for itself."""
    for action in _ACTION(action_id):
        if (action.team_id, action.grantee) == (who.agent.team_id, who.agent.grantee):
            return action
    raise NotFound("You asked for no such action.")


def wait_until(who: Identified, action: Action, *, seconds: float, also_held: bool) -> Action:
    """As it is when it has settled (with `also_held` also when it waits for a person, or is deferred), or when the time
    is over. `action` is as it was read just now."""
    ends = Action.RESTING if also_held else Action.SETTLED

    def found() -> Action | None:
        action_now = access_action(who, action.pk)
        return action_now if action_now.state in ends else None

    if action.state in ends:
        return access_action(who, action.pk)
    return wait_for(action.pk, found, min(seconds, LONGEST_WAIT)) or access_action(who, action.pk)


def preferred_wait(prefer: str) -> float | None:
    """Seconds, of the header `Prefer: wait=N`; None where nothing is said of waiting."""
    found = _WAIT.search(prefer)
    return min(float(found[1]), LONGEST_WAIT) if found else None


def take_back(who: Identified, action_id: str) -> Action:
    """Raises Conflict for what has begun or ended."""
    with transaction.atomic():
        withdraw_action(access_action(who, action_id).pk, actor=who.actor)
    return access_action(who, action_id)


def review_of(action: Action) -> Review | None:
    """The newest. Of an action that `access_action` gave."""
    return next(iter(_REVIEW(action.id)), None) if action.reviewed else None  # type: ignore[attr-defined]  # annotated
