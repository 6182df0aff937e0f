"""What stands in the place of a defence that is switched off: the code as it would be if nobody had thought of it."""

import base64
import datetime as dt
from collections.abc import Callable, Collection, Mapping
from typing import Any

import httpcore
import yaml
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from approvals.models import Action, Decision, Review
from approvals.policies import rules
from approvals.policies.decide import FALLBACK, Answer
from approvals.policies.slots import Vote
from approvals.ruling import rule
from approvals.settle import lock_action, settle
from approvals.signoff import PASSKEY, ByPasskey, Signed
from audit.move import move
from console.accounts import passkeys
from console.core.clock import now
from console.core.errors import Conflict
from integrations.models import Grant

unchecked_signature = passkeys.check_signature
without_tokens_of_forms = [name for name in settings.MIDDLEWARE if not name.endswith("CsrfViewMiddleware")]
as_written = yaml.safe_load
as_any_pool_does = httpcore.ConnectionPool.handle_request
endless = 10**9
ten_days = dt.timedelta(days=10)


def nothing(*_: object, **__: object) -> None:
    """Where something would be raised."""


def no_names(*_: object) -> dict[str, str]:
    return {}


def not_hidden(_: str) -> bool:
    return False


def anything(_: str) -> str:
    return "default-src *"


def only_the_name(action: Action, _: bytes) -> dict[str, object]:
    return {"operation": action.operation_id}


def whoever_signed(approval: Any, *_: object, **__: object) -> Vote:
    decision: Decision = approval.decision
    return Vote(decision.reviewer_id, frozenset(decision.groups), "device", dt.timedelta())


def joined(value: object) -> bytes:
    parts: Collection[object] = [value]
    if isinstance(value, Mapping):
        parts = [part for pair in value.items() for part in pair]
    elif isinstance(value, list):
        parts = value
    return "\n".join(map(str, parts)).encode()


def as_it_came(kind: str, prepared: str) -> bytes:
    return base64.urlsafe_b64decode(prepared.partition(":")[0])


def allowed(_: str) -> Answer:
    return Answer("allow", "could-not-be-told")


def as_it_was(answer: Answer, *_: object) -> Answer:
    return answer


def ruled_before_the_edit(loaded: Any) -> tuple[Any, Answer]:
    version, answer = rule(loaded)
    return version, Answer("review", "edited", FALLBACK) if loaded.action.original else answer


def all_is_allowed(_: object) -> tuple[None, Answer]:
    return None, Answer("allow", "all")


def any_signature(review: Review, verdict: str, reason: str, proof: ByPasskey, ballot: Any) -> Signed:
    """Of this person, whatever they gave it for."""
    payload = as_it_came("decision", proof.prepared)
    passkey, given = passkeys.verify_assertion(
        proof.assertion, challenge=passkeys.challenge_for(payload), actor=ballot.voter.actor
    )
    fields = {"passkey": passkey, "client_data_json": given.client_data_json,
              "authenticator_data": given.authenticator_data, "signature": given.signature}  # fmt: skip
    return Signed(payload, PASSKEY, fields)


def the_same_bytes(*_: object, **__: object) -> bytes:
    return b"{}"


def whatever_the_counter(*given: Any, **named: Any) -> Any:
    return unchecked_signature(*given, **{**named, "count": 0})


def everybodys(_: object) -> QuerySet[Review]:
    return Review.objects.all()


def all_of_the_team(team: str, *_: object) -> list[Grant]:
    return list(Grant.objects.filter(team=team))


def _one_that_begins_so(read: Callable[[Any], Any], wanted: Collection[str]) -> Callable[[Any], bool]:
    return lambda asked: any(read(asked).startswith(one.rstrip("*.")) for one in wanted)


names_that_begin_so = {**rules._OF_FIELDS, "operation": _one_that_begins_so}


def open_however_late(review: Review) -> None:
    if review.state != "open":
        raise Conflict(f"This review is already {review.state}.", code="already_decided")


@transaction.atomic
def a_no_of_nobody(action_id: str, actor: Any) -> None:
    action = lock_action(action_id)
    move(Review.objects.get(action=action, state="open"), "refused", actor=actor, closed_at=now())
    settle(action, "refused", {"code": "refused", "text": "No."}, actor=actor)
