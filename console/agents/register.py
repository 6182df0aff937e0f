"""Agents and their tokens: made and ended by admins, each with a record."""

import datetime as dt
import hashlib
import re
import secrets

from django.db import IntegrityError, transaction

from approvals.withdraw import withdraw_of_grantee
from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import Membership, User
from console.agents.models import Agent, AgentToken
from console.core.actor import Actor, Role
from console.core.attest import attest
from console.core.clock import iso, now
from console.core.errors import Conflict, Invalid

SLUG = re.compile(r"[a-z][a-z0-9-]{0,63}")
PREFIX = "cag_"
LONGEST = dt.timedelta(days=366)


@transaction.atomic
def create_agent(slug: str, title: str, *, owner: User, actor: Actor) -> Agent:
    """An agent of the actor's team. Raises Invalid for an owner who is not in the team, Conflict for a name that is
    taken, also by an agent that was retired."""
    actor.require(Role.ADMIN)
    if not SLUG.fullmatch(slug) or not title.strip():
        raise Invalid("Give the agent a short name of a-z, 0-9 and hyphens, and a title.")
    if not Membership.objects.filter(user=owner, team=actor.team).exists():
        raise Invalid("Whoever answers for an agent has to be in your team.")
    agent = Agent(team_id=actor.team, slug=slug, title=title.strip()[:200], owner=owner)
    agent.attestation = attest("agent", agent.attested())
    try:
        with transaction.atomic():
            agent.save(force_insert=True)
    except IntegrityError:
        raise Conflict(f"Your team has, or had, an agent called {slug}.") from None
    record(Kind.AGENT_CREATED, subject=agent.id, actor=actor, detail={"slug": slug, "owner": owner.id})
    return agent


@transaction.atomic
def retire_agent(agent: Agent, *, actor: Actor) -> Agent:
    """For good: its tokens are worth nothing from now on, and nothing more is done for it."""
    actor.require(Role.ADMIN)
    locked = Agent.objects.select_for_update().get(pk=agent.pk, team=actor.team)
    if locked.retired_at is not None:
        raise Conflict("This agent has been retired already.")
    locked.retired_at = now()
    locked.save(update_fields=["retired_at"])
    record(Kind.AGENT_RETIRED, subject=locked.id, actor=actor, detail={"slug": locked.slug})
    _stop(locked, "agent_retired", "The agent was retired.", actor)
    return locked


@transaction.atomic
def issue_agent_token(agent: Agent, *, expires: dt.datetime, label: str = "", actor: Actor) -> tuple[AgentToken, str]:
    """The row and the secret, `cag_` and 43 characters, which nobody sees again."""
    actor.require(Role.ADMIN)
    locked = Agent.objects.select_for_update().get(pk=agent.pk, team=actor.team)
    if locked.retired_at is not None:
        raise Conflict("This agent has been retired.")
    if not now() < expires <= now() + LONGEST:
        raise Invalid("A token ends within a year from now.")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = AgentToken(agent=locked, sha256=digest_of(secret), label=label[:100], expires_at=expires)
    token.attestation = attest("agent token", token.attested())
    token.save(force_insert=True)
    record(Kind.AGENT_TOKEN_ISSUED, subject=token.id, actor=actor, detail={"agent": locked.id, "expires": iso(expires)})
    return token, secret


def _stop(agent: Agent, why: str, text: str, actor: Actor) -> None:
    withdraw_of_grantee(agent.team_id, agent.grantee, why, text, actor=actor)


@transaction.atomic
def revoke_agent_token(token: AgentToken, *, actor: Actor) -> AgentToken:
    """With its last good one an agent is stopped: nobody could ask any more what became of what it asked for. Of
    several, nobody knows by which it asked."""
    actor.require(Role.ADMIN)
    locked = AgentToken.objects.select_for_update().get(pk=token.pk, agent__team=actor.team)
    if locked.revoked_at is not None:
        raise Conflict("This token has been revoked already.")
    locked.revoked_at = now()
    locked.save(update_fields=["revoked_at"])
    record(Kind.AGENT_TOKEN_REVOKED, subject=locked.id, actor=actor, detail={"agent": locked.agent_id})
    if not AgentToken.objects.filter(agent=locked.agent_id, revoked_at=None, expires_at__gt=now()).exists():
        _stop(locked.agent, "token_revoked", "The agent's last token was revoked.", actor)
    return locked


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
