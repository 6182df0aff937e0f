"""What happens when the sign-in library tells that somebody came, went, or changed their keys."""

from collections.abc import Mapping
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from webauthn.helpers import base64url_to_bytes

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.actors import memberships_of, session_actor
from console.accounts.enrolment import challenge_in, enrol_passkey, revoke_passkey
from console.accounts.limits import SESSION_KEY, note_use
from console.accounts.models import Passkey, User
from console.accounts.passkeys import check_genuine, check_in_use, leaves_of
from console.core.actor import Actor
from console.core.clock import iso, now
from console.core.errors import Refusal, StepUpRequired
from console.core.ids import new_id


def connect() -> None:
    user_logged_in.connect(open_session, dispatch_uid="accounts.open_session")
    user_logged_out.connect(close_session, dispatch_uid="accounts.close_session")
    mfa.authenticator_added.connect(enrol, dispatch_uid="accounts.enrol")
    mfa.authenticator_removed.connect(revoke, dispatch_uid="accounts.revoke")
    mfa.authenticator_used.connect(check_used, dispatch_uid="accounts.check_used")
    mfa.authentication_failed.connect(refuse_code, dispatch_uid="accounts.refuse_code")


def open_session(request: HttpRequest, user: User, **_: Any) -> None:
    session = {"id": new_id("ses"), "opened": iso(now())}
    request.session[SESSION_KEY] = session
    note_use(request.session, now())
    detail = {"session": session["id"], "methods": sorted(methods(request, user))}
    record(Kind.SESSION_OPENED, subject=user.id, actor=actor_for(request, user), detail=detail, personal=place(request))


def close_session(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is None:
        return
    session = request.session.get(SESSION_KEY, {})
    detail = {"session": session.get("id", "")}
    record(Kind.SESSION_CLOSED, subject=user.id, actor=actor_for(request, user), detail=detail)


def methods(request: HttpRequest, user: User) -> set[str]:
    """`password`, `webauthn`, `recovery_codes`: how this person proved who they are."""
    return {str(entry.get("type", entry["method"])) for entry in get_authentication_records(request, user)}


def last_proof(request: HttpRequest, user: User) -> str:
    """By what this person last proved presence again: `password`, `webauthn`, `openid_connect` and the issuer.
    A session alone adds no passkey."""
    proofs = [entry for entry in get_authentication_records(request, user) if entry.get("reauthenticated")]
    if not proofs:
        raise StepUpRequired("Confirm that it is you before you add a passkey.")
    last = proofs[-1]
    return " ".join(filter(None, [str(last.get("type", last["method"])), str(last.get("issuer", ""))]))


def actor_for(request: HttpRequest, user: User) -> Actor:
    """Anew: while somebody signs in, `request.actor` still says that nobody is there."""
    return session_actor(request, user, memberships_of(user))


def place(request: HttpRequest) -> dict[str, object]:
    address = request.META.get("REMOTE_ADDR")
    return {"address": address} if address else {}


def enrol(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    """In the view's transaction: a key that our own rules refuse is not in the library's table either."""
    actor = actor_for(request, user)
    if authenticator.type != Authenticator.Type.WEBAUTHN:
        record(Kind.RECOVERY_CODES_MADE, subject=user.id, actor=actor)
        return
    credential: Mapping[str, object] = authenticator.data["credential"]
    label = str(authenticator.data.get("name", ""))
    # The library has just compared the challenge with the one it gave out, and used it up.
    enrol_passkey(
        user, credential, challenge=challenge_in(credential), label=label, how=last_proof(request, user), actor=actor
    )


def revoke(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    passkey = passkeys_of(authenticator).first()
    if passkey is not None and passkey.revoked_at is None:
        revoke_passkey(passkey, why="Removed from the account.", actor=actor_for(request, user))


def check_used(authenticator: Authenticator, **_: Any) -> None:
    """A key that somebody wrote into the library's table signs nobody in."""
    if authenticator.type != Authenticator.Type.WEBAUTHN:
        return
    passkey = passkeys_of(authenticator).annotate(leaves=leaves_of("pk")).first()
    if passkey is None:
        raise Refusal("This passkey is not known here.", code="unknown_passkey")
    check_genuine(passkey, passkey.leaves)
    check_in_use(passkey)
    Passkey.objects.filter(pk=passkey.pk).update(last_used_at=now())


def passkeys_of(authenticator: Authenticator) -> QuerySet[Passkey]:
    """One, or none."""
    if authenticator.type != Authenticator.Type.WEBAUTHN:
        return Passkey.objects.none()
    key = base64url_to_bytes(str(authenticator.data["credential"]["id"]))
    return Passkey.objects.filter(credential_id=key, user=authenticator.user_id)


@transaction.atomic
def refuse_code(request: HttpRequest, user: User, **_: Any) -> None:
    refuse_session(request, user, method="recovery_codes")


def refuse_session(request: HttpRequest, user: User | None, *, method: str) -> None:
    """What was typed as a name is not kept when nobody has that name: it may be a password in the wrong field."""
    personal = place(request) | ({"username": user.username} if user else {})
    actor = Actor(kind="anonymous", id="", auth="none")
    record(
        Kind.SESSION_REFUSED, subject=user.id if user else "", actor=actor, outcome="refused",
        detail={"method": method}, personal=personal,
    )  # fmt: skip
