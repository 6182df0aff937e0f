"""What the page of delegations reads."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from approvals.models import Delegation
from console.core.actor import Actor, Role
from console.core.clock import now

MOST = 50


@dataclass(frozen=True, slots=True)
class Told:
    """One delegation, as its row on the page says it."""

    row: Delegation
    mine: bool  # the reader gave it
    may_end: bool

    @property
    def state(self) -> str:
        if self.row.state == "ended" or self.row.ends_at <= now():
            return "ended"
        return "in force" if self.row.begins_at <= now() else "yet to come"


@dataclass(frozen=True, slots=True)
class Delegations:
    """`others` are those in force between other people of the team, for admins, who may end them."""

    given: Sequence[Told]
    received: Sequence[Told]
    others: Sequence[Told]
    ended: Sequence[Told]

    @property
    def lists(self) -> list[tuple[str, str, Sequence[Told]]]:
        return [
            ("given", "Who signs in your place", self.given), ("received", "For whom you sign", self.received),
            ("others", "Others of your team", self.others), ("ended", "Ended", self.ended),
        ]  # fmt: skip


def delegations_of(actor: Actor) -> Delegations:
    of_team = Delegation.objects.filter(team=actor.team).select_related("delegator", "delegate")
    own = Q(delegator=actor.id) | Q(delegate=actor.id)
    admin = actor.has(Role.ADMIN)
    standing = [_told(one, actor, admin) for one in of_team.filter(own, state="given")]
    others = of_team.filter(state="given").exclude(own)[:MOST] if admin else ()
    return Delegations(
        given=[one for one in standing if one.mine],
        received=[one for one in standing if not one.mine],
        others=[_told(one, actor, admin) for one in others],
        ended=[_told(one, actor, admin) for one in of_team.filter(own, state="ended")[:MOST]],
    )


def _told(row: Delegation, actor: Actor, admin: bool) -> Told:
    mine = row.delegator_id == actor.id
    return Told(row, mine, row.state == "given" and (mine or admin))
