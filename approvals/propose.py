"""Proposing an action: the only thing that steps and agents can do to the outside world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from approvals.alarm import raise_alarm
from approvals.models import Action
from approvals.settle import settle
from approvals.spending import beyond_asked
from approvals.standing import choose, grants_of, refused
from audit.move import begin
from console.core.actor import Actor
from console.core.attest import attest
from console.core.canonical import SAFE_INTEGER, digest, jcs
from console.core.compiled import Compiled
from console.core.errors import Invalid, NotFound, Tampered
from console.core.turns import take_turn
from console.core.wake import wake
from integrations.amend import quarantined
from integrations.limits import longest
from integrations.models import Grant, Operation

MAX_SAYS = 4_000
LONGEST_CHAIN = 10  # of actions that each come after another one that has not ended
MOST_BEHIND = 20  # that directly come after one
DEEPEST = 100  # levels of what is in one another

_OPERATION = Compiled(
    lambda team, integration, slug: (
        Operation.objects.filter(integration__team=team, integration__slug=integration, slug=slug)
        .select_related("integration")
        .annotate(quarantined=quarantined("pk"))
    )
)


class KeyReused(Invalid):
    """As the IETF draft on the Idempotency-Key header has it: 422."""

    code = "key_reused"


@dataclass(frozen=True, slots=True)
class Proposal:
    """`operation` is `integration.operation`. With a `step`, or a `key` of the agent's own, it is idempotent: the same
    one proposes once."""

    team: str
    operation: str
    arguments: Mapping[str, Any]
    grantee: str
    makers: Sequence[str]
    run: str = ""
    step: str = ""
    key: str = ""
    says: str = ""
    request: str = ""  # what a person wanted: typed by them where there is a run, else as the agent gives it
    heard: bool = False  # its run had taken events, of which nobody has described what they hold
    reverses: str | None = None
    after: str | None = None
    evidence: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    trace_id: str = ""
    parent_span_id: str = ""


def propose(proposal: Proposal, *, actor: Actor) -> Action:
    """The stored action; refused at once when it is not granted or its arguments are wrong. Raises NotFound for an
    operation that the team does not have, KeyReused when the key asked for something else before."""
    check_carried([proposal.operation, proposal.arguments, proposal.evidence, proposal.says, proposal.key,
                   proposal.request, proposal.after])  # fmt: skip
    operation = _access_operation(proposal)
    grants = grants_of(proposal.team, proposal.grantee, operation)
    if not proposal.step and not proposal.key and not any(longest(grant.limits) for grant in grants):
        return _propose(proposal, operation, grants, actor)
    with transaction.atomic():  # those that count, or look for an earlier one, take turns
        return _known(proposal, operation) or _propose(proposal, operation, grants, actor)


def _check_order(proposal: Proposal) -> None:
    """What waits for others is bounded: one that is deferred must not hold up everything. Raises Invalid, or NotFound
    for what the same grantee did not ask for."""
    if not proposal.after or proposal.reverses:  # the order of undoing is made here, and as long as what is undone
        return
    own = Action.objects.filter(team=proposal.team, grantee=proposal.grantee)
    if not own.filter(pk=proposal.after).exists():
        raise NotFound("You asked for no such action as it is to come after.", code="unknown_action")
    if own.filter(after=proposal.after, settled_at=None).count() >= MOST_BEHIND:
        raise Invalid(f"{MOST_BEHIND} actions wait for that one already.", code="too_many_behind")
    earlier: str | None = proposal.after
    for _ in range(LONGEST_CHAIN - 1):
        earlier = own.filter(pk=earlier, settled_at=None).values_list("after", flat=True).first()
        if earlier is None:
            return
    raise Invalid(f"{LONGEST_CHAIN} actions wait for one another already.", code="chain_too_long")


def _propose(proposal: Proposal, operation: Operation, grants: Sequence[Grant], actor: Actor) -> Action:
    _check_order(proposal)
    chosen = choose(grants, operation, proposal.arguments, beyond_asked)
    try:
        refusal = refused(chosen, proposal.grantee, operation, proposal.arguments)
    except Tampered as tampering:
        with transaction.atomic():
            return raise_alarm(_insert(proposal, operation, chosen.grant, actor).id, str(tampering), actor=actor)
    if refusal:
        with transaction.atomic():
            action = _insert(proposal, operation, chosen.grant, actor)
            settle(action, "refused", refusal, actor=actor)
        return action
    action = _insert(proposal, operation, chosen.grant, actor)  # one statement, with its record
    wake("approvals.tasks.drive", "actions", action.id)
    return action


def check_carried(value: Any, deeper: int = DEEPEST) -> None:
    """Raises Invalid for what canonical JSON cannot carry, or the database would give back as something else (it writes
    1e16 out in full): the door could never read what was signed here."""
    match value:
        case Mapping() | list() | tuple() if not deeper:
            raise Invalid("It is nested too deep.", code="invalid_arguments")
        case Mapping():
            for inner in (*value.keys(), *value.values()):
                check_carried(inner, deeper - 1)
        case list() | tuple():
            for inner in value:
                check_carried(inner, deeper - 1)
        case str() if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise Invalid("A text holds a character that cannot be stored.", code="invalid_arguments")
        case int() | float() if not abs(value) <= SAFE_INTEGER:
            raise Invalid(f"The number {value!r:.40} is too large; send it as text.", code="invalid_arguments")


def _access_operation(proposal: Proposal) -> Operation:
    integration, _, slug = proposal.operation.partition(".")
    for operation in _OPERATION(proposal.team, integration, slug):
        return operation
    raise NotFound(f"This team has no operation {proposal.operation}.", code="unknown_operation")


def _known(proposal: Proposal, operation: Operation) -> Action | None:
    """What was proposed before by the same step, or under the same key. Two at once wait for each other."""
    if proposal.step:
        return Action.objects.filter(step=proposal.step).first()
    if not proposal.key:
        return None
    take_turn(f"{proposal.team} {proposal.grantee} {proposal.key}")
    known = Action.objects.filter(team=proposal.team, grantee=proposal.grantee, asked_key=proposal.key).first()
    same = known and known.operation_id == operation.id and jcs(known.asked_for) == jcs(dict(proposal.arguments))
    if known and not same:
        raise KeyReused("This key was used for something else. Take a new key for each thing you ask for.")
    return known


def _kept(says: str) -> str:
    """What is left out is said."""
    left = len(says) - MAX_SAYS
    return f"{says[:MAX_SAYS]}\n[{left:,} more characters were not kept]" if left > 0 else says


def _insert(proposal: Proposal, operation: Operation, grant: Grant | None, actor: Actor) -> Action:
    action = Action(
        team_id=proposal.team,
        operation=operation,
        grant=grant,
        arguments=dict(proposal.arguments),
        grantee=proposal.grantee,
        makers=list(proposal.makers),
        run=proposal.run,
        step=proposal.step,
        asked_key=proposal.key,
        says=_kept(proposal.says),
        request=_kept(proposal.request),
        heard=proposal.heard,
        reverses_id=proposal.reverses,
        after_id=proposal.after,
        evidence=[dict(item) for item in proposal.evidence],
        trace_id=proposal.trace_id,
        parent_span_id=proposal.parent_span_id,
    )
    action.attestation = attest("action", action.attested())
    arguments = digest("countersign/arguments/v1", action.arguments).hex()
    begin(action, actor=actor, detail={"operation": proposal.operation, "operation_id": operation.id,
          "grantee": proposal.grantee, "arguments_digest": arguments, "step": proposal.step,
          "grant": grant.pk if grant else "",
          **({"reverses": proposal.reverses} if proposal.reverses else {})})  # fmt: skip
    return action
