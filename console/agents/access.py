"""Loading agents on behalf of an actor."""

from django.db.models import QuerySet

from console.agents.models import Agent, AgentToken, GrantProposal
from console.core.actor import Actor, Role
from console.core.errors import NotFound

READERS = (Role.ADMIN, Role.OPERATOR, Role.AUDITOR, Role.REVIEWER)


def visible_agents(actor: Actor) -> QuerySet[Agent]:
    """Everybody with a role in the team may know which agents there are, and who answers for them."""
    agents = Agent.objects.filter(team=actor.team).select_related("owner")
    return agents if actor.has(*READERS) else agents.none()


def access_agent(actor: Actor, slug: str) -> Agent:
    agent = visible_agents(actor).filter(slug=slug).first()
    if agent is None:
        raise NotFound(f"Your team has no agent {slug!r:.100}.")
    return agent


def access_token(actor: Actor, token_id: str) -> AgentToken:
    tokens = AgentToken.objects.filter(agent__in=visible_agents(actor)).select_related("agent")
    token = tokens.filter(pk=token_id).first()
    if token is None:
        raise NotFound("Your team has no such token.")
    return token


def is_agent(team: str, slug: str) -> bool:
    """One that may still ask."""
    return Agent.objects.filter(team=team, slug=slug, retired_at=None).exists()


def visible_proposals(actor: Actor) -> QuerySet[GrantProposal]:
    return GrantProposal.objects.filter(agent__in=visible_agents(actor)).select_related("agent")


def access_proposal(actor: Actor, proposal_id: str) -> GrantProposal:
    proposal = visible_proposals(actor).filter(pk=proposal_id).first()
    if proposal is None:
        raise NotFound("Your team has no such proposal.")
    return proposal
