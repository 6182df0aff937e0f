"""What a person says for themself: when they are told, and at which address, once they have shown that it is theirs."""

import datetime as dt
from typing import Any

from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import User
from console.core.actor import Actor
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid, NotFound
from console.core.sealing import seal_for_now
from console.notices.decide import HOUR
from console.notices.models import Address, Message, Preference

GOOD_FOR = dt.timedelta(days=1)
SALT = "countersign.notices.address"
MOST = 5  # letters in an hour that somebody may have sent to addresses which are perhaps not theirs, or as a test


@transaction.atomic
def set_preference(wanted: dict[str, Any], *, actor: Actor) -> Preference:
    """`wanted` has been checked by the form; the database holds the ranges too."""
    _check_person(actor)
    row, _ = Preference.objects.update_or_create(user_id=actor.id, defaults=wanted)
    return row


@transaction.atomic
def set_address(email: str, *, actor: Actor) -> Address:
    """In place of the one before. A letter asks whether it is theirs; until then nothing else goes there."""
    _check_person(actor)
    email = email.strip()
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid("This is not a mail address.") from None
    User.objects.select_for_update().get(pk=actor.id)
    _forget(actor)
    row = Address.objects.create(user_id=actor.id, email=email)
    message = _message("confirm", actor)
    message.content = seal_for_now(signing.dumps(row.pk, salt=SALT), place=message.content_place)
    message.save(force_insert=True)
    return row


@transaction.atomic
def remove_address(*, actor: Actor) -> None:
    _check_person(actor)
    if not _forget(actor):
        raise Conflict("There is no address.")


def _forget(actor: Actor) -> bool:
    """The address itself is in no record; that it went is told of one which was theirs."""
    row = Address.objects.select_for_update().filter(user=actor.id).first()
    if row is None:
        return False
    if row.confirmed_at:
        record(Kind.ADDRESS_REMOVED, subject=row.pk, actor=actor)
    row.delete()
    return True


def find_address(token: str, *, actor: Actor) -> Address:
    """Which the letter asked about. Raises NotFound also for one of somebody else, and for one that was replaced."""
    try:
        identity = signing.loads(token, salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature:
        identity = ""
    row = Address.objects.filter(pk=identity, user=actor.id).first()
    if row is None:
        raise NotFound("This link is not good any more, or belongs to somebody else. Give your address once more.")
    return row


@transaction.atomic
def confirm_address(token: str, *, actor: Actor) -> Address:
    _check_person(actor)
    row = Address.objects.select_for_update().get(pk=find_address(token, actor=actor).pk)
    if row.confirmed_at is None:
        row.confirmed_at = now()
        row.save(update_fields=["confirmed_at"])
        record(Kind.ADDRESS_CONFIRMED, subject=row.pk, actor=actor, personal={"address": row.email})
    return row


@transaction.atomic
def send_trial(*, actor: Actor) -> Message:
    """Whatever the hours: it was asked for this minute."""
    _check_person(actor)
    User.objects.select_for_update().get(pk=actor.id)
    if not Address.objects.filter(user=actor.id).exclude(confirmed_at=None).exists():
        raise Conflict("Confirm your address first.")
    message = _message("test", actor)
    message.save(force_insert=True)
    return message


def _message(kind: str, actor: Actor) -> Message:
    """Raises Conflict where there were many."""
    if Message.objects.filter(user=actor.id, created_at__gt=now() - HOUR).exclude(kind="reviews").count() >= MOST:
        raise Conflict(f"At most {MOST} of these letters go out in an hour. Wait a while.")
    return Message(user_id=actor.id, team_id=actor.team or None, kind=kind, next_at=now())


def _check_person(actor: Actor) -> None:
    if not actor.interactive:
        raise Forbidden("Only people signed in with a browser do this.")
