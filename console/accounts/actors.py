"""Turning a session or a token into the Actor that every act takes."""

import datetime as dt
import hashlib
import re
from collections.abc import Sequence

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest

from audit.models import Record
from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import ApiToken, Membership, User
from console.core.actor import ANONYMOUS, Actor, Role
from console.core.attest import verify
from console.core.clock import now
from console.core.errors import Tampered

TEAM_KEY = "team"  # the session's choice of team
BEARER = re.compile(r"Bearer (cst_[A-Za-z0-9_-]{43})")
TOUCH = dt.timedelta(minutes=1)
ALARM = dt.timedelta(minutes=5)  # a forged membership is told of this often, not at each request


def memberships_of(user: User) -> list[Membership]:
    """Oldest first: without a choice, a person works in the team they joined first."""
    return list(user.memberships.select_related("team").order_by("created_at", "id"))


def session_actor(request: HttpRequest, user: User, memberships: Sequence[Membership]) -> Actor:
    active = active_membership(memberships, request.session.get(TEAM_KEY))
    return human(user, active, auth="session", stepped_up_at=stepped_up_at(request, user))


def active_membership(memberships: Sequence[Membership], chosen: str | None) -> Membership | None:
    """Of the team that the session chose, else the first one."""
    return next((one for one in memberships if one.team_id == chosen), memberships[0] if memberships else None)


def stepped_up_at(request: HttpRequest, user: User) -> dt.datetime | None:
    """When this session last proved presence again, after signing in."""
    proofs = [float(entry["at"]) for entry in get_authentication_records(request, user) if entry.get("reauthenticated")]
    return dt.datetime.fromtimestamp(max(proofs), dt.UTC) if proofs else None


def token_actor(header: str) -> Actor:
    """ANONYMOUS for a token that is unknown, ended, revoked, or whose person has left the team or the console."""
    given = BEARER.fullmatch(header)
    token = given and find_token(given[1])
    if not token:
        return ANONYMOUS
    membership = Membership.objects.filter(user=token.user_id, team=token.team_id).first()
    if membership is None:
        return ANONYMOUS
    touch(token)
    return human(token.user, membership, auth="token")


def find_token(secret: str) -> ApiToken | None:
    digest = hashlib.sha256(secret.encode()).digest()
    good = ApiToken.objects.filter(revoked_at=None, expires_at__gt=now(), user__is_active=True)
    return good.select_related("user").filter(sha256=digest).first()


def touch(token: ApiToken) -> None:
    """At most once a minute, so that reading the API does not write at every request."""
    if token.last_used_at is None or now() - token.last_used_at > TOUCH:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now())


def genuine(membership: Membership) -> bool:
    """Written by the console, not by SQL; otherwise it counts for nothing and the log tells."""
    try:
        verify("membership", membership.attested(), membership.attestation)
    except Tampered as tampering:
        member = Actor(kind="human", id=membership.user_id, team=membership.team_id)
        known = Record.objects.of(membership.user_id).filter(kind=Kind.ALARM_TAMPERED, at__gt=now() - ALARM)
        if not known.exists():
            record(Kind.ALARM_TAMPERED, subject=membership.user_id, actor=member, detail={"what": str(tampering)})
        return False
    return True


def human(user: User, membership: Membership | None, *, auth: str, stepped_up_at: dt.datetime | None = None) -> Actor:
    if membership is not None and not genuine(membership):
        membership = None
    return Actor(
        kind="human",
        id=user.id,
        team=membership.team_id if membership else "",
        auth=auth,
        name=user.name,
        roles=frozenset(Role(role) for role in membership.roles) if membership else frozenset(),
        groups=frozenset(membership.groups) if membership else frozenset(),
        stepped_up_at=stepped_up_at,
    )
