"""What every signed-in page shows around its content: the rooms, and what waits in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from approvals.care.afterwards import owed_by
from approvals.halts import standing
from approvals.queue import how_many_wait
from console.core.actor import Actor
from console.core.web import actor_of


@dataclass(frozen=True, slots=True)
class Room:
    """`url_name` is the room's first page; `narrow` rooms keep a place of their own in the bar of a phone."""

    title: str
    url_name: str
    narrow: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    title: str
    url: str
    count: int
    narrow: bool
    current: bool


ROOMS = (
    Room("Review", "reviews", narrow=True),
    Room("Runs", "runs", narrow=True),
    Room("Workflows", "workflows"),
    Room("Agents", "agents"),
    Room("Integrations", "integrations"),
    Room("Policy", "policies"),
    Room("Audit", "audit", narrow=True),
)

# Room (its url_name) → how much waits there for this person: the one place where the frame asks rooms for numbers.
COUNTS: dict[str, Callable[[Actor], int]] = {
    "reviews": lambda actor: how_many_wait(actor) + owed_by(actor).count(),
}


def frame(request: HttpRequest) -> dict[str, object]:
    """The context processor. The rail is built only by pages that show it; pieces never pay for its counts."""
    actor = actor_of(request)
    return {
        "actor": actor,
        "rail": SimpleLazyObject(lambda: rail(actor, _here(request), getattr(request, "counted", {}))),
        "halts": SimpleLazyObject(lambda: standing(actor) if actor.team else []),
    }


def rail(actor: Actor, here: str, counted: Mapping[str, int]) -> list[Entry]:
    return [
        Entry(room.title, url, _count(room, actor, counted), room.narrow, here.startswith(url))
        for room in ROOMS
        if (url := url_of(room.url_name))
    ]


def url_of(name: str) -> str:
    """ "" for a room that is not built into this installation."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _count(room: Room, actor: Actor, counted: Mapping[str, int]) -> int:
    if room.url_name in counted:
        return counted[room.url_name]
    ask = COUNTS.get(room.url_name)
    return ask(actor) if ask and actor.kind == "human" else 0


def _here(request: HttpRequest) -> str:
    """The page the reader is on: a piece is asked for from another address than the page it belongs to."""
    htmx = getattr(request, "htmx", None)
    return (htmx and htmx.current_url_abs_path) or request.path
