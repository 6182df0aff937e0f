"""Where copies of what an observed agent does are sent."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema

from console.agents.identify import Identified
from console.core.wire import Error
from console.gateway.api import AgentToken
from console.shadow.heard import MOST, Seen
from console.shadow.take import take

router = Router(tags=["observations"], auth=AgentToken())


class Observations(Schema):
    """`dropped` are calls since the last batch that no copy could be kept of."""

    observations: list[Seen] = Field(min_length=1, max_length=MOST)
    dropped: int = Field(0, ge=0, le=2**53)


class Taken(Schema):
    """`taken` are those that were not known before."""

    taken: int


ANSWERS: dict[Any, Any] = {200: Taken} | dict.fromkeys((401, 403, 405, 409, 413, 422, 429), Error)


@router.post("/observations", response=ANSWERS, operation_id="show_observations")
def show_observations(request: HttpRequest, shown: Observations) -> dict[str, int]:
    """Show what you did with credentials of your own, while an admin has you observed. Nothing is done because of it.
    A copy is known by its `id`: sending it again does no harm. At most 100 at once, of 2 MiB."""
    who = getattr(request, "auth", None)
    assert isinstance(who, Identified)
    return {"taken": take(who, shown.observations, shown.dropped)}
