"""Where agents propose what they want to be granted, and read what became of it."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Field, Path, Router, Schema
from pydantic import AwareDatetime

from console.agents.identify import Identified
from console.agents.models import GrantProposal
from console.agents.proposals import LONGEST_WHY, MOST_OPERATIONS, file_proposal
from console.core.clock import iso
from console.core.errors import NotFound
from console.core.wire import Error, Moment
from console.gateway.api import AgentToken

SHOWN = 100  # the newest
PLACE = "grant_proposals"  # one address, for filing and for reading
router = Router(tags=["actions"], auth=AgentToken())


class Propose(Schema):
    """`operations` as `integration.operation`, all of one integration. `limits` as in a grant: of `arguments` and of
    `calls`. `why` is shown to the admin as your words."""

    operations: list[Annotated[str, Field(max_length=200)]] = Field(min_length=1, max_length=MOST_OPERATIONS)
    why: str = Field("", max_length=LONGEST_WHY)
    limits: dict[str, Any] = Field(default_factory=dict)
    until: AwareDatetime | None = None


class ProposalOut(Schema):
    """`grant` is what was given for it, which may be less; `answer` what the admin says."""

    id: str
    state: Literal["open", "given", "declined"]
    operations: list[str]
    limits: dict[str, Any]
    until: Moment | None
    filed_at: Moment
    settled_at: Moment | None
    answer: str
    grant: str


ANSWERS: dict[Any, Any] = {200: ProposalOut} | dict.fromkeys((401, 403, 404, 405, 422, 429), Error)


@router.post("/grant-proposals", response=ANSWERS, operation_id="propose_grant", url_name=PLACE)
def propose_grant(request: HttpRequest, wanted: Propose) -> dict[str, Any]:
    """Propose what you want to be granted. An admin gives it, or less, or declines. The same proposal is filed once;
    20 may wait."""
    return told(propose(_who(request), wanted))


@router.get(
    "/grant-proposals",
    response={200: list[ProposalOut], 401: Error},
    operation_id="list_grant_proposals",
    url_name=PLACE,
)
def list_grant_proposals(request: HttpRequest) -> list[dict[str, Any]]:
    """Your own, the newest first, at most 100."""
    return [told(one) for one in _who(request).agent.proposals.all()[:SHOWN]]


@router.get("/grant-proposals/{proposal_id}", response=ANSWERS, operation_id="get_grant_proposal")
def get_grant_proposal(request: HttpRequest, proposal_id: Annotated[str, Path(max_length=100)]) -> dict[str, Any]:
    found = _who(request).agent.proposals.filter(pk=proposal_id).first()
    if found is None:
        raise NotFound("You filed no such proposal.")
    return told(found)


def _who(request: HttpRequest) -> Identified:
    who = getattr(request, "auth", None)
    assert isinstance(who, Identified)
    return who


def propose(who: Identified, wanted: Propose) -> GrantProposal:
    return file_proposal(
        who.agent, wanted.operations, why=wanted.why, limits=wanted.limits, until=wanted.until, actor=who.actor
    )


def told(row: GrantProposal) -> dict[str, Any]:
    return {
        "id": row.id, "state": row.state, "operations": [f"{row.integration}.{one}" for one in row.operations],
        "limits": row.limits, "until": row.until, "filed_at": row.filed_at, "settled_at": row.settled_at,
        "answer": row.answer, "grant": row.grant,
    }  # fmt: skip


def as_text(row: GrantProposal) -> dict[str, Any]:
    """The same where moments have to be text."""
    given = told(row)
    return given | {name: iso(given[name]) if given[name] else None for name in ("until", "filed_at", "settled_at")}
