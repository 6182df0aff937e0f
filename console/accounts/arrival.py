"""Somebody comes back from a provider, with claims that were verified: whether they may come in, and as whom."""

import datetime as dt
import unicodedata
from collections.abc import Collection, Mapping
from itertools import chain, count
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from console.accounts.id_tokens import check_fresh
from console.accounts.identities import find_identity, link_identity
from console.accounts.mapping import Given, memberships_by
from console.accounts.models import Membership, Team, User
from console.accounts.people import USERNAME, create_user, remove_membership, set_membership
from console.accounts.providers import IdentityProvider, rules_of
from console.accounts.receivers import refuse_session
from console.core.actor import system
from console.core.clock import now
from console.core.errors import Forbidden

METHOD = "openid_connect"
SIGN_IN = system("sign-in")


def arrive(
    request: HttpRequest, provider: IdentityProvider, claims: Mapping[str, Any], *, purpose: str, asked: dt.datetime,
    next_url: str,
) -> HttpResponse:  # fmt: skip
    if purpose == "confirm":
        confirm(request, provider, claims, asked=asked)
        return redirect(next_url or "account")
    user = admit(provider, claims)
    if user is None or (user.is_active and not user.memberships.exists()):
        return turn_away(request, provider, claims, user)
    return let_in(request, provider, user, next_url)


@transaction.atomic
def admit(provider: IdentityProvider, claims: Mapping[str, Any]) -> User | None:
    """The person, with the memberships that the claims give now. None for a stranger whom they give none."""
    given = memberships_by(rules_of(provider), claims)
    teams = lock_teams(provider, claims["sub"], given)
    identity = find_identity(provider.issuer, claims["sub"])
    if identity is None and teams:
        user = create_user(free_username(claims), printed_name(claims), actor=SIGN_IN)
        identity = link_identity(user, provider.issuer, claims["sub"], actor=SIGN_IN)
    if identity is None:
        return None
    user = User.objects.select_for_update(no_key=True).get(pk=identity.user_id)
    if user.is_active:
        follow_claims(user, provider.issuer, {team: given[team.slug] for team in teams if team.slug in given})
    return user


def lock_teams(provider: IdentityProvider, subject: str, given: Collection[str]) -> list[Team]:
    """Those that are given and those that may be taken, in one order: two browsers of one newcomer make one person, and
    two sign-ins that change the same teams do not wait for each other."""
    linked = {"user__identities__issuer": provider.issuer, "user__identities__subject": subject}
    known = Membership.objects.filter(**linked).values("team")
    locked = Team.objects.select_for_update(no_key=True).filter(Q(slug__in=given) | Q(pk__in=known))
    return list(locked.order_by("slug"))


def follow_claims(user: User, issuer: str, given: Mapping[Team, Given]) -> None:
    """Memberships from this issuer become exactly these. Those that an admin set, or another issuer, are left alone."""
    known = {one.team: one for one in Membership.objects.filter(user=user).select_related("team")}
    for team, wanted in given.items():
        before = known.get(team)
        if before is None or (before.source == issuer and not says(before, wanted)):
            set_membership(user, team, roles=wanted.roles, groups=wanted.groups, source=issuer, actor=SIGN_IN)
    for team, before in known.items():
        if before.source == issuer and team not in given:
            remove_membership(user, team, actor=SIGN_IN)


def says(membership: Membership, given: Given) -> bool:
    return given == Given(frozenset(membership.roles), frozenset(membership.groups))


def let_in(request: HttpRequest, provider: IdentityProvider, user: User, next_url: str) -> HttpResponse:
    """A session, once the library has asked for the passkey of whoever has one. Whoever was signed in here is out."""
    if request.user.is_authenticated:
        get_adapter(request).logout(request)
    with transaction.atomic():
        record_authentication(request, user, method=METHOD, provider=provider.slug, issuer=provider.issuer)
        return cast(HttpResponse, perform_login(request, user, redirect_url=next_url or None))


@transaction.atomic
def turn_away(
    request: HttpRequest, provider: IdentityProvider, claims: Mapping[str, Any], user: User | None
) -> HttpResponse:
    if request.user.is_authenticated:
        get_adapter(request).logout(request)
    refuse_session(request, user, method=METHOD)
    context = {"person": user, "provider": provider, "subject": claims["sub"]}
    return render(request, "accounts/turned_away.html", context, status=403)


@transaction.atomic
def confirm(request: HttpRequest, provider: IdentityProvider, claims: Mapping[str, Any], *, asked: dt.datetime) -> None:
    """A fresh proof for the session that is open, by the same person. It opens none."""
    identity = find_identity(provider.issuer, claims["sub"])
    if identity is None or identity.user != request.user:
        raise Forbidden(f"At {provider.name} you are somebody else than here.", code="sign_in_failed")
    try:
        check_fresh(claims, asked=asked, at=now())
    except ValueError as fault:
        raise Forbidden(f"This proves nothing new. {fault}", code="sign_in_failed") from fault
    record_authentication(
        request, identity.user, method=METHOD, provider=provider.slug, issuer=provider.issuer, reauthenticated=True
    )


def free_username(claims: Mapping[str, Any]) -> str:
    """As the provider has it, in our letters; another number behind it for each who has it here already. A name is no
    proof: whoever has it here is not taken for this person."""
    wanted = first_text(claims, "preferred_username", "email").partition("@")[0]
    plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "ignore").decode().lower()
    name = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in plain).strip("._-")[:56]
    name = name if USERNAME.fullmatch(name) else "person"
    taken = set(User.objects.filter(username__startswith=name).values_list("username", flat=True))
    return next(one for one in chain([name], (f"{name}-{number}" for number in count(2))) if one not in taken)


def printed_name(claims: Mapping[str, Any]) -> str:
    """What stands under a signature: without characters that hide or turn text around."""
    said = first_text(claims, "name", "preferred_username", "sub")
    plain = "".join(letter if letter.isprintable() else " " for letter in said)
    return " ".join(plain.split())[:200] or "No name"


def first_text(claims: Mapping[str, Any], *names: str) -> str:
    return next((said for name in names if isinstance(said := claims.get(name), str) and said), "")
