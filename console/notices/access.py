"""Loading on behalf of an actor: other teams' channels and rotas do not exist."""

from console.core.actor import Actor
from console.core.errors import NotFound
from console.notices.models import WEBHOOK, Channel, RotaEntry


def access_channel(actor: Actor, identity: str) -> Channel:
    row = Channel.objects.select_related("team").filter(pk=identity, team=actor.team).first()
    if row is None:
        raise NotFound("There is no such channel in your team.")
    return row


def access_entry(actor: Actor, identity: str) -> RotaEntry:
    row = RotaEntry.objects.filter(pk=identity, team=actor.team).first()
    if row is None:
        raise NotFound("There is no such entry in your team's rota.")
    return row


def signing_channel(identity: str) -> Channel:
    """For anybody: whoever gets its calls checks them by its public key."""
    row = Channel.objects.filter(pk=identity, kind=WEBHOOK).first()
    if row is None:
        raise NotFound("There is no such channel.")
    return row
