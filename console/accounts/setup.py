"""The first administrator: whoever holds a link that only the console's own shell prints."""

import datetime as dt
import hashlib
import secrets

from django.db import transaction
from django.utils.text import slugify

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import SetupLink, User
from console.accounts.people import create_team, create_user, set_membership
from console.core.actor import Role, system
from console.core.clock import now
from console.core.errors import NotFound
from console.core.ids import new_id

LIFETIME = dt.timedelta(hours=24)
SETUP = system("setup")


@transaction.atomic
def offer_setup() -> str | None:
    """A fresh one-time token while nobody has an account, else None."""
    if User.objects.exists():
        return None
    token = secrets.token_urlsafe(32)
    link = SetupLink.objects.create(id=new_id("stl"), sha256=digest(token), expires_at=now() + LIFETIME)
    record(Kind.SETUP_OFFERED, subject=link.id, actor=SETUP)
    return token


def find_link(token: str) -> SetupLink:
    link = SetupLink.objects.filter(sha256=digest(token), used_at=None, expires_at__gt=now()).first()
    if link is None or User.objects.exists():
        raise NotFound("This link has been used or is too old. Ask for a new one where the console runs.")
    return link


@transaction.atomic
def finish_setup(token: str, *, team: str, name: str, username: str, password: str) -> User:
    """Locks every link, not only this one: two links used at once must not make two first administrators."""
    list(SetupLink.objects.select_for_update().order_by("id"))
    link = find_link(token)
    link.used_at = now()
    link.save(update_fields=["used_at"])
    created = create_team(slugify(team)[:64].strip("-") or "team", team, actor=SETUP)
    user = create_user(username, name, password=password, actor=SETUP)
    # `admins` is whom a review asks when no rule names anybody.
    set_membership(user, created, roles=list(Role), groups=["admins"], actor=SETUP)
    record(Kind.SETUP_FINISHED, subject=link.id, actor=SETUP, team=created.id, detail={"user": user.id})
    return user


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
