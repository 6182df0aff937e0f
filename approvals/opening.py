"""Break-glass: asking that a credential be opened, and how far that is. What it does is in `integrations.openings`."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models.fields.json import KT

from approvals.access import visible_reviews
from approvals.models import Action
from approvals.propose import Proposal, propose
from console.core.actor import Actor, Role
from console.core.clock import now
from console.core.errors import Conflict, Invalid
from console.core.handing_over import public_key
from integrations.describe import built_in
from integrations.grantees import PEOPLE
from integrations.here import HERE, OPEN_CREDENTIAL, SLUG
from integrations.models import Credential, Opening

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """One time that somebody asked. `mine` while the reader asked it, `readable` while it can be read in their browser
    by its `key`."""

    action: Action
    opening: Opening | None
    review: str  # if it is the reader's to see
    mine: bool

    @property
    def asker(self) -> str:
        return str(self.action.arguments["asker"])

    @property
    def key(self) -> str:
        return str(self.action.arguments["key"])

    @property
    def readable(self) -> bool:
        return self.mine and self.opening is not None and self.opening.until > now() and bool(self.opening.content)

    @property
    def why(self) -> str:
        """Of one that came to nothing."""
        outcome = self.action.outcome or {}
        told = outcome.get("body")
        return str(told.get("error") if isinstance(told, dict) and told.get("error") else outcome.get("text", ""))


@transaction.atomic
def ask_opening(credential: Credential, *, why: str, key: str, username: str, actor: Actor) -> Action:
    """`key` is the public one that the asker's browser made. Raises Conflict while the same person waits for the same,
    Invalid."""
    actor.require(Role.ADMIN)
    if credential.revoked_at:
        raise Conflict("This credential is revoked: there is nothing to open it for.")
    if not why.strip():
        raise Invalid("Say why. Whoever signs it reads this.", code="reason_needed")
    public_key(key)
    if credential.integration.slug == SLUG:
        raise Invalid("There is no secret in it.")
    built_in(actor)
    if any(asked.mine and not asked.action.settled for asked in asked_before(credential, actor)):
        raise Conflict("You have asked for this already, and it is not over.")
    proposal = Proposal(
        team=actor.team,
        operation=f"{SLUG}.{OPEN_CREDENTIAL}",
        arguments={"integration": credential.integration.slug, "credential": credential.name, "asker": username,
                   "key": key},
        grantee=PEOPLE,
        makers=[actor.id],
        key=key,
        says=why.strip(),
    )  # fmt: skip
    action = propose(proposal, actor=actor)
    if action.settled:
        raise Conflict(str((action.outcome or {}).get("text", "It was refused.")))
    return action


def asked_before(credential: Credential, actor: Actor) -> list[Asked]:
    """The newest first."""
    asked = Action.objects.filter(
        team=actor.team, operation__integration__base_url=HERE, operation__slug=OPEN_CREDENTIAL
    ).alias(system=KT("arguments__integration"), credential=KT("arguments__credential"))
    named = asked.filter(system=credential.integration.slug, credential=credential.name)
    actions = list(named.order_by("-created_at", "-id")[:SHOWN])
    openings = {one.action: one for one in Opening.objects.filter(action__in=[action.pk for action in actions])}
    reviews = dict(visible_reviews(actor).filter(action__in=actions).order_by("opened_at").values_list("action", "pk"))
    return [
        Asked(action, openings.get(action.pk), reviews.get(action.pk, ""), actor.id in action.makers)
        for action in actions
    ]
