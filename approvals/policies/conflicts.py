"""Pairs of rules that overlap, where the one that answers is laxer than one that would have answered too."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import z3

from approvals.policies.findings import Conflict, Example
from approvals.policies.search import Enough
from approvals.policies.strength import Strength
from approvals.policies.subject import Subject
from approvals.policies.terms import Situation

MOST, MOST_OF_A_RULE, MOST_TRIED = 50, 5, 20


class Conflicts:
    """The last rule is no part of any: it matches everything, and is there for what the others leave."""

    def __init__(self, subject: Subject) -> None:
        self._subject, self._search, self._read = subject, subject.search, subject.read
        self._strengths = [subject.strength(index) for index in range(len(subject.rules))]
        self._found = 0
        self._alike: dict[Strength, list[int]] = {}
        for index, strength in enumerate(self._strengths[:-1]):
            self._alike.setdefault(strength, []).append(index)
        self._later = {strength: self._any_later(places) for strength, places in self._alike.items()}

    def of(self, index: int) -> list[Conflict]:
        """Of at most some later rules, first those of which the earlier is no mere exception."""
        if self._found >= MOST:
            raise Enough
        pairs = [self._conflict(index, later, instance) for later, instance in self._overlapping(index)]
        pairs.sort(key=lambda one: one.exception)
        self._found += len(pairs[:MOST_OF_A_RULE])
        return pairs[:MOST_OF_A_RULE]

    def _any_later(self, places: list[int]) -> list[Any]:
        """For each of these rules, that it or one of them after it matches."""
        matching = [self._search.false]
        for place in reversed(places):
            matching.append(self._search.literal(z3.Or(self._read.matches[place], matching[-1])))
        return matching[:0:-1]

    def _overlapping(self, index: int) -> Iterator[tuple[int, Example]]:
        left = [later for later in range(index + 1, len(self._strengths) - 1)
                if self._strengths[index].is_laxer_than(self._strengths[later])]  # fmt: skip
        if not left:
            return
        assumed, most = [self._read.reached[index], self._search.literal(z3.Or(*self._arms(index)))], len(left)
        while most - len(left) < MOST_TRIED and self._search.can_be(assumed):
            find = partial(self._both, index, tuple(left))
            situation, instance = self._subject.find(assumed, partial(find, supposed=False))
            for later in find(situation, supposed=not instance.confirmed):
                yield later, instance
                left.remove(later)
                assumed.append(z3.Not(self._read.matches[later]))

    def _arms(self, index: int) -> list[Any]:
        """For each kind of stricter answer, that a later rule which gives it matches."""
        found = []
        for strength, places in self._alike.items():
            at = bisect_right(places, index)
            if self._strengths[index].is_laxer_than(strength) and at < len(places):
                found.append(self._later[strength][at])
        return found

    def _both(self, index: int, among: Sequence[int], situation: Situation, *, supposed: bool) -> list[int]:
        """Those of the rules that match too, where this one answers."""
        judge = self._subject.judge
        if judge.first(situation, supposed=supposed) != (index, []):
            return []
        return [later for later in among if judge.matches(later, situation, supposed=supposed)[0]]

    def _conflict(self, index: int, later: int, instance: Example) -> Conflict:
        rules, both = self._subject.rules, [self._read.matches[index], self._read.misses(later)]
        return Conflict(
            rules[index].id, rules[later].id, self._strengths[index], self._strengths[later],
            not self._search.can_be(both), instance,
        )  # fmt: skip
