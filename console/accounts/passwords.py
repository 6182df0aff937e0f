"""Step-up for people without a passkey at hand: they type their password again."""

import datetime as dt

from django.db import transaction

from audit.models import Record
from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import User
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import Forbidden, Refusal

TRIES = 5
WINDOW = dt.timedelta(minutes=5)


class Throttled(Refusal):
    status = 429
    code = "throttled"


def confirm_password(user: User, password: str, *, actor: Actor, address: str = "") -> None:
    """Raises Forbidden (`wrong_password`) or Throttled. Call it outside any transaction: the act that asks is
    refused, but the failed try must be counted all the same."""
    if actor.id != user.id or not actor.interactive:
        raise Forbidden("Only the person themself confirms by password.")
    if refusal := try_password(user, password, actor, address):
        raise refusal


@transaction.atomic(durable=True)
def try_password(user: User, password: str, actor: Actor, address: str) -> Refusal | None:
    """The row is locked, so that guesses sent at once are counted one after the other."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    personal = {"address": address} if address else {}
    if failures(locked) >= TRIES:
        record(Kind.PASSWORD_THROTTLED, subject=locked.id, actor=actor, outcome="refused", personal=personal)
        return Throttled("There were too many wrong passwords. Wait five minutes, then try again.")
    if locked.is_active and locked.check_password(password):
        record(Kind.PASSWORD_CONFIRMED, subject=locked.id, actor=actor)
        return None
    record(Kind.PASSWORD_REFUSED, subject=locked.id, actor=actor, outcome="refused", personal=personal)
    return Forbidden("The password is not right.", code="wrong_password")


def failures(user: User) -> int:
    return Record.objects.of(user.id).filter(kind=Kind.PASSWORD_REFUSED, at__gt=now() - WINDOW).count()
