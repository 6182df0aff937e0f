"""Tokens by which a person's scripts read the API."""

import datetime as dt
import hashlib
import secrets

from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import ApiToken, Membership, Team, User
from console.core.actor import Actor, Role
from console.core.clock import iso, now
from console.core.errors import Conflict, Forbidden, Invalid
from console.core.ids import new_id

LONGEST = dt.timedelta(days=366)


@transaction.atomic
def issue_token(user: User, team: Team, *, actor: Actor, expires: dt.datetime, label: str = "") -> tuple[ApiToken, str]:
    """The row and the secret, `cst_` and 43 characters, which nobody sees again."""
    if actor.id != user.id or not actor.interactive:
        raise Forbidden("People make their own tokens, signed in with a browser.")
    if not Membership.objects.filter(user=user, team=team).exists():
        raise Forbidden("You are not in that team.")
    if not now() < expires <= now() + LONGEST:
        raise Invalid("A token ends within a year from now.")
    secret = "cst_" + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        id=new_id("tok"), user=user, team=team, sha256=hashlib.sha256(secret.encode()).digest(), label=label[:100],
        expires_at=expires,
    )  # fmt: skip
    detail = {"user": user.id, "scope": token.scope, "expires": iso(expires)}
    record(Kind.TOKEN_ISSUED, subject=token.id, actor=actor, team=team.id, detail=detail)
    return token, secret


@transaction.atomic
def revoke_token(token: ApiToken, *, actor: Actor) -> ApiToken:
    if actor.id != token.user_id and (actor.team != token.team_id or not actor.has(Role.ADMIN)):
        raise Forbidden("Only its owner or an admin of its team revokes a token.")
    locked = ApiToken.objects.select_for_update().get(pk=token.pk)
    if locked.revoked_at is not None:
        raise Conflict("This token has been revoked already.")
    locked.revoked_at = now()
    locked.save(update_fields=["revoked_at"])
    record(Kind.TOKEN_REVOKED, subject=locked.id, actor=actor, team=locked.team_id, detail={"user": locked.user_id})
    return locked
