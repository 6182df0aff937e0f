"""Sending, in threads of the door: it alone opens what is sealed, and speaks to others.

A message is leased, sent while no transaction is open, and then marked. Whoever dies between leaves a lease that ends:
the message goes out again, under the same id, by which the other side knows it.
"""

import datetime as dt
import logging
import random
import threading
import time
from base64 import b64encode
from collections.abc import Collection

from django.conf import settings
from django.db import connections, transaction
from django.urls import reverse

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.actors import human
from console.accounts.models import Membership
from console.core.actor import system
from console.core.clock import now
from console.core.door_keys import KeyMissing
from console.core.errors import Tampered
from console.core.sealing import unseal_for_now
from console.notices.above import NotTaken, Waiting, post, reviews
from console.notices.channels import Opened, open_up, wrap_channels
from console.notices.decide import PATIENCE, pause
from console.notices.mail import plain_letter, review_letter, send_letter
from console.notices.models import WEBHOOK, Address, Channel, Event, Message, Notice, RotaEntry
from console.notices.plan import gather_due, plan_events, preference_of
from console.notices.words import Item, Told, chat, payload, trial_chat, trial_payload

logger = logging.getLogger(__name__)

DOOR = system("door")
THREADS = 3  # so many that one place which hangs holds up no other
PAUSE = 2.0
UPKEEP = 60.0  # seconds
LEASE = dt.timedelta(minutes=3)  # longer than any exchange takes
KEPT = dt.timedelta(days=30)
LONGEST = 300  # characters that are kept of why something failed
OVER, NOWHERE = "over", "nowhere"  # why a message was not sent, without anything having failed


def keep_delivering(stop: threading.Event) -> list[threading.Thread]:
    """Daemons: whoever hangs does not keep the door from ending."""
    threads = [
        threading.Thread(target=_run, args=(stop, number), name=f"notices-{number}", daemon=True)
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    return threads


def _run(stop: threading.Event, number: int) -> None:
    upkeep = 0.0
    while not stop.is_set():
        try:
            deliver_all()
            if number == 0 and time.monotonic() >= upkeep:
                upkeep = time.monotonic() + UPKEEP
                wrap_channels(actor=DOOR)
                forget()
        except Exception:  # one fault must not end all notices
            logger.exception("notices failed; trying again")
        connections.close_all()
        stop.wait(PAUSE)


def deliver_all() -> int:
    """Until nothing is due. Returns how many messages were tried."""
    plan_events()
    gather_due()
    tried = 0
    while (message := lease()) is not None:
        deliver(message)
        tried += 1
    return tried


@transaction.atomic
def lease() -> Message | None:
    """The next that is due, for long enough to send it."""
    due = Message.objects.filter(next_at__lte=now()).order_by("next_at").select_for_update(skip_locked=True)
    message = due.first()
    if message is not None:
        message.tries += 1
        message.next_at = now() + LEASE
        message.save(update_fields=["tries", "next_at"])
    return message


def deliver(message: Message) -> None:
    """What is over meanwhile is not sent."""
    try:
        why_not = _send(message)
    except NotTaken as fault:
        _put_off(message, fault.why[:LONGEST], for_good=fault.for_good)
    except (Tampered, KeyMissing) as fault:
        if isinstance(fault, Tampered):
            record(Kind.ALARM_TAMPERED, subject=message.channel_id or message.pk, actor=DOOR,
                   team=message.team_id or "", detail={"what": str(fault)})  # fmt: skip
        _put_off(message, "What is stored of it cannot be opened.", for_good=True)
    else:
        _finish(message, why_not)


def _finish(message: Message, why_not: str) -> None:
    """Also where another deliverer has it by now: it was sent."""
    sent_at = None if why_not else now()
    Message.objects.filter(pk=message.pk, sent_at=None).update(
        sent_at=sent_at, why_not=why_not, next_at=None, content=b""
    )


def _put_off(message: Message, why: str, *, for_good: bool) -> None:
    mine = Message.objects.filter(pk=message.pk, tries=message.tries, sent_at=None, why_not="")
    again = now() + pause(message.tries, random.random())  # noqa: S311  (no secret)
    if not for_good and again < message.created_at + PATIENCE:
        mine.update(next_at=again)
        return
    with transaction.atomic():
        if mine.update(next_at=None, why_not=why, content=b""):
            detail = {"to": message.channel_id or message.user_id, "kind": message.kind, "why": why,
                      "tries": message.tries}  # fmt: skip
            record(Kind.NOTICE_GIVEN_UP, subject=message.pk, actor=DOOR, team=message.team_id or "", detail=detail)


def _send(message: Message) -> str:
    """ "" when it was sent, or why there was no need to. Raises NotTaken, Tampered or KeyMissing."""
    told = _told(message) if message.kind == "reviews" else None
    if message.kind == "reviews" and told is None:
        return OVER
    if message.channel is not None:
        return _call(message, message.channel, told)
    return _write(message, told)


def _write(message: Message, told: Told | None) -> str:
    address = Address.objects.filter(user=message.user_id, user__is_active=True).first()
    if address is None or (address.confirmed_at is None) != (message.kind == "confirm"):
        return NOWHERE
    if told:
        send_letter(review_letter(told, to=address.email, identity=message.pk))
        return ""
    subject, text = _said(message)
    send_letter(plain_letter(subject, text, to=address.email, identity=message.pk))
    return ""


def _said(message: Message) -> tuple[str, str]:
    if message.kind == "test":
        text = f"This is what you asked for. Nothing waits because of it.\n\n{_page('notices')}\n"
        return "A test from Countersign", text
    token = unseal_for_now(message.content, place=message.content_place)
    text = (
        "Somebody who is signed in to Countersign wants notices to come to this address. If that was you, open this"
        f" page and confirm it:\n\n{_page('notices_confirm', token)}\n\n"
        "If it was not, do nothing: nothing more will come.\n"
    )
    return "Confirm this address for Countersign", text


def _call(message: Message, channel: Channel, told: Told | None) -> str:
    if channel.ended_at is not None:
        return NOWHERE
    opened = open_up(channel)
    if channel.kind == WEBHOOK:
        body = payload(told) if told else trial_payload(channel.team.slug, _page("reviews"), now())
        headers = _signed(message, opened, body)
    else:
        body, headers = chat(told) if told else trial_chat(channel.team.name, _page("reviews")), {}
    secrets = [opened.url, b64encode(opened.key.private_bytes_raw()).decode()] if opened.key else [opened.url]
    check_taken(post(opened.url, body, headers, secrets))
    return ""


def _signed(message: Message, opened: Opened, body: bytes) -> dict[str, str]:
    at = int(time.time())
    return {"webhook-id": message.pk, "webhook-timestamp": str(at),
            "webhook-signature": opened.signature(message.pk, at, body)}  # fmt: skip


def check_taken(status: int) -> None:
    """A redirect is not followed, and who says that they do not want this will not want it later. Raises NotTaken."""
    if not 200 <= status < 300:
        final = status < 500 and status not in (408, 425, 429)
        raise NotTaken(f"It answered {status}.", for_good=final)


def _told(message: Message) -> Told | None:
    """None where nothing of it is left to tell."""
    notices = list(message.notices.select_related("event").order_by("pk"))
    waiting, zone = _waiting(message, {one.review for one in notices})
    kept = {one.review: one for one in notices if one.occasion == "ended" or one.review in waiting.reviews}
    if not kept or message.team is None:
        return None
    items = [_item(one) for one in kept.values()]
    others = waiting.count - len(waiting.reviews & kept.keys())
    return Told(message.team.name, items, others, _page("reviews"), _page("notices"), zone, now(),
                personal=message.user_id is not None)  # fmt: skip


def _waiting(message: Message, asked_about: Collection[str]) -> tuple[Waiting, str]:
    """And the zone of whoever reads it."""
    if message.channel is not None:
        return reviews().for_groups(message.channel.team_id, message.channel.groups, asked_about), "UTC"
    person = message.user
    membership = Membership.objects.filter(user=person, team=message.team_id).first()
    assert person is not None
    actor = human(person, membership if person.is_active else None, auth="process")
    return reviews().for_person(actor, asked_about), preference_of(person).zone


def _item(notice: Notice) -> Item:
    told = notice.event
    return Item(notice.review, _page("review", notice.review), told.kind, told.integration, told.operation,
                tuple(told.categories), told.due_at, notice.occasion)  # fmt: skip


def _page(name: str, *args: str) -> str:
    return f"{settings.ORIGIN}{reverse(name, args=args)}"


def forget() -> None:
    """What was told long ago, and where people were told who are here no more."""
    long_ago = now() - KEPT
    with transaction.atomic():
        old = Event.objects.filter(planned_at__isnull=False, at__lt=long_ago)
        Notice.objects.filter(event__in=old, next_at=None).delete()
        old.exclude(notices__isnull=False).delete()
        Message.objects.filter(created_at__lt=long_ago, next_at=None).exclude(notices__isnull=False).delete()
        Address.objects.filter(user__is_active=False).delete()
        RotaEntry.objects.filter(ends_at__lt=long_ago).delete()
