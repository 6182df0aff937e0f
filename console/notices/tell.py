"""What the room of reviews calls, inside its transaction. It costs an INSERT; whatever follows is the door's."""

import datetime as dt
from collections.abc import Collection

from audit.move import inserting
from console.core.statements import Statement
from console.notices.models import Event


def telling(
    team: str,
    review: str,
    *,
    kind: str,
    integration: str,
    operation: str,
    categories: Collection[str],
    groups: Collection[str],
    makers: Collection[str],
    at: dt.datetime,
    due_at: dt.datetime | None,
    people: Collection[str] = (),
) -> Statement:
    """That these groups are asked from now on, until `due_at` if there is an end to it; or that somebody asks `people`
    of them to look. Titles are those of the
    description: nothing of an action's own may come in here, as whoever reads mail or chat is told."""
    event = Event(
        team_id=team, review=review, kind=kind, integration=integration, operation=operation,
        categories=sorted(categories), groups=sorted(groups), makers=list(makers), at=at, due_at=due_at,
        people=list(people),
    )  # fmt: skip
    return inserting(event).statement
