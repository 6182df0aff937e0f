"""The kill switch: what is halted sends nothing, from the moment in which the halt is committed.

What was proposed waits, what waits for signatures cannot be approved, and what was signed is void: whoever lifts the
halt lets nothing happen that was agreed before it.
"""

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from approvals.alarm import stop
from approvals.models import Action, Halt
from audit.move import begin, move
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Conflict, Invalid, NotFound
from console.traces.live import changed
from integrations.grantees import check_grantee
from integrations.leases import revoke_leases
from integrations.models import Call, Integration

MAY_HALT = (Role.REVIEWER, Role.OPERATOR, Role.ADMIN)
MAX_REASON = 500
_MANY = 200


def covered(halt: Halt) -> QuerySet[Action]:
    match halt.scope:
        case "instance":
            return Action.objects.all()
        case "team":
            return Action.objects.filter(team=halt.team_id)
        case "integration":
            return Action.objects.filter(team=halt.team_id, operation__integration=halt.target)
    return Action.objects.filter(team=halt.team_id, grantee=halt.target)


def standing(actor: Actor) -> list[Halt]:
    """Those in force for this team, the newest first."""
    return list(Halt.objects.filter(Q(team=None) | Q(team=actor.team), state="on"))


def halt(scope: str, name: str = "", *, reason: str, actor: Actor) -> Halt:
    """`name` is the slug of a workflow, an agent or an integration. The halt is in force when it is committed; then
    what was signed is voided, and leases are revoked. Raises Conflict where it is halted already."""
    actor.require(*MAY_HALT)
    if scope not in ("team", "workflow", "agent", "integration"):
        raise Invalid("Say what is to be halted.")
    if not reason.strip() or len(reason) > MAX_REASON:
        raise Invalid(f"Say why, in at most {MAX_REASON} characters.", code="reason_needed")
    return begin_halt(scope, _target(scope, name, actor), name or "everything", reason, actor, team=actor.team)


def begin_halt(scope: str, target: str, name: str, reason: str, actor: Actor, *, team: str | None) -> Halt:
    made = Halt(team_id=team, scope=scope, target=target, name=name, reason=reason.strip(), by=actor.name or actor.id)
    try:
        with transaction.atomic():
            begin(made, actor=actor, detail={"scope": scope, "target": target or name},
                  personal={"reason": made.reason})  # fmt: skip
    except IntegrityError:
        raise Conflict("It is halted already.", code="halted") from None
    _void(made, actor)
    _tell(made)
    return made


def _target(scope: str, name: str, actor: Actor) -> str:
    match scope:
        case "team":
            return ""
        case "integration":
            row = Integration.objects.filter(team=actor.team, slug=name).only("pk").first()
            if row is None:
                raise Invalid(f"Your team has no integration {name!r:.100}.")
            return row.pk
    check_grantee(actor.team, f"{scope}:{name}")
    return f"{scope}:{name}"


def _void(made: Halt, actor: Actor) -> None:
    outcome = {"code": "halted", "text": "It was signed before everything of its kind was halted. Propose it again."}
    permitted = covered(made).filter(state="permitted").order_by("pk").values_list("pk", flat=True)
    while found := list(permitted[:_MANY]):
        for identity in found:
            stop(identity, outcome, actor=actor)
    with transaction.atomic():
        begun = covered(made).filter(state__in=["executing", "in_doubt"]).values("pk")
        revoke_leases(Call.objects.filter(action__in=begun), "halted", actor=actor)


@transaction.atomic
def lift(identity: str, *, actor: Actor) -> Halt:
    """By an admin. Of the instance by whoever runs it, on its command line."""
    actor.require(Role.ADMIN)
    made = Halt.objects.select_for_update().filter(pk=identity, team=actor.team).first()
    if made is None:
        raise NotFound("There is no such halt.")
    return end_halt(made, actor)


def end_halt(made: Halt, actor: Actor) -> Halt:
    if made.state != "on":
        raise Conflict("It was lifted already.")
    move(made, "lifted", actor=actor, lifted_at=now())
    _tell(made)
    return made


def _tell(made: Halt) -> None:
    if made.team_id:
        changed(made.team_id, "reviews")
