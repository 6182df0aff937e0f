"""A document that the lab looks at: as formulas, and as what really answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from approvals.policies.examples import Judge, find_example
from approvals.policies.findings import Example
from approvals.policies.situations import sentence
from approvals.policies.strength import Strength, strength
from approvals.policies.terms import Read, Situation, World


class Subject:
    def __init__(self, world: World, document: Mapping[str, Any]) -> None:
        self.world, self.search, self.document = world, world.search, document
        self.read, self.judge = Read(world, document), Judge(document)
        self.rules = self.judge.rules

    def strength(self, index: int) -> Strength:
        return strength(self.rules[index].then, self.rules[index].requirement)

    def find(self, assumed: Sequence[Any], confirms: Callable[[Situation], object]) -> tuple[Situation, Example]:
        """What is assumed can be."""
        situation, confirmed = find_example(self.world, assumed, confirms)
        asked = self.judge.asked(situation)
        return situation, Example(asked, sentence(asked, situation, self.document), confirmed)
