"""From a token to the agent that holds it. Fails closed: whatever is not as the console signed it is nobody."""

import datetime as dt
import re
from dataclasses import dataclass

from django.db.models import BinaryField, Func, Value

from audit.models import Record
from audit.record import record
from audit.vocabulary import Kind
from console.agents.models import Agent, AgentToken
from console.agents.register import digest_of
from console.core.actor import Actor
from console.core.attest import verify
from console.core.clock import now
from console.core.compiled import Compiled
from console.core.errors import Tampered

BEARER = re.compile(r"Bearer (cag_[A-Za-z0-9_-]{43})")
_GOOD = Compiled(  # by the digest in hexadecimal
    lambda digest: AgentToken.objects.filter(
        sha256=Func(Value(digest), Value("hex"), function="decode", output_field=BinaryField()),
        revoked_at=None,
        agent__retired_at=None,
        agent__owner__is_active=True,
    ).select_related("agent")
)
TOUCH = dt.timedelta(minutes=1)
ALARM = dt.timedelta(minutes=5)  # a forged row is told of this often, not at each request


@dataclass(frozen=True, slots=True)
class Identified:
    agent: Agent
    actor: Actor


def identify(header: str) -> Identified | None:
    """None for a token that is unknown, ended or revoked, or whose agent is retired or belongs to nobody any more."""
    given = BEARER.fullmatch(header)
    token = given and _find(given[1])
    if not token or not _genuine(token):
        return None
    _touch(token)
    agent = token.agent
    return Identified(agent, Actor(kind="agent", id=agent.id, team=agent.team_id, auth="token", name=agent.title))


def _find(secret: str) -> AgentToken | None:
    return next((one for one in _GOOD(digest_of(secret).hex()) if one.expires_at > now()), None)


def _genuine(token: AgentToken) -> bool:
    try:
        verify("agent token", token.attested(), token.attestation)
        verify("agent", token.agent.attested(), token.agent.attestation)
    except Tampered as tampering:
        known = Record.objects.of(token.agent_id).filter(kind=Kind.ALARM_TAMPERED, at__gt=now() - ALARM)
        if not known.exists():
            agent = Actor(kind="agent", id=token.agent_id, team=token.agent.team_id, auth="token")
            record(Kind.ALARM_TAMPERED, subject=token.agent_id, actor=agent, detail={"what": str(tampering)})
        return False
    return True


def _touch(token: AgentToken) -> None:
    """At most once a minute, so that asking does not write at every request."""
    if token.last_used_at is None or now() - token.last_used_at > TOUCH:
        AgentToken.objects.filter(pk=token.pk).update(last_used_at=now())
