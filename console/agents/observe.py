"""Putting an agent under observation: it goes on as it did, shows what it does, and may ask for nothing here."""

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.agents.models import Agent
from console.agents.register import revoke_agent_token
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Conflict


@transaction.atomic
def begin_observing(agent: Agent, *, actor: Actor) -> Agent:
    """Again, it changes nothing. Raises Conflict for one that is retired."""
    locked = _lock(agent, actor)
    if locked.retired_at is not None:
        raise Conflict("This agent has been retired.")
    if locked.observing_since is None:
        locked.observing_since = now()
        locked.save(update_fields=["observing_since"])
        record(Kind.AGENT_OBSERVING, subject=locked.id, actor=actor, detail={"slug": locked.slug})
    return locked


@transaction.atomic
def end_observing(agent: Agent, *, actor: Actor) -> int:
    """How many tokens ended with it: those made meanwhile lie beside the agent for its copies, and must not act from
    now on."""
    locked = _lock(agent, actor)
    if locked.observing_since is None:
        raise Conflict("This agent is not observed.")
    made = list(locked.tokens.filter(created_at__gte=locked.observing_since, revoked_at=None))
    for token in made:
        revoke_agent_token(token, actor=actor)
    locked.observing_since = None
    locked.save(update_fields=["observing_since"])
    record(Kind.AGENT_ACTING, subject=locked.id, actor=actor, detail={"slug": locked.slug, "tokens": len(made)})
    return len(made)


def _lock(agent: Agent, actor: Actor) -> Agent:
    actor.require(Role.ADMIN)
    return Agent.objects.select_for_update().get(pk=agent.pk, team=actor.team)
