"""Loading on behalf of an actor. Rows of people who share no team with the actor do not exist for them."""

from django.db.models import Q, QuerySet

from console.accounts.models import ApiToken, Membership, Passkey, Team, User
from console.core.actor import Actor, Role
from console.core.errors import NotFound


def access_members(actor: Actor) -> QuerySet[Membership]:
    """The people of the actor's team, by name."""
    return Membership.objects.filter(team=actor.team).select_related("user").order_by("user__name", "user_id")


def access_user(user_id: str, *, actor: Actor) -> User:
    """Oneself, or someone of the actor's team."""
    found = User.objects.filter(pk=user_id)
    if user_id != actor.id:
        found = found.filter(memberships__team=actor.team)
    if (user := found.first()) is None:
        raise NotFound("There is no such person in your team.")
    return user


def access_team(actor: Actor) -> Team:
    if (team := Team.objects.filter(pk=actor.team).first()) is None:
        raise NotFound("You are in no team yet.")
    return team


def access_passkey(passkey_id: str, *, actor: Actor) -> Passkey:
    """One's own; an admin also reaches those of the team, to revoke what was lost."""
    theirs = Q(user=actor.id)
    if actor.has(Role.ADMIN):
        theirs |= Q(user__in=Membership.objects.filter(team=actor.team).values("user"))
    passkey = Passkey.objects.filter(theirs, pk=passkey_id).select_related("user").first()
    if passkey is None:
        raise NotFound("There is no such passkey.")
    return passkey


def access_token(token_id: str, *, actor: Actor) -> ApiToken:
    """One's own; an admin also reaches those of the team."""
    found = ApiToken.objects.filter(pk=token_id)
    found = found.filter(team=actor.team) if actor.has(Role.ADMIN) else found.filter(user=actor.id)
    if (token := found.first()) is None:
        raise NotFound("There is no such token.")
    return token
