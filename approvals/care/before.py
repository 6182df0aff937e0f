"""What a reviewer has to do before approving, as their page shows it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from approvals.care.asks import Asks, asks_of, can_be_stated, look_of, titles
from approvals.care.statements import FEWEST
from approvals.models import Look, Review
from console.core.actor import Actor

HINTS = {
    "amount": "With its currency, such as 12.50 EUR. Read it above, where the console has decoded it.",
    "counterparty": f"The last {FEWEST} characters of the name by which the other side knows who is at the other end.",
}


@dataclass(frozen=True, slots=True)
class Todo:
    """`name` is the title of a piece of evidence or, of a `fact`, which one."""

    name: str
    fact: bool
    done: bool
    possible: bool

    @property
    def says(self) -> str:
        return f"State the {self.name}" if self.fact else f"Open “{self.name}”"

    @property
    def hint(self) -> str:
        return HINTS.get(self.name, "")


@dataclass(frozen=True, slots=True)
class Before:
    todos: tuple[Todo, ...]

    @property
    def ready(self) -> bool:
        return all(todo.done for todo in self.todos)

    @property
    def hides_words(self) -> bool:
        """Whoever has read what an agent says finds it in the facts."""
        return any(todo.fact and not todo.done for todo in self.todos)

    def readable(self, evidence: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Without what they have to open and have not opened."""
        closed = {todo.name for todo in self.todos if not todo.fact and not todo.done}
        return [piece for piece in evidence if str(piece.get("title", "")) not in closed]


def before_of(review: Review, actor: Actor) -> Before | None:
    wanted = asks_of(review)
    return _before(wanted, look_of(review, actor.id), review) if wanted else None


def _before(wanted: Asks, look: Look, review: Review) -> Before:
    there, action = titles(review.action), review.action
    opening = [Todo(name, False, name in look.opened, name in there) for name in wanted.evidence]
    stating = [Todo(name, True, name in look.stated, can_be_stated(name, action)) for name in wanted.states]
    return Before((*opening, *stating))
