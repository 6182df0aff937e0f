"""What rooms above lend to this one: what waits, and the way out. They register it at the start."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from console.core.actor import Actor


@dataclass(frozen=True, slots=True)
class Waiting:
    """Which of the reviews that were asked about still wait, and how many wait in all."""

    reviews: frozenset[str]
    count: int


@dataclass(frozen=True, slots=True)
class Instead:
    """Who may sign a review in whose place; `away` is for as long as that lasts."""

    delegate: str
    delegator: str
    away: bool


@dataclass(frozen=True, slots=True)
class Reviews:
    """`for_person` leaves out what they have voted on. `for_groups` (of a team; none are all) counts what is open
    whatever votes there are: many people read a channel, and none of them may learn of a vote from it. `ended` are
    those whose action has its end. `standing_in` is for a review where these groups are asked."""

    for_person: Callable[[Actor, Collection[str]], Waiting]
    for_groups: Callable[[str, Collection[str], Collection[str]], Waiting]
    ended: Callable[[Collection[str]], frozenset[str]]
    standing_in: Callable[[str, Collection[str]], Sequence[Instead]]


class NotTaken(Exception):
    """Its text is for whoever set the place up, and holds nothing secret. `for_good`: trying again is of no use."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.why, self.for_good = why, for_good


# A body to an address, with headers, through the guards of the door. The last are what no text may hold. Returns the
# status; raises NotTaken.
Post = Callable[[str, bytes, Mapping[str, str], Iterable[str]], int]

_reviews: list[Reviews] = []
_post: list[Post] = []


def register_reviews(reviews: Reviews) -> None:
    _reviews[:] = [reviews]


def register_post(post: Post) -> None:
    _post[:] = [post]


def reviews() -> Reviews:
    [registered] = _reviews
    return registered


def post(url: str, body: bytes, headers: Mapping[str, str], secrets: Iterable[str]) -> int:
    [registered] = _post
    return registered(url, body, headers, secrets)
