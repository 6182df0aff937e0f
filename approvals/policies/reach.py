"""Rules that can never answer: by themselves, or because of those before them."""

from collections.abc import Iterator, Sequence
from typing import Any

import z3

from approvals.policies.findings import Contradictory, Unreachable
from approvals.policies.search import Search
from approvals.policies.subject import Subject
from approvals.policies.terms import Told


class Reach:
    def __init__(self, subject: Subject) -> None:
        self._subject, self._search, self._read = subject, subject.search, subject.read
        self._known = dict[int, bool]()

    def contradictory(self, index: int) -> Iterator[Contradictory]:
        if not self._can_answer(index) and not self._can_match(index):
            yield Contradictory(self._subject.rules[index].id, contradiction(self._search, self._read.tests[index]))

    def unreachable(self, index: int) -> Iterator[Unreachable]:
        if self._can_answer(index) or not self._can_match(index):
            return
        assumed = [self._read.matches[index], *self._read.passes[:index]]
        self._search.can_be(assumed)
        shadowing = [place - 1 for place in self._search.reasons(assumed) if place]
        yield Unreachable(self._subject.rules[index].id, tuple(self._subject.rules[one].id for one in shadowing))

    def _can_answer(self, index: int) -> bool:
        return self._once(self._read.reached[index])

    def _can_match(self, index: int) -> bool:
        return self._once(self._read.matches[index])

    def _once(self, event: Any) -> bool:
        key = event.get_id()
        if key not in self._known:
            self._known[key] = self._search.can_be([event])
        return self._known[key]


def contradiction(search: Search, tests: Sequence[Told]) -> tuple[str, ...]:
    """Names of tests that are never all true, without any of which the others could be; empty where all can be."""
    assumed = [search.literal(z3.Not(told.no if told.missing is None else z3.Or(told.no, told.missing)))
               for told in tests]  # fmt: skip
    return () if search.can_be(assumed) else tuple(tests[place].asks for place in search.reasons(assumed))
