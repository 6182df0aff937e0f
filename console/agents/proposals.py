"""Proposals for a grant: filed by agents, given or declined by admins. None of them grants anything by itself."""

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from audit.move import begin, move
from console.agents.models import Agent, GrantProposal
from console.core.actor import Actor, Role
from console.core.canonical import digest
from console.core.clock import iso, now
from console.core.errors import Conflict, Invalid, Refusal
from integrations.limits import read_limits
from integrations.models import Grant

MOST_OPEN = 20  # of one agent
MOST_OPERATIONS = 50
LONGEST_WHY = 2_000
LONGEST_ANSWER = 500
LONGEST_LIMITS = 20_000
LONGEST = dt.timedelta(days=366)
DECLINED_FOR = dt.timedelta(days=1)  # filing the same again meanwhile finds the answer
_OPERATION = re.compile(r"([a-z][a-z0-9-]{0,63})\.([a-z][a-z0-9_]{0,63})")


class TooMany(Refusal):
    status = 429
    code = "too_many_proposals"


def file_proposal(
    agent: Agent, operations: Sequence[str], *, why: str = "", limits: Mapping[str, Any] | None = None,
    until: dt.datetime | None = None, actor: Actor,
) -> GrantProposal:  # fmt: skip
    """`operations` are `integration.operation`, all of one integration; whether they exist is not looked at, so that
    filing tells nothing. The same one is filed once. Raises Invalid, TooMany."""
    integration, slugs = _named(operations)
    if "\0" in why or len(why) > LONGEST_WHY:
        raise Invalid(f"Say why in at most {LONGEST_WHY:,} characters.")
    if until is not None and not now() < until <= now() + LONGEST:
        raise Invalid("A grant ends within a year from now.")
    limits = _limits(limits) if limits else {}
    filed = GrantProposal(
        agent=agent, integration=integration, operations=slugs, why=why, limits=limits, until=until,
        fingerprint=_fingerprint(integration, slugs, limits, until), filed_at=now(),
    )  # fmt: skip
    with transaction.atomic():
        Agent.objects.select_for_update().get(pk=agent.pk)  # two at once must not both be the last
        if known := _known(filed):
            return known
        if agent.proposals.filter(state="open").count() >= MOST_OPEN:
            text = f"{MOST_OPEN} of your proposals wait for an admin. More can be filed once they have been answered."
            raise TooMany(text)
        told: dict[str, object] = {"agent": agent.id, "integration": integration, "operations": slugs, "limits": limits}
        begin(
            filed,
            actor=actor,
            detail={**told, "until": iso(until) if until else ""},
            personal={"why": why} if why else None,
        )
    return filed


def _named(operations: Sequence[str]) -> tuple[str, list[str]]:
    if not 0 < len(operations) <= MOST_OPERATIONS:
        raise Invalid(f"Name one to {MOST_OPERATIONS} operations.")
    found = [_OPERATION.fullmatch(one) for one in operations]
    if not all(found):
        raise Invalid("Name each operation as integration.operation.")
    parts = [one.groups() for one in found if one]
    if len({integration for integration, _ in parts}) > 1:
        raise Invalid("A grant is for one integration. File one proposal for each.")
    return parts[0][0], sorted({slug for _, slug in parts})


def _limits(given: Mapping[str, Any]) -> dict[str, Any]:
    """As an admin could have typed them."""
    try:
        text = json.dumps(given, ensure_ascii=False)
        text.encode()
    except (RecursionError, UnicodeEncodeError):
        raise Invalid("The limits hold what cannot be stored.") from None
    if len(text) > LONGEST_LIMITS:
        raise Invalid(f"Limits have at most {LONGEST_LIMITS:,} characters.")
    return read_limits(text)


def _fingerprint(
    integration: str, operations: Sequence[str], limits: Mapping[str, Any], until: dt.datetime | None
) -> bytes:
    told = {"integration": integration, "operations": list(operations), "limits": limits}
    return digest("countersign/grant-proposal/v1", {**told, "until": iso(until) if until else ""})


def _known(filed: GrantProposal) -> GrantProposal | None:
    same = filed.agent.proposals.filter(fingerprint=filed.fingerprint)
    declined = same.filter(state="declined", settled_at__gt=now() - DECLINED_FOR)
    return same.filter(state="open").first() or declined.first()


@transaction.atomic
def settle_given(proposal: GrantProposal, grant: Grant, *, actor: Actor) -> None:
    """Inside the transaction that gives the grant. Raises Conflict for a grant that is for somebody else."""
    locked = _lock(proposal, actor)
    if grant.grantee != locked.agent.grantee or grant.integration.slug != locked.integration:
        raise Conflict("This grant is not what the proposal is about.")
    _settle(locked, "given", actor, {"grant": grant.id}, grant=grant.id)


@transaction.atomic
def decline_proposal(proposal: GrantProposal, *, answer: str = "", actor: Actor) -> GrantProposal:
    locked = _lock(proposal, actor)
    _settle(locked, "declined", actor, {}, answer=answer.strip()[:LONGEST_ANSWER])
    return locked


def _lock(proposal: GrantProposal, actor: Actor) -> GrantProposal:
    actor.require(Role.ADMIN)
    locked = GrantProposal.objects.select_for_update(of=["self"]).select_related("agent")
    row = locked.get(pk=proposal.pk, agent__team=actor.team)
    if row.state != "open":
        raise Conflict("Somebody has answered this proposal already.")
    return row


def _settle(row: GrantProposal, state: str, actor: Actor, detail: dict[str, object], **fields: Any) -> None:
    told = {"agent": row.agent_id, "integration": row.integration, "operations": row.operations, **detail}
    words = {"answer": fields["answer"]} if fields.get("answer") else None
    move(row, state, actor=actor, detail=told, personal=words, settled_at=now(), settled_by=actor.id, **fields)
