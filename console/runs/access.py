"""Loading runs on behalf of an actor."""

from django.db.models import QuerySet

from console.core.actor import Actor
from console.core.errors import NotFound
from console.runs.models import Run


def visible_runs(actor: Actor) -> QuerySet[Run]:
    """Every member of the team with any role may watch its runs."""
    return Run.objects.filter(team=actor.team) if actor.roles else Run.objects.none()


def access_run(actor: Actor, run_id: str) -> Run:
    run = visible_runs(actor).select_related("version__workflow", "on_behalf_of").filter(pk=run_id).first()
    if run is None:
        raise NotFound("Your team has no such run.")
    return run
