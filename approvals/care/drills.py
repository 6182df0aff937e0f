"""Drills: who has one, what it shows, and what they said to it."""

import datetime as dt
import random
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from approvals.access import waiting_for
from approvals.care.breaks import setting_of
from approvals.care.planting import plant
from approvals.claims import LASTS, SOMEBODY
from approvals.digests import evidence_digest, render_digest
from approvals.models import Action, CareSetting, Claim, Decision, Drill, Review, Ruling, Slot, SlotGroup
from approvals.policies.slots import keep_secrets, read_requirement
from approvals.revise import check_change
from approvals.seats import Seat
from approvals.signoff import ByPassword, Proof, check_may_decide, check_password, sign, to_sign
from audit.move import begin, move
from audit.record import record
from audit.vocabulary import Kind
from console.accounts.actors import human
from console.accounts.models import Membership
from console.core.actor import Actor, Role, system
from console.core.clock import now
from console.core.errors import Conflict
from console.core.ids import new_id
from integrations.here import HERE

DAYS, CHOSEN_FROM, TRAINING = dt.timedelta(days=90), 100, 3
BEAT, CHANCE = system("beat"), random.SystemRandom()
COLUMNS = ("sentence", "facts", "arguments", "evidence", "says", "amount_minor", "currency", "counterparty", "grantee",
           "makers", "run", "step", "reads")  # fmt: skip


def open_drills(actor: Actor) -> QuerySet[Drill]:
    """Nobody else's are to be seen."""
    own = Drill.objects.filter(team=actor.team, reviewer=actor.id, state="open", expires_at__gt=now())
    return own.select_related("like__operation__integration") if actor.has(Role.REVIEWER) else own.none()


def review_of(drill: Drill) -> Review:
    """As a page shows it. Neither it nor its action is a row, and neither is ever saved."""
    shown = drill.shown
    action = Action(id=shown["action"], team_id=drill.team_id, state="held", operation=drill.like.operation,
                    action_digest=bytes.fromhex(shown["digest"]), created_at=drill.opened_at, attestation=bytes(64),
                    **{name: shown[name] for name in COLUMNS})  # fmt: skip
    review = Review(id=drill.pk, team_id=drill.team_id, action=action, policy_digest=bytes.fromhex(shown["policy"]),
                    evidence_digest=evidence_digest(action), render_digest=render_digest(action),
                    opened_at=drill.opened_at, expires_at=drill.expires_at)  # fmt: skip
    groups = sorted({way["group"] for slot in shown["requirement"]["slots"] for way in slot["ways"]})
    annotated = {"halted": False, "required": None, "most_an_hour": setting_of(drill.team_id).most_an_hour,
                 "asked_of": groups}  # fmt: skip
    for name, value in annotated.items():
        setattr(review, name, value)
    return review


def seats_of_drill(drill: Drill, review: Review) -> list[Seat]:
    slots = read_requirement(drill.shown["requirement"]).slots
    return [
        Seat(Slot(id=f"{drill.shown['slot']}{place}", review=review, position=place, spec=spec), asks,
             frozenset(way.group for way in asks.ways if not way.after), (), (), voted=False)
        for place, (asks, spec) in enumerate(zip(slots, drill.shown["requirement"]["slots"], strict=True))
    ]  # fmt: skip


def ruling_of(drill: Drill) -> Ruling | None:
    return drill.like.rulings.select_related("version").first()


def prepare_drill(drill: Drill, *, verdict: str, reason: str, actor: Actor) -> dict[str, object]:
    """As `prepare_decision`. What is signed names a review and an action that nobody finds."""
    review = review_of(drill)
    ballot = check_may_decide(review, seats_of_drill(drill, review), actor, verdict, reason)
    return to_sign(review, verdict, reason, ballot)


def decide_drill(
    drill: Drill,
    *,
    verdict: str,
    reason: str,
    arguments: Mapping[str, Any] | None = None,
    proof: Proof,
    actor: Actor,
) -> Drill:
    """By the same checks and proofs as a review. Nothing comes of it but the record."""
    review = review_of(drill)
    ballot = check_may_decide(review, seats_of_drill(drill, review), actor, verdict, reason)
    if verdict == "change":
        check_change(review, arguments or {})
    if isinstance(proof, ByPassword):
        check_password(review, ballot.seat, verdict, proof, actor)
    with transaction.atomic():
        found = open_drills(actor).select_for_update(of=("self",)).filter(pk=drill.pk).first()
        if found is None:
            raise Conflict("This review is already decided.", code="already_decided")
        signed = sign(review, verdict, reason, arguments, proof, ballot)
        ended = judged(found.planted, verdict)
        move(found, ended, actor=actor, detail={"decision": verdict, "planted": found.planted}, also=signed.counting,
             closed_at=now())  # fmt: skip
        if ended == "wrong" and not found.training:
            for _ in range(TRAINING):
                begin_drill(actor, training=True)
    return found


def claim_drill(drill: Drill, *, actor: Actor) -> Drill:
    """As `claim_review`, and for nobody else to see."""
    return drill if own_claim(drill) else _claimed(drill, now(), Kind.CLAIM_MADE, actor)


def release_drill(drill: Drill, *, actor: Actor) -> Drill:
    return _claimed(drill, None, Kind.CLAIM_RELEASED, actor)


@transaction.atomic
def _claimed(drill: Drill, at: dt.datetime | None, kind: Kind, actor: Actor) -> Drill:
    if Drill.objects.filter(pk=drill.pk, state="open").update(claimed_at=at):
        record(kind, subject=drill.pk, actor=actor, detail={"review": drill.pk}, **drill.audit_context())
    drill.claimed_at = at
    return drill


def own_claim(drill: Drill) -> Claim | None:
    """While it lasts, as if it was stored like others."""
    if drill.claimed_at is None or drill.claimed_at <= now() - LASTS:
        return None
    return Claim(review_id=drill.pk, person_id=drill.reviewer_id, at=drill.claimed_at)


def said_of_drills(drills: Iterable[Drill], actor: Actor) -> dict[str, str]:
    """As `said_of_claims`."""
    slots = {one.pk: read_requirement(one.shown["requirement"]).slots for one in drills if own_claim(one)}
    return {pk: SOMEBODY if keep_secrets(asks) else actor.name for pk, asks in slots.items()}


@transaction.atomic
def leave_drill(drill: Drill, *, actor: Actor) -> Drill:
    """Whoever brings others in has not waved it through: it ends before anybody else loses time with it."""
    found = open_drills(actor).select_for_update(of=("self",)).get(pk=drill.pk)
    move(found, "left", actor=actor, detail={"decision": "asked", "planted": found.planted}, closed_at=now())
    return found


def judged(planted: str, verdict: str) -> str:
    if verdict == "recuse":
        return "left"
    return "right" if (verdict in ("refuse", "change")) is bool(planted) else "wrong"


def give_drills() -> int:
    """To each reviewer who has decided enough since the last one and has something else waiting."""
    return sum(_give(setting) for setting in CareSetting.objects.filter(drill_every__gt=0))


def _give(setting: CareSetting) -> int:
    people = Membership.objects.filter(team=setting.team_id, user__is_active=True, roles__contains=[Role.REVIEWER])
    actors = [human(one.user, one, auth="session") for one in people.select_related("user", "team")]
    return sum(begin_drill(actor) is not None for actor in actors if _due(actor, setting.drill_every))


def _due(actor: Actor, every: int) -> bool:
    last = Drill.objects.filter(team=actor.team, reviewer=actor.id).order_by("-opened_at").first()
    if (last and last.state == "open") or not waiting_for(actor).exists():
        return False
    since = max(last.opened_at if last else now() - DAYS, now() - DAYS)
    decided = Decision.objects.filter(reviewer=actor.id, review__team=actor.team, decided_at__gt=since).count()
    return decided >= _threshold(last.pk if last else actor.id, every)


def _threshold(seed: str, every: int) -> int:
    """Not each time after as many: whoever counts along must not know when."""
    return random.Random(seed).randint(max(1, every // 2), every + every // 2)  # noqa: S311  (no secret)


@transaction.atomic
def begin_drill(actor: Actor, *, training: bool = False) -> Drill | None:
    """None where nothing that was done is fit to make one of."""
    if not (fit := [one for one in _fit(actor) if _asks_nothing_first(one)]):
        return None
    like = CHANCE.choice(fit)
    ruling = like.rulings.select_related("version").first()
    planted, told, shown = plant({name: getattr(like, name) for name in COLUMNS}, CHANCE)
    requirement = ruling.requirement if ruling else {}
    more: dict[str, Any] = {
        "action": new_id("act"), "slot": new_id("slt")[:-1], "digest": secrets.token_hex(32),
        "requirement": requirement,
        "policy": bytes(ruling.version.digest).hex() if ruling and ruling.version else "",
    }  # fmt: skip
    at = now()
    drill = Drill(team_id=actor.team, reviewer_id=actor.id, like=like, planted=planted, told=told, shown=shown | more,
                  training=training, opened_at=at, expires_at=at + read_requirement(requirement).expires)  # fmt: skip
    begin(drill, actor=BEAT, detail={"of": like.pk, "reviewer": actor.id, "planted": planted, "training": training})
    return drill


def _fit(actor: Actor) -> list[Action]:
    """What was signed by people of their groups, and was right as far as anybody knows."""
    asked = SlotGroup.objects.filter(review__action=OuterRef("pk"), review__state="approved", group__in=actor.groups)
    undone = Action.objects.filter(reverses=OuterRef("pk"))
    had = Drill.objects.filter(like=OuterRef("pk"), reviewer=actor.id)
    done = Action.objects.filter(Exists(asked), ~Exists(undone), ~Exists(had), team=actor.team, state="succeeded")
    done = done.filter(settled_at__gt=now() - DAYS).exclude(makers__contains=[actor.id]).exclude(facts=[])
    return list(done.exclude(operation__integration__base_url=HERE).order_by("-settled_at")[:CHOSEN_FROM])


def _asks_nothing_first(action: Action) -> bool:
    ruling = action.rulings.first()
    if ruling is None or not ruling.requirement:
        return False
    wanted = read_requirement(ruling.requirement)
    return not (wanted.evidence or wanted.states)


def end_drills() -> int:
    """Those that nobody decided in time. Nothing is held against anybody."""
    late = Drill.objects.filter(state="open", expires_at__lte=now())[:200]
    for drill in late:
        move(drill, "lapsed", actor=BEAT, closed_at=now())
    return len(late)
