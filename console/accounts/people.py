"""Who belongs to the console and to which team, with which roles. Admins act in their own team, the system in all."""

import re
from collections.abc import Iterable

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from audit.record import record
from audit.vocabulary import Kind
from console.accounts.models import Membership, Team, User
from console.accounts.signals import user_deactivated
from console.core.actor import Actor, Role
from console.core.attest import attest
from console.core.clock import now
from console.core.errors import Conflict, Forbidden, Invalid
from console.core.ids import new_id

USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
GROUP = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@transaction.atomic
def create_team(slug: str, name: str, *, actor: Actor) -> Team:
    """A person who creates a team becomes its first admin; nobody else could let people in."""
    require_admin(actor)
    if not SLUG.fullmatch(slug) or not name.strip():
        raise Invalid("A team needs a name, and a short name of letters a to z, digits and hyphens.")
    if Team.objects.filter(slug=slug).exists():
        raise Conflict(f"There is a team {slug} already.")
    team = Team.objects.create(id=new_id("tem"), slug=slug, name=name.strip())
    record(Kind.TEAM_CREATED, subject=team.id, actor=actor, team=team.id, detail={"slug": slug})
    if actor.kind == "human":
        write_membership(User.objects.get(pk=actor.id), team, [Role.ADMIN], [], actor)
    return team


@transaction.atomic
def create_user(username: str, name: str, *, actor: Actor, password: str | None = None, email: str = "") -> User:
    """Without a password nobody can sign in as them yet. A membership is a second act."""
    require_admin(actor)
    username = username.strip().lower()
    if not USERNAME.fullmatch(username) or not name.strip():
        raise Invalid("A person needs a name, and a username of letters a to z, digits, dots and hyphens.")
    if User.objects.filter(username=username).exists():
        raise Conflict("That username is taken.")
    user = User(id=new_id("usr"), username=username, name=name.strip(), email=email)
    if password is not None:
        check_password_strength(password, user)
    user.set_password(password)
    user.save(force_insert=True)
    personal = {"username": username, "name": user.name}
    record(Kind.USER_CREATED, subject=user.id, actor=actor, personal=personal)
    return user


def check_password_strength(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as fault:
        raise Invalid(" ".join(fault.messages)) from fault


@transaction.atomic
def set_membership(
    user: User, team: Team, *, roles: Iterable[str], groups: Iterable[str] = (), source: str = "", actor: Actor
) -> Membership:
    """Replaces what the person had in this team. `source` is the issuer whose claims give it; without one it is set by
    hand, and no sign-in changes it from then on."""
    require_admin(actor, team)
    Team.objects.select_for_update().get(pk=team.pk)  # two admins who remove each other at once
    membership = write_membership(user, team, roles, groups, actor, source)
    keep_an_admin(team.id, actor)
    return membership


@transaction.atomic
def remove_membership(user: User, team: Team, *, actor: Actor) -> None:
    require_admin(actor, team)
    Team.objects.select_for_update().get(pk=team.pk)
    membership = Membership.objects.filter(user=user, team=team).first()
    if membership is None:
        raise Conflict("They are not in this team.")
    membership.delete()
    keep_an_admin(team.id, actor)
    record(Kind.MEMBERSHIP_REMOVED, subject=user.id, actor=actor, team=team.id)


@transaction.atomic
def deactivate_user(user: User, *, actor: Actor, why: str = "") -> User:
    """Their sessions and tokens end with the next request, their websockets at once; what they signed stays checkable.
    A person says why, for the log."""
    require_admin(actor)
    if actor.kind == "human":
        check_others(user, actor, why)
    locked = User.objects.select_for_update().get(pk=user.pk)
    if not locked.is_active:
        raise Conflict("This account has been closed already.")
    locked.is_active, locked.deactivated_at = False, now()
    locked.save(update_fields=["is_active", "deactivated_at"])
    record(Kind.USER_DEACTIVATED, subject=locked.id, actor=actor, personal={"why": why} if why else {})
    user_deactivated.send(User, user=locked, actor=actor)
    return locked


def require_admin(actor: Actor, team: Team | None = None) -> None:
    if actor.kind == "system":
        return
    if not actor.interactive:
        raise Forbidden("Only people signed in with a browser do this.")
    actor.require(Role.ADMIN)
    if team is not None and actor.team != team.id:
        raise Forbidden("You can change your own team only.")


def check_others(user: User, actor: Actor, why: str) -> None:
    """Whoever closes the account of somebody else is an admin themself, so no team loses its last one by it."""
    if user.id == actor.id:
        raise Forbidden("Nobody closes their own account. Ask another admin.")
    if elsewhere(user, actor):
        raise Forbidden("They also belong to a team of others. Remove them from yours instead.")
    if not Membership.objects.filter(user=user, team=actor.team).exists():
        raise Forbidden("They are not in your team.")
    if not why.strip():
        raise Invalid("Say why, for the log.")


def last_admin_of(user: User) -> list[str]:
    """Slugs of the teams that would have no admin without this person."""
    theirs = Team.objects.filter(memberships__user=user, memberships__roles__contains=[Role.ADMIN])
    others = Membership.objects.filter(roles__contains=[Role.ADMIN], user__is_active=True).exclude(user=user)
    return list(theirs.exclude(pk__in=others.values("team")).order_by("slug").values_list("slug", flat=True))


def elsewhere(user: User, actor: Actor) -> bool:
    return actor.id != user.id and Membership.objects.filter(user=user).exclude(team=actor.team).exists()


def write_membership(
    user: User, team: Team, roles: Iterable[str], groups: Iterable[str], actor: Actor, source: str = ""
) -> Membership:
    wanted = sorted({str(role) for role in roles})
    if unknown := set(wanted) - set(Role):
        raise Invalid(f"There is no role {', '.join(sorted(unknown))}.")
    named = sorted(set(groups))
    if wrong := [group for group in named if not GROUP.fullmatch(group)]:
        raise Invalid(f"{wrong[0]} is not a name for a group: use letters a to z, digits, hyphens.")
    known = Membership.objects.filter(user=user, team=team).first()
    membership = known or Membership(id=new_id("mem"), user=user, team=team)
    membership.roles, membership.groups, membership.source = wanted, named, source
    membership.attestation = attest("membership", membership.attested())
    membership.save()
    detail = {"membership": membership.id, "roles": wanted, "groups": named, **({"source": source} if source else {})}
    record(Kind.MEMBERSHIP_SET, subject=user.id, actor=actor, team=team.id, detail=detail)
    return membership


def keep_an_admin(team: str, actor: Actor) -> None:
    """Against locking oneself out. The system may: it also begins a team, person by person."""
    admins = Membership.objects.filter(team=team, roles__contains=[Role.ADMIN], user__is_active=True)
    if actor.kind == "human" and not admins.exists():
        raise Conflict("A team keeps at least one admin. Make somebody else admin first.")
